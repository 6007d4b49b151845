"""A connection that can only read, and one statement run on it within its limits.

Used by a worker of the sandbox, which must be up in some 30 ms: light modules of the standard library alone. What it
puts round SQLite, each layer for what gets through the others:

    connection  read-only and immutable, query_only, untrusted schema, temporary storage in memory, a heap limit
    statement   authorizer (an allow-list), SQLite's own limits, one statement, a deadline that also counts steps
    result      rows are fetched and pickled in chunks, capped in number and in bytes
"""

import pickle
import sqlite3
import time
from contextlib import suppress
from enum import StrEnum

CHUNK = 16  # rows fetched and pickled at a time: few, since each may have 10 MB and more
FINE, COARSE = 10, 100  # VM steps between two calls of the progress handler: at first, and later
SWITCH = 10_000  # steps counted finely; a multiple of COARSE, so that the coarse calls fall on whole hundreds

# What a statement may look like is what SQLite itself takes when nobody lowers its limits, so that a query has the
# verdict that the official scripts give it; they are written out because a build of SQLite may have others.
SQL_LENGTH = 1_000_000  # bytes of a statement
LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 10_000_000,  # bytes of one value or row; SQLite's own would fill the worker's memory
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: SQL_LENGTH,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 1000,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 500,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 50_000,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
PRAGMAS = ("temp_store=memory", "cell_size_check=1", "trusted_schema=0", "query_only=1")
ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}  # and functions, but for these:
FORBIDDEN_FUNCTIONS = {
    *("load_extension", "readfile", "writefile", "edit"),  # reach outside the database
    *("randomblob", "zeroblob"),  # make memory out of nothing
    "fts3_tokenizer",  # takes and gives addresses
}


class Status(StrEnum):
    """How running a statement ended."""

    OK = "ok"
    SYNTAX = "syntax"  # not SQL as SQLite's parser reads it, or text that it cannot read at all
    NO_SUCH_TABLE = "no such table"
    NO_SUCH_COLUMN = "no such column"
    DENIED = "denied"  # refused by the sandbox: not one plain SELECT, or larger than it accepts
    TIMEOUT = "timeout"
    MEMORY = "memory"  # more than the worker may have, or one value beyond SQLITE_LIMIT_LENGTH
    TOO_MANY_ROWS = "too many rows"  # or too many bytes
    CRASH = "crash"  # the worker died of it
    ERROR = "error"  # any other error that SQLite reports (ambiguous column, misuse of an aggregate, no database ...)


BY_CODE = {
    "SQLITE_AUTH": Status.DENIED,
    "SQLITE_READONLY": Status.DENIED,
    "SQLITE_NOMEM": Status.MEMORY,
    "SQLITE_TOOBIG": Status.MEMORY,
    "SQLITE_INTERRUPT": Status.TIMEOUT,
}
BY_BEGINNING = {  # of the message, where SQLite's code says SQLITE_ERROR for all of them
    "no such table": Status.NO_SUCH_TABLE,
    "no such column": Status.NO_SUCH_COLUMN,
    'near "': Status.SYNTAX,
    "incomplete input": Status.SYNTAX,
    "unrecognized token": Status.SYNTAX,
    "the query contains a null character": Status.SYNTAX,
    "not authorized": Status.DENIED,
    "You can only execute one statement": Status.DENIED,
    "query string is too large": Status.DENIED,
    "Expression tree is too large": Status.DENIED,
    "parser stack overflow": Status.DENIED,
    "too many terms in compound SELECT": Status.DENIED,
    "LIKE or GLOB pattern too complex": Status.DENIED,
}


class TooLargeError(Exception):
    """A result beyond its caps."""


def classify(error: Exception) -> Status:
    """The status of what running a statement raised."""
    if isinstance(error, MemoryError):
        return Status.MEMORY
    if isinstance(error, TooLargeError):
        return Status.TOO_MANY_ROWS
    if isinstance(error, UnicodeEncodeError):  # a lone surrogate
        return Status.SYNTAX
    code, message = getattr(error, "sqlite_errorname", ""), str(error)
    if code in BY_CODE:
        return BY_CODE[code]
    return next((status for words, status in BY_BEGINNING.items() if message.startswith(words)), Status.ERROR)


