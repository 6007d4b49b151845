"""A small database of our own, with what is awkward: a wide table, NULLs, a name with a space."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from macsql.database.sandbox import Sandbox
from macsql.database.schema import Database, Schema, read_sqlite_schema

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def ferries(tmp_path_factory: pytest.TempPathFactory) -> Database:
    path = tmp_path_factory.mktemp("ferries") / "ferries.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DATA / "ferries.sql").read_text(encoding="utf-8"))
    return Database("ferries", path, read_sqlite_schema(path))


@pytest.fixture(scope="session")
def schema(ferries: Database) -> Schema:
    return ferries.schema


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(1) as box:
        yield box
