"""What the tests of executors share: a stub trial's configuration, and how to wait for what goes on elsewhere."""

import time
from contextlib import suppress
from pathlib import Path

import psutil
from omegaconf import OmegaConf
from remote_stub import GATED

from macsql.config import Config, validate


def stub_config(state: Path, steps: int = 20) -> Config:
    return validate(
        OmegaConf.create(
            {
                "data": {"format": "pocket"},
                "agents": {"style": "brief"},
                "codec": {"name": "marks"},
                "mixture": {"name": "real"},
                "model": {"name": "pocket", "pocket": {"d_model": 16}},
                "trainer": {"max_steps": steps},
                "search": {"sampler": "grid"},
                "executor": {"name": "local", "threads": 1},
                "tracking": {"state_dir": str(state)},
            }
        )
    )


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


def gate_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.gate")


def wait_for_gate(folder: Path) -> None:
    """Until a gated trial stands at its gate, and the coordinator can hear it there."""
    wait_for(lambda: steps_told(folder) == GATED, "the trial at its gate")


def open_gate(folder: Path) -> None:
    gate_of(folder).touch()


def at_work(folder: Path) -> list[psutil.Process]:
    """The processes that have the folder, or a file of it, in their command."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(word.startswith(str(folder)) for word in process.cmdline()) and process.status() != "zombie":
                found.append(process)
    return found