def authorize(action: int, first: str | None, second: str | None, _database: str | None, _trigger: str | None) -> int:
    """SQLite's question, while it prepares a statement, whether it may do one thing."""
    allowed = (
        action in ALLOWED
        or (action == sqlite3.SQLITE_FUNCTION and (second or "").lower() not in FORBIDDEN_FUNCTIONS)
        or (action == sqlite3.SQLITE_PRAGMA and (first, second) == ("data_version", None))  # full-text search asks it
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def connect(uri: str, heap: int) -> sqlite3.Connection:
    """A connection that can only read; `heap` bytes are for all of the process. Raises sqlite3.Error."""
    # No cache of statements: a statement used again goes on counting its steps from where it was.
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, cached_statements=0)
    try:
        for pragma in (f"hard_heap_limit={heap}", *PRAGMAS):
            connection.execute(f"PRAGMA {pragma}")
        virtual = connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%'").fetchall()
        for table in ("json_each", "json_tree", *(name.replace('"', '""') for (name,) in virtual)):
            with suppress(sqlite3.Error):  # opens it now, with statements that the authorizer would deny
                connection.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchall()
        for category, limit in LIMITS.items():
            connection.setlimit(category, limit)
        connection.text_factory = lambda text: text.decode(errors="ignore")
        connection.set_authorizer(authorize)  # last: it would deny the above
    except BaseException:
        connection.close()
        raise
    return connection


class Meter:
    """A progress handler that ends a statement at its deadline and counts the steps of SQLite's virtual machine.

    The count is rounded down, to FINE steps up to SWITCH and to COARSE steps beyond, and is the same in every run
    (full-text tables aside, which remember what they have read): SQLite calls the handler at whole multiples of the
    interval over all of a statement's life.
    """

    def __init__(self, connection: sqlite3.Connection, deadline: float, count: bool = True) -> None:
        self.connection, self.deadline, self.calls = connection, deadline, 0
        self.fine_calls = SWITCH // FINE if count else 0
        connection.set_progress_handler(self.tick, FINE if count else COARSE)

    def tick(self) -> bool:
        """One interval has passed; True stops the statement."""
        self.calls += 1
        if self.calls == self.fine_calls - 1:  # SQLite has set the next call, at SWITCH, already; then COARSE counts
            self.connection.set_progress_handler(self.tick, COARSE)
        return time.monotonic() > self.deadline

    @property
    def steps(self) -> int:
        """VM steps so far."""
        fine = min(self.calls, self.fine_calls)
        return fine * FINE + (self.calls - fine) * COARSE


def fetch(cursor: sqlite3.Cursor, rows: int, size: int) -> tuple[tuple[str, ...], list[bytes]]:
    """Column names and pickled chunks of rows. Raises TooLargeError beyond `rows` rows or `size` bytes."""
    columns = tuple(column[0] for column in cursor.description or ())
    chunks: list[bytes] = []
    size -= sum(map(len, columns))
    while size >= 0 and (chunk := cursor.fetchmany(CHUNK)):
        chunks.append(pickle.dumps(chunk, pickle.HIGHEST_PROTOCOL))
        size -= len(chunks[-1])
        rows -= len(chunk)
        if rows < 0:
            raise TooLargeError("more rows than the sandbox hands on")
    if size < 0:
        raise TooLargeError("more bytes than the sandbox hands on")
    return columns, chunks


def timings(connection: sqlite3.Connection, sql: str, times: int, first: float, deadline: float) -> tuple[float, ...]:
    """Seconds of each of `times` runs, or of as many as end before the deadline; if none, of the `first` one."""
    Meter(connection, deadline, count=False)
    seconds: list[float] = []
    try:
        while len(seconds) < times and time.monotonic() + max(seconds, default=first) < deadline:
            begun = time.perf_counter()
            connection.execute(sql).fetchall()
            seconds.append(time.perf_counter() - begun)
    except sqlite3.OperationalError:  # the deadline came within a run, which then does not count
        pass
    return tuple(seconds) or (first,)
