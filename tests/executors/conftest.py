"""Folders of stub trials, and how to wait for what goes on elsewhere."""

import json
import os
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from macsql.config import Config, to_yaml, validate

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


def stub_config(state: Path, steps: int = 20) -> Config:
    return validate(
        OmegaConf.create(
            {
                "data": {"format": "pocket"},
                "agents": {"style": "compact"},
                "codec": {"name": "compact"},
                "mixture": {"name": "real"},
                "model": {"name": "pocket", "pocket": {"d_model": 16}},
                "trainer": {"max_steps": steps},
                "search": {"sampler": "grid"},
                "executor": {"name": "local", "threads": 1},
                "tracking": {"state_dir": str(state)},
            }
        )
    )


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


def wait_for(condition, what: str, seconds: float = 60.0):
    """The first true value of `condition`; fails after so many seconds."""
    until = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < until, f"waited {seconds} s for {what}"
        time.sleep(0.05)
    return value


def ended(handle, seconds: float = 60.0) -> int:
    return wait_for(lambda: (code := handle.poll()) is not None and (code,), "the trial's end", seconds)[0]


def steps_told(folder: Path) -> int:
    path = folder / "events.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0
