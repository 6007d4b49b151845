"""Servers for the tests of this folder, and sweeps of stub trials as the tests of the search make them."""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from servers import MlflowServer, Postgres, postgres_programs

sys.path.append(str(Path(__file__).resolve().parent.parent / "search"))

from stub_sweep import StubSweep, Zygote


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL that lives as long as the session's tests."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'macsql[postgres]'")
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    server = Postgres(programs)
    yield server
    server.close()


@pytest.fixture(scope="session")
def mlflow_server(postgres, tmp_path_factory):
    """An MLflow server with a database of its own on that PostgreSQL."""
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"), postgres.create("mlflow"))
    yield server
    server.kill()


@pytest.fixture(scope="session")
def zygote(tmp_path_factory):
    made = Zygote(tmp_path_factory.mktemp("zygote"))
    yield made
    made.close()


@pytest.fixture
def stub_sweep(zygote, tmp_path):
    """Makes sweeps: stub_sweep(folder, changes, environment); ends what is left of them."""
    made = []

    def make(name="state", changes=None, environment=None) -> StubSweep:
        made.append(StubSweep(zygote, tmp_path / name, changes or {}, environment or {}))
        return made[-1]

    yield make
    for sweep in made:
        for process in sweep.children():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
