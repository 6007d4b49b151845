"""Folders of stub trials, and sweeps of stub trials as the tests of the search make them."""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from fake_slurm import slurm
from waiting import at_work, gate_of, stub_config

from macsql.config import to_yaml

sys.path.append(str(Path(__file__).resolve().parent.parent / "coordination"))

from stub_fixtures import stub_sweep, zygote

STUBS = Path(__file__).resolve().parent

__all__ = ["slurm", "stub_folder", "stub_on_path", "stub_sweep", "zygote"]


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
    """Makes the folder of a stub trial as the coordinator would; ends what is left at work there."""

    def make(name: str = "stub", steps: int = 20, gated: bool = False) -> Path:
        folder = tmp_path / "trials" / name
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(to_yaml(stub_config(tmp_path, steps)))
        gate = {"gate": str(gate_of(folder))} if gated else {}
        (folder / "trial.json").write_text(json.dumps({"sweep": "stub", "index": 0, **gate}))
        return folder

    yield make
    for process in at_work(tmp_path / "trials"):
        with suppress(psutil.Error):
            process.kill()
