"""Statements that change data, run on a copy of the database in memory, in a process that ends with them.

The official scripts run whatever a model wrote, so that `DELETE FROM t` has a verdict; the sandbox refuses it. This
module gives that verdict without harm. `run` starts a process of its own, which takes one pickled `(database file,
statements, seconds, most rows)` from stdin, runs the statements one after another on one connection, all within these
seconds, and writes the rows of each, pickled, or None if one of them failed. It can write no file (size limit 0, no
ATTACH, no VACUUM, no virtual table), may call no function that the sandbox forbids, and its memory is bounded. The
process imports light modules alone.
"""

import contextlib
import pickle
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from macsql.database.plain import PACKAGE_ROOT, load_plain
from macsql.database.readonly import FORBIDDEN_FUNCTIONS, PRAGMAS

PROGRAM = f"import sys; sys.path.append({PACKAGE_ROOT!r}); from macsql.database.scratch_copy import main; main()"
MEMORY = 256 << 20  # bytes beside the copy itself
BYTES = 64 << 20  # most that a result may take
DENIED = {
    sqlite3.SQLITE_ATTACH,
    sqlite3.SQLITE_DETACH,
    sqlite3.SQLITE_PRAGMA,
    sqlite3.SQLITE_CREATE_VTABLE,
    sqlite3.SQLITE_DROP_VTABLE,
}
WRITING = "query_only=1"  # the one of the sandbox's settings that does not fit here


def run(database: Path, statements: Sequence[str], seconds: float, rows: int) -> list[list[tuple[Any, ...]]] | None:
    """The rows of each statement, run one after another on a copy in memory; None if one of them fails, gives more than
    `rows` rows, or all take longer than `seconds` together."""
    request = pickle.dumps((str(database), tuple(statements), seconds, rows))
    command = [sys.executable, "-I", "-S", "-c", PROGRAM]
    try:  # inside one long function of SQLite's only a kill ends it
        done = subprocess.run(command, input=request, capture_output=True, timeout=seconds + 1, check=False)
    except subprocess.TimeoutExpired:
        return None
    try:
        return load_plain(done.stdout) if done.returncode == 0 else None
    except (pickle.UnpicklingError, EOFError, ValueError):  # what no such process writes
        return None


def authorize(action: int, _first: str | None, second: str | None, _database: str | None, _trigger: str | None) -> int:
    """SQLite's question whether a statement may do something."""
    refused = action in DENIED or (action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in FORBIDDEN_FUNCTIONS)
    return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK


def copy_of(database: Path) -> sqlite3.Connection:
    """A connection to the file's content in memory."""
    content = bytearray(database.read_bytes())
    if content[18:20] == b"\2\2":  # journal by write-ahead log, which a database in memory cannot have
        content[18:20] = b"\1\1"
    connection = sqlite3.connect(":memory:")
    connection.deserialize(bytes(content))
    connection.execute(f"PRAGMA hard_heap_limit={2 * len(content) + MEMORY}")
    for pragma in PRAGMAS:
        if pragma != WRITING:
            connection.execute(f"PRAGMA {pragma}")
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
