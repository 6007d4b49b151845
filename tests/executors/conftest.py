"""Folders of stub trials."""

import json
import os
from pathlib import Path

import pytest
from waiting import stub_config

from macsql.config import to_yaml

STUBS = Path(__file__).parent


@pytest.fixture(scope="session", autouse=True)
def stub_on_path():
    """Processes started from here, a Ray node among them, find `remote_stub`."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(STUBS), *([before] if before else [])])
    yield
    os.environ.pop("PYTHONPATH")
    if before:
        os.environ["PYTHONPATH"] = before


@pytest.fixture
def stub_folder(tmp_path):
    """Makes the folder of a stub trial as the coordinator would."""

    def make(name: str = "stub", steps: int = 20) -> Path:
        folder = tmp_path / "trials" / name
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(to_yaml(stub_config(tmp_path, steps)))
        (folder / "trial.json").write_text(json.dumps({"sweep": "stub", "index": 0}))
        return folder

    return make
