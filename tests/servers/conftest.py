"""Servers for the tests of this folder, and sweeps of stub trials as the tests of the search make them."""

import sys
from pathlib import Path

import pytest
from servers import MlflowServer, Postgres, postgres_programs

sys.path.append(str(Path(__file__).resolve().parent.parent / "coordination"))

from stub_fixtures import stub_sweep, zygote

__all__ = ["mlflow_server", "postgres", "stub_sweep", "zygote"]


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL that lives as long as the session's tests."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install -e '.[postgres]'")
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
