"""SQL that a model wrote, run where it can do no harm: a typed outcome for every statement, never an exception.

with Sandbox(workers=2) as sandbox:
    outcome = sandbox.run(database.path, "SELECT name FROM singer")
    if outcome.ok: ...
"""

import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice, takewhile
from pathlib import Path
from queue import Empty, LifoQueue
from types import TracebackType

from macsql.database.opening import locate
from macsql.database.outcome import Limits, Outcome, ResultCache
from macsql.database.process import Reply, WorkerProcess
from macsql.database.readonly import SQL_LENGTH, Status
from macsql.database.worker import Request, Statement
from macsql.errors import UserError

__all__ = ["Limits", "Outcome", "Sandbox", "Status"]

BATCH = 128  # statements sent to a worker at once, at most
BATCH_SECONDS = 0.02  # how long a batch should take: longer, and the last worker to finish keeps the others waiting
RETURN = 5.0  # seconds that close() waits for a killed worker's user to notice

MOST_WORKERS = 1000


class Sandbox:
    """Runs SQL on SQLite files in worker processes and gives each statement its typed outcome.

    No statement can write: not to its database, not beside it, nowhere else; and each ends within
    `limits.seconds + limits.grace`. Workers start when first needed and are replaced when they die. Safe to share
    between threads; in a forked child it starts workers of its own. Close it, or use it as a context manager.
    `cache_bytes` bounds what `cache=True` keeps, by the file's state, the SQL and the limits.

    What it does NOT protect from: a bug in SQLite itself that gives an attacker the worker process, which runs as the
    same user and is not cut off from files or network by the kernel; reading everything in the database asked;
    using a processor core up to the time limit; a database file that somebody else changes while a statement runs.
    The limits on a process's memory, file size and processor time are the kernel's: on Linux all hold, macOS ignores
    the one on memory, and Windows, which has none of them, is not supported.
    """

    def __init__(self, workers: int = 1, limits: Limits | None = None, cache_bytes: int = 64 << 20) -> None:
        if workers < 1:
            raise UserError(f"a sandbox needs at least 1 worker, not {workers}.")
        if workers > MOST_WORKERS:
            raise UserError(f"a sandbox has at most {MOST_WORKERS} workers, each a process: ask for fewer.")
        self.workers = workers
        self.limits = limits or Limits()
        self._cache_bytes = cache_bytes
        self._closed = False
        self._set_up()

    def run(self, database: Path, sql: str, limits: Limits | None = None, cache: bool = False) -> Outcome:
        """The outcome of one statement; with `cache` a good one is kept for the next time (gold queries).

        Raises UserError where `database` is not a file that can be read as it stands; a file that is no database is
        an outcome (`error`).
        """
        self._check()
        return self._drive([(*locate(database), sql)], limits or self.limits, cache)[0]

    def run_many(
        self, statements: Iterable[tuple[Path, str]], limits: Limits | None = None, cache: bool = False
    ) -> Iterator[Outcome]:
        """The outcomes in the order of the statements, from all workers.

        Statements are read as they are needed, some hundreds ahead at most. Raises as `run` does.
        """
        self._check()
        limits = limits or self.limits
        located = ((*locate(database), sql) for database, sql in statements)
        pending: deque[tuple[list[Statement], Future[list[Outcome]]]] = deque()
        size = 8
        try:
            while True:
                while len(pending) < 2 * self.workers and (batch := list(islice(located, size))):
                    pending.append((batch, self._threads.submit(self._drive, batch, limits, cache)))
                if not pending:
                    return
                batch, future = pending.popleft()
                outcomes = future.result()
                if rest := batch[len(outcomes) :]:
                    pending.appendleft((rest, self._threads.submit(self._drive, rest, limits, cache)))
                mean = sum(outcome.seconds for outcome in outcomes) / len(outcomes)
                size = max(1, min(BATCH, int(BATCH_SECONDS / (mean + 1e-4))))
                yield from outcomes
        finally:
            for _, future in pending:
                future.cancel()

    def run_repeated(
        self, database: Path, sql: str, times: int, limits: Limits | None = None
    ) -> tuple[Outcome, tuple[float, ...]]:
        """The outcome, and the seconds of each of `times` further runs, fetching included, with no one counting steps.

        All runs together have `limits.seconds`: there are fewer timings when no more fit, at least one if `ok`, and
        none otherwise.
        """
        self._check()
        statement = (*locate(database), sql)
        if refused := _refusal(statement):
            return refused, ()
        reply = self._ask([statement], limits or self.limits, times)[0]
        return _outcome(reply), reply.answer.timings

    def close(self) -> None:
        """End all workers and threads; statements under way in other threads end with RuntimeError."""
        if self._process_id != os.getpid():  # a forked child has no part in them
            self._closed = True
            return
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for worker in self._started:
                worker.kill()
        self._threads.shutdown(cancel_futures=True)
        for _ in range(self.workers):  # once all are back nobody uses a worker
            with suppress(Empty):  # Ctrl-C can lose one
                self._idle.get(timeout=RETURN)
        for worker in self._started:
            worker.end()
        for _ in range(self.workers):  # who still waits for one shall learn that there is none
            self._idle.put(None)

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _set_up(self) -> None:
        self._process_id = os.getpid()
        self._cache = ResultCache(self._cache_bytes)
        self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="sandbox")  # starts them when needed
        self._idle: LifoQueue[WorkerProcess | None] = LifoQueue()  # None: a place without a process yet
        for _ in range(self.workers):
            self._idle.put(None)
        self._lock = threading.Lock()  # over what close() and _start() both touch
        self._started: set[WorkerProcess] = set()

    def _check(self) -> None:
        if self._closed:
            raise RuntimeError("the sandbox is closed")
        if self._process_id != os.getpid():  # forked: threads are gone and the pipes are the parent's
            self._set_up()

    def _start(self, memory: int) -> WorkerProcess:
        with self._lock:
            if self._closed:
                raise RuntimeError("the sandbox is closed")
            worker = WorkerProcess(memory)
            self._started = {other for other in self._started if other.alive} | {worker}
        worker.wait_until_ready()
        return worker

    def _ask(self, statements: list[Statement], limits: Limits, times: int = 0) -> list[Reply]:
        """Replies to the first of the statements, at least to one."""
        worker: WorkerProcess | None = self._idle.get()
        try:
            if worker and not (worker.running() and worker.memory == limits.memory):
                worker.end()
                worker = None
            worker = worker or self._start(limits.memory)
            replies = worker.ask(Request(limits.seconds, limits.grace, limits.rows, limits.bytes, times, statements))
        finally:
            self._idle.put(worker if worker and worker.alive else None)
        if self._closed:
            raise RuntimeError("the sandbox was closed while it ran a statement")
        return replies

    def _drive(self, statements: list[Statement], limits: Limits, cache: bool) -> list[Outcome]:
        """Outcomes of the first statements: of all, unless results of more than `limits.bytes` have come."""

        def known(statement: Statement) -> Outcome | None:
            return _refusal(statement) or (self._cache.get((statement, limits)) if cache else None)

        outcomes: list[Outcome] = []
        size = 0
        while len(outcomes) < len(statements) and size <= limits.bytes:
            if outcome := known(statements[len(outcomes)]):
                outcomes.append(outcome)
                continue
            unknown = list(takewhile(lambda statement: not known(statement), statements[len(outcomes) :]))
            for statement, reply in zip(unknown, self._ask(unknown, limits), strict=False):  # a worker that died: fewer
                outcome = _outcome(reply)
                if cache and outcome.ok:
                    self._cache.put((statement, limits), outcome, reply.size)
                outcomes.append(outcome)
                size += reply.size
        return outcomes


def _refusal(statement: Statement) -> Outcome | None:
    """The outcome of a statement too long to be sent, in the words of Python's sqlite3."""
    sql = statement[2]
    if len(sql) * 4 <= SQL_LENGTH or len(sql.encode(errors="surrogatepass")) <= SQL_LENGTH:
        return None
    return Outcome(Status.DENIED, message="query string is too large", exception="sqlite3.DataError")


def _outcome(reply: Reply) -> Outcome:
    answer = reply.answer
    return Outcome(
        Status(answer.status),
        answer.columns,
        reply.rows,
        answer.message,
        answer.exception,
        answer.steps,
        answer.seconds,
    )
