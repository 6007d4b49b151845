"""What runs in a worker process of the sandbox: statements in on stdin, typed answers out on stdout.

The process takes its own rights away first: address space, files of size 0, processor seconds, no core file; and it
ends with its parent. Either way a frame is its length (8 bytes, big-endian) and its pickles, of plain values only.
"""

import _thread
import os
import pickle
import signal
import sqlite3
import sys
import time
from contextlib import suppress
from typing import NamedTuple

from macsql.database.readonly import Meter, Status, classify, connect, fetch, timings

try:
    import resource
except ImportError:  # a platform without such limits: the sandbox's docstring says so
    resource = None  # type: ignore[assignment]

CONNECTIONS = 32  # databases kept open, each with up to 2 MB of pages: reading a schema costs as much as ten queries
# Outcomes after which a connection is used again: the others may leave it in another state than a new one's.
HARMLESS = {Status.OK, Status.SYNTAX, Status.NO_SUCH_TABLE, Status.NO_SUCH_COLUMN}
WATCH = 0.5  # seconds between two looks at whether the parent still lives

Statement = tuple[str, tuple[int, int, int], str]  # URI, a stamp that changes when the file does, SQL


class Request(NamedTuple):
    """A batch of statements and what each of them may use."""

    seconds: float
    grace: float
    rows: int
    bytes: int
    times: int  # how often each is run again and timed
    statements: list[Statement]


class Answer(NamedTuple):
    """What one statement gave; its rows follow as `chunks` pickled lists in the same frame."""

    status: str  # of Status, as plain text: the parent reads nothing but plain values
    columns: tuple[str, ...] = ()
    message: str = ""
    exception: str = ""
    steps: int = 0
    seconds: float = 0.0
    timings: tuple[float, ...] = ()
    chunks: int = 0


class Databases:
    """The connections of this process, one per file, opened anew when the file has changed."""

    def __init__(self, heap: int) -> None:
        self.heap = heap
        self.open: dict[str, tuple[object, sqlite3.Connection]] = {}  # the most recently used last

    def connection(self, uri: str, stamp: object) -> sqlite3.Connection:
        """The connection to `uri` as the file was at `stamp`."""
        if uri in self.open and self.open[uri][0] != stamp:
            self.forget(uri)
        self.open[uri] = self.open.pop(uri) if uri in self.open else (stamp, connect(uri, self.heap))
        if len(self.open) > CONNECTIONS:
            self.forget(next(iter(self.open)))
        return self.open[uri][1]

    def forget(self, uri: str) -> None:
        """Close the connection to `uri`, if there is one."""
        if uri in self.open:
            self.open.pop(uri)[1].close()


def answer(databases: Databases, request: Request, statement: Statement) -> tuple[Answer, list[bytes]]:
    """Run one statement: its answer and its pickled rows. Raises nothing that a statement can cause."""
    uri, stamp, sql = statement
    meter, begun, deadline = None, time.perf_counter(), time.monotonic() + request.seconds
    try:
        connection = databases.connection(uri, stamp)
        meter = Meter(connection, deadline)
        begun = time.perf_counter()
        columns, chunks = fetch(connection.execute(sql), request.rows, request.bytes)
        seconds = time.perf_counter() - begun
        again = timings(connection, sql, request.times, seconds, deadline) if request.times else ()
        return Answer(Status.OK.value, columns, "", "", meter.steps, seconds, again, len(chunks)), chunks
    except Exception as error:
        seconds, status = time.perf_counter() - begun, classify(error)
        if status is Status.TIMEOUT and time.monotonic() <= deadline:  # the handler itself failed: nothing was left
            status = Status.MEMORY
        kind = type(error)
        name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
        if status is Status.TOO_MANY_ROWS:
            name = ""  # no exception of SQLite's
        message = str(error) or ("out of memory" if status is Status.MEMORY else name)
        if status not in HARMLESS:  # a denied VACUUM makes SQLite forget the schema
            databases.forget(uri)
        return Answer(status.value, (), message, name, meter.steps if meter else 0, seconds), []


def cap(what: int, value: int) -> None:
    """Lower one of the process's limits for good, as far as the platform lets it."""
    hard = resource.getrlimit(what)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    with suppress(ValueError, OSError):  # macOS does not know some of them
        resource.setrlimit(what, (value, value))


def confine(memory: int) -> None:
    """Take from this process what running SELECTs does not need."""
    if resource is not None:
        cap(resource.RLIMIT_AS, memory)
        cap(resource.RLIMIT_FSIZE, 0)
        cap(resource.RLIMIT_CORE, 0)
        cap(resource.RLIMIT_NOFILE, 64)


def allow_cpu(seconds: float) -> None:
    """Let the kernel end this process when it computes for `seconds` from now on, should nobody else do it."""
    if resource is not None:
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        soft = int(time.process_time() + seconds) + 2
        resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def end_with(parent: int) -> None:
    """End this process soon after its parent, even in the middle of a long C function: SQLite runs without the GIL."""
    while os.getppid() == parent:
        time.sleep(WATCH)
    os._exit(1)


def send(reply: Answer, chunks: list[bytes]) -> int:
    """Write one frame; returns its size."""
    parts = [pickle.dumps(tuple(reply), pickle.HIGHEST_PROTOCOL), *chunks]
    size = sum(map(len, parts))
    sys.stdout.buffer.writelines([size.to_bytes(8, "big"), *parts])
    sys.stdout.buffer.flush()
    return size


def serve(databases: Databases) -> None:
    """Answer requests until stdin ends, or until memory ran out once: what comes after gets a fresh process."""
    while head := sys.stdin.buffer.read(8):
        request = Request(*pickle.loads(sys.stdin.buffer.read(int.from_bytes(head, "big"))))
        sent = 0
        for statement in request.statements:
            allow_cpu(request.seconds + request.grace)
            reply, chunks = answer(databases, request, statement)
            sent += send(reply, chunks)
            if reply.status == Status.MEMORY:
                return
            if sent > request.bytes:  # the parent asks again for the rest when it has room
                break


def main() -> None:
    """Confine this process, say that it is ready, and serve."""
    memory, parent = map(int, sys.argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # an answer that nobody reads: leave without a word
    _thread.stack_size(256 << 10)
    _thread.start_new_thread(end_with, (parent,))
    confine(memory)
    databases = Databases(heap=memory // 2)
    send(Answer(Status.OK.value), [])
    serve(databases)
