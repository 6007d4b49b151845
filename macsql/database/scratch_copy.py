"""Statements that change data, run on a copy of the database in memory, in a process that ends with them.

The official scripts run whatever a model wrote, so that `DELETE FROM t` has a verdict; the sandbox refuses it. This
script gives that verdict without harm: `python -I -S scratch_copy.py` reads one pickled `(database file, statements,
seconds, most rows)` from stdin, runs the statements one after another on one connection, all within these seconds, and
writes the rows of each, pickled, or None if one of them failed. It can write no file (size limit 0, no ATTACH, no
VACUUM, no virtual table) and its memory is bounded. The standard library alone: an isolated interpreter runs it.
"""

import contextlib
import pickle
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

MEMORY = 256 << 20  # bytes beside the copy itself
BYTES = 64 << 20  # most that a result may take
DENIED = {
    sqlite3.SQLITE_ATTACH,
    sqlite3.SQLITE_DETACH,
    sqlite3.SQLITE_PRAGMA,
    sqlite3.SQLITE_CREATE_VTABLE,
    sqlite3.SQLITE_DROP_VTABLE,
}
DENIED_FUNCTIONS = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"}


def authorize(action: int, _first: str | None, second: str | None, _database: str | None, _trigger: str | None) -> int:
    """SQLite's question whether a statement may do something."""
    refused = action in DENIED or (action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in DENIED_FUNCTIONS)
    return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK


def copy_of(database: Path) -> sqlite3.Connection:
    """A connection to the file's content in memory."""
    content = bytearray(database.read_bytes())
    if content[18:20] == b"\2\2":  # journal by write-ahead log, which a database in memory cannot have
        content[18:20] = b"\1\1"
    connection = sqlite3.connect(":memory:")
    connection.deserialize(bytes(content))
    connection.execute(f"PRAGMA hard_heap_limit={2 * len(content) + MEMORY}")
    connection.execute("PRAGMA temp_store=memory")
    connection.text_factory = lambda text: text.decode(errors="ignore")
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)  # VACUUM needs one
    connection.set_authorizer(authorize)
    return connection


def fetch(connection: sqlite3.Connection, statement: str, most: int) -> list[tuple[Any, ...]]:
    """The rows of a statement. Raises what SQLite raises, and MemoryError for a result that is too large."""
    rows: list[tuple[Any, ...]] = []
    size = 0
    cursor = connection.execute(statement)
    while chunk := cursor.fetchmany(256):
        rows += chunk
        size += sum(len(cell) if isinstance(cell, str | bytes) else 8 for row in chunk for cell in row)
        if len(rows) > most or size > BYTES:
            raise MemoryError
    return rows


def confine(size: int, seconds: float) -> None:
    """Take from this process what it does not need, where the platform can."""
    try:
        import resource
    except ImportError:
        return
    for what, most in (
        (resource.RLIMIT_AS, 4 * size + 4 * MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, int(seconds) + 2),
    ):
        hard = resource.getrlimit(what)[1]
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS does not know some of them
            resource.setrlimit(what, (limit, limit))


def main() -> None:
    """One request, one answer."""
    name, statements, seconds, rows = pickle.loads(sys.stdin.buffer.read())
    database = Path(name)
    confine(database.stat().st_size, seconds)
    deadline = time.monotonic() + seconds
    try:
        connection = copy_of(database)
        connection.set_progress_handler(lambda: time.monotonic() > deadline, 1000)
        answer = [fetch(connection, statement, rows) for statement in statements]
    except (sqlite3.Error, sqlite3.Warning, MemoryError, UnicodeError, OverflowError):
        answer = None
    sys.stdout.buffer.write(pickle.dumps(answer))


if __name__ == "__main__":
    main()
