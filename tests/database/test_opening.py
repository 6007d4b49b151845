"""One way to open a SQLite file: as it stands, nothing beside it, and a true reason where it cannot be."""

import os
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from macsql.database.opening import connect, is_side_file
from macsql.database.sandbox import Sandbox, Status
from macsql.database.schema import Database, read_sqlite_schema
from macsql.database.values import read_value_examples
from macsql.errors import UserError
from macsql.spider_sql.schema import read_spider_schema

SCRIPT = "CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO singer VALUES (1, 'Ada'), (2, 'Bo');"
WAL = f"PRAGMA journal_mode = WAL; {SCRIPT}"


def make(path: Path, script: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return path


def every_way(path: Path, sandbox: Sandbox) -> list[object]:
    """What each reader of the house gets from a file."""
    database = Database("d", path, read_sqlite_schema(path, "d"))
    with closing(connect(path)) as connection:
        names = connection.execute("SELECT name FROM singer").fetchall()
    outcome = sandbox.run(path, "SELECT name FROM singer")
    return [
        names,
        list(outcome.rows),
        read_value_examples(database)["singer", "name"],
        read_spider_schema(path, None).tables,
    ]


READ = [[("Ada",), ("Bo",)], [("Ada",), ("Bo",)], ("Ada", "Bo"), {"singer": ("id", "name")}]


@pytest.mark.parametrize("script", [SCRIPT, WAL], ids=["rollback", "wal"])
def test_every_reader_leaves_the_folder_as_it_was(tmp_path, sandbox, script):
    path = make(tmp_path / "d.sqlite", script)
    before = path.read_bytes()
    assert every_way(path, sandbox) == READ
    assert [file.name for file in tmp_path.iterdir()] == ["d.sqlite"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("script", [SCRIPT, WAL], ids=["rollback", "wal"])
def test_empty_side_files_do_not_matter(tmp_path, sandbox, script):
    path = make(tmp_path / "d.sqlite", script)
    (tmp_path / "d.sqlite-wal").touch()
    (tmp_path / "d.sqlite-shm").write_bytes(b"\0" * 32768)
    (tmp_path / "d.sqlite-journal").write_bytes(b"\0" * 512)  # as journal_mode=PERSIST leaves it
    assert every_way(path, sandbox) == READ
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no name that is not UTF-8")
def test_a_path_need_not_be_utf8(tmp_path, sandbox):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 100%#?"))
    folder.mkdir()
    path = folder / "d.sqlite"
    shutil.move(make(tmp_path / "d.sqlite", SCRIPT), path)
    assert every_way(path, sandbox) == READ


def unfinished(path: Path, script: str, wanted: str) -> Path:
    """A database as a killed program leaves it: copied, side file and all, in the middle of a change."""
    source = make(path.with_name("source.sqlite"), script)
    with closing(sqlite3.connect(source, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("PRAGMA cache_spill = 1")
        connection.execute("BEGIN")
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 900)"
            " INSERT INTO singer SELECT i, hex(zeroblob(400)) FROM n"
        )
        if wanted == "-wal":
            connection.execute("COMMIT")
        shutil.copy(source, path)
        shutil.copy(f"{source}{wanted}", f"{path}{wanted}")
    return path


@pytest.mark.parametrize(
    ("script", "side", "words"),
    [(WAL, "-wal", "has changes waiting in"), (SCRIPT, "-journal", "was left in the middle of a change")],
)
@pytest.mark.parametrize("linked", [False, True], ids=["itself", "linked"])
def test_a_file_that_needs_recovery_is_refused_by_name(tmp_path, sandbox, script, side, words, linked):
    path = unfinished(tmp_path / "d.sqlite", script, side)
    if linked:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "l.sqlite").symlink_to(path)
        path = tmp_path / "elsewhere" / "l.sqlite"
    for read in (
        lambda: connect(path),
        lambda: read_sqlite_schema(path),
        lambda: sandbox.run(path, "SELECT 1"),
        lambda: read_spider_schema(path, None),
    ):
        with pytest.raises(UserError, match=rf"{path} {words}.*d\.sqlite{side}"):
            read()


def test_side_files_are_no_databases():
    assert [
        name
        for name in ("a.sqlite", "a.sqlite-wal", "a.sqlite-shm", "a.sqlite-journal", "a.sqlite.bak")
        if not is_side_file(Path(name))
    ] == ["a.sqlite", "a.sqlite.bak"]


def damaged(path: Path) -> Path:
    make(path, SCRIPT)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * len(content[4096:])  # the pages behind the first one, which holds the schema
    path.write_bytes(content)
    return path


def test_a_damaged_file_says_so(tmp_path, sandbox):
    path = damaged(tmp_path / "d.sqlite")
    schema = read_sqlite_schema(path)
    with pytest.raises(UserError, match=r"d\.sqlite cannot be read \(database disk image is malformed\)"):
        read_value_examples(Database("d", path, schema))
    outcome = sandbox.run(path, "SELECT name FROM singer")
    assert (outcome.status, outcome.message) == (Status.ERROR, "database disk image is malformed")


@pytest.mark.parametrize("left", [4096, 5000, 8191])
def test_a_file_that_is_cut_off_says_so(tmp_path, left):
    path = make(tmp_path / "d.sqlite", SCRIPT)
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(UserError, match=rf"d\.sqlite cannot be read .*malformed: it has {left} of its 8192 bytes"):
        read_sqlite_schema(path)


def test_a_collation_that_sqlite_does_not_know_hides_no_values(tmp_path, sandbox):
    path = tmp_path / "d.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.create_collation("GERMAN", lambda a, b: (a > b) - (a < b))
        connection.executescript("CREATE TABLE t (a TEXT COLLATE GERMAN); INSERT INTO t VALUES ('x'), ('y'), ('x');")
    assert read_value_examples(Database("d", path, read_sqlite_schema(path)))["t", "a"] == ("x", "y")
    outcome = sandbox.run(path, "SELECT a FROM t ORDER BY a")
    assert (outcome.status, outcome.message) == (Status.ERROR, "no such collation sequence: GERMAN")


def test_a_function_that_sqlite_does_not_know_costs_its_column_alone(tmp_path):
    path = tmp_path / "d.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.create_function("twice", 1, lambda a: 2 * a, deterministic=True)
        connection.executescript("CREATE TABLE t (a TEXT, b AS (twice(a))); INSERT INTO t (a) VALUES ('x');")
    assert read_value_examples(Database("d", path, read_sqlite_schema(path))) == {("t", "a"): ("x",), ("t", "b"): ()}
