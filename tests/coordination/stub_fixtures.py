"""Fixtures for whoever tests sweeps of stub trials: a conftest.py imports them."""

from collections.abc import Iterator
from typing import Any

import pytest
from stub_sweep import StubSweep, Zygote

__all__ = ["stub_sweep", "zygote"]


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
        sweep.end()
