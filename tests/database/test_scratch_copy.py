"""Statements that change data, on the copy: they see each other's changes, and nothing outside sees any."""

import os
import pickle
import sqlite3
import time
from pathlib import Path

import pytest

from macsql.database import readonly, scratch_copy
from macsql.database.sandbox import Sandbox
from macsql.protocols.bench import Bench, Options

HOSTILE = [
    "ATTACH '{folder}/new.db' AS other",
    "VACUUM INTO '{folder}/new.db'",
    "VACUUM",
    "PRAGMA journal_mode = WAL",
    "PRAGMA temp_store_directory = '{folder}'",
    "SELECT load_extension('{folder}/x.so')",
    "SELECT writefile('{folder}/new.txt', 'x')",
    "CREATE VIRTUAL TABLE f USING fts5(x)",
    "INSERT INTO t SELECT zeroblob(1000000000)",
    "CREATE TABLE u AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT hex(zeroblob(99)) FROM n",
    "SELECT instr(hex(zeroblob(40000000)), hex(zeroblob(20000000)) || 'x')",
    "INSERT INTO t VALUES (randomblob(1000000))",
    "SELECT zeroblob(10)",
    "SELECT fts3_tokenizer('simple')",
    "SELECT readfile('/etc/hostname')",
    "SELECT edit('x', 'ed')",
    "DETACH main",
    "SELECT * FROM pragma_database_list",
    "ALTER TABLE t RENAME TO {folder}/new",
    "SELECT \0",
    "DELETE FROM t; DELETE FROM t",
    "\udcff",
]


@pytest.fixture
def bench(tmp_path):
    connection = sqlite3.connect(tmp_path / "d.sqlite")
    connection.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2); CREATE TABLE e (a);")
    connection.close()
    with Sandbox() as sandbox:
        yield Bench(tmp_path, sandbox, Options(time_limit=1.0))


def test_changes_are_seen_by_what_follows(bench):
    path = bench.folder / "d.sqlite"
    assert bench.run_on_copy(path, "DELETE FROM t WHERE a = 1", "SELECT a FROM t") == [[], [(2,)]]
    assert bench.run_on_copy(path, "SELECT a FROM t") == [[(1,), (2,)]]
    assert bench.run_on_copy(path, "UPDATE t SET a = a + 1 RETURNING a") == [[(2,), (3,)]]
    assert bench.run_on_copy(path, "DROP TABLE t", "SELECT a FROM e") == [[], []]


def test_one_failure_is_a_failure(bench):
    path = bench.folder / "d.sqlite"
    assert bench.run_on_copy(path, "DROP TABLE t", "SELECT a FROM t") is None
    assert bench.run_on_copy(path, "DELETE FROM nothing") is None
    assert bench.run_on_copy(path, "nonsense", "SELECT a FROM t") is None


def test_a_write_ahead_database_can_be_copied(bench):
    path = bench.folder / "w.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (a); INSERT INTO t VALUES (7);")
    connection.close()
    assert bench.run_on_copy(path, "INSERT INTO t VALUES (8)", "SELECT a FROM t") == [[], [(7,), (8,)]]


@pytest.mark.parametrize("statement", HOSTILE, ids=[text[:30].replace("\0", "NUL") for text in map(ascii, HOSTILE)])
def test_no_harm_is_done(bench, statement):
    path = bench.folder / "d.sqlite"
    before, listed = path.read_bytes(), sorted(Path(bench.folder).iterdir())
    begun = time.monotonic()
    assert bench.run_on_copy(path, statement.replace("{folder}", str(bench.folder))) is None
    assert time.monotonic() - begun < bench.options.time_limit + 2
    assert path.read_bytes() == before
    assert sorted(Path(bench.folder).iterdir()) == listed
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    if children.exists():
        names = [Path(f"/proc/{child}/cmdline").read_bytes() for child in children.read_text().split()]
        assert not any(b"scratch_copy" in name for name in names)


def test_a_large_file_is_not_copied(bench, monkeypatch):
    monkeypatch.setattr("macsql.protocols.bench.LARGEST_COPY", 10)
    assert bench.run_on_copy(bench.folder / "d.sqlite", "SELECT a FROM t") is None


class Imported:
    """What a process that was taken over would send: reading it with pickle would run a function."""

    def __reduce__(self):
        return os.system, ("true",)


@pytest.mark.parametrize("sent", [pickle.dumps(Imported()), b"", b"no pickle", pickle.dumps([[(1,)]])[:-2]])
def test_nothing_is_imported_from_what_the_process_sends(bench, monkeypatch, sent):
    called = []
    monkeypatch.setattr(os, "system", called.append)
    monkeypatch.setattr(scratch_copy, "PROGRAM", f"import sys; sys.stdout.buffer.write({sent!r})")
    assert bench.run_on_copy(bench.folder / "d.sqlite", "SELECT a FROM t") is None
    assert called == []


def test_no_function_is_allowed_that_the_sandbox_forbids():
    for name in readonly.FORBIDDEN_FUNCTIONS:
        for spelt in (name, name.upper()):
            assert scratch_copy.authorize(sqlite3.SQLITE_FUNCTION, None, spelt, None, None) == sqlite3.SQLITE_DENY
    for action in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA, sqlite3.SQLITE_CREATE_VTABLE):
        assert scratch_copy.authorize(action, "x", "y", None, None) == sqlite3.SQLITE_DENY
