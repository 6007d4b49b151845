"""A small database that the metrics of all agents are tried on."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from macsql.database.sandbox import Limits, Sandbox
from macsql.database.schema import Database, read_sqlite_schema


@pytest.fixture(scope="session")
def zoo(tmp_path_factory) -> Database:
    path = tmp_path_factory.mktemp("zoo") / "zoo.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((Path(__file__).parent / "data" / "zoo.sql").read_text())
    return Database("zoo", path, read_sqlite_schema(path))


@pytest.fixture(scope="session")
def sandbox():
    with Sandbox(1, Limits(seconds=1)) as one:
        yield one
