"""Sweeps of stub trials that can be killed."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from stub_sweep import StubSweep, Zygote


@pytest.fixture(scope="session")
def zygote(tmp_path_factory) -> Iterator[Zygote]:
    made = Zygote(tmp_path_factory.mktemp("zygote"))
    yield made
    made.close()


@pytest.fixture
def stub_sweep(zygote, tmp_path) -> Iterator[Any]:
    """Makes sweeps: stub_sweep(name, changes, environment); ends what is left of them."""
    made: list[StubSweep] = []

    def make(name: str = "state", changes: Any = None, environment: Any = None) -> StubSweep:
        made.append(StubSweep(zygote, tmp_path / name, changes or {}, environment or {}))
        return made[-1]

    yield make
    for sweep in made:
        for process in sweep.children():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
