"""SQL that a model wrote, run where it can do no harm: a typed outcome for every statement, never an exception."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any


class Status(StrEnum):
    """How running a statement ended."""

    OK = "ok"
    SYNTAX = "syntax"
    NO_SUCH_TABLE = "no such table"
    NO_SUCH_COLUMN = "no such column"
    DENIED = "denied"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    TOO_MANY_ROWS = "too many rows"
    CRASH = "crash"
    ERROR = "error"


@dataclass(frozen=True)
class Limits:
    """What one statement may use."""

    seconds: float = 30.0
    rows: int = 1_000_000
    bytes: int = 64 << 20
    memory: int = 1 << 30
    grace: float = 0.5


@dataclass(frozen=True)
class Outcome:
    """What a statement gave; `rows` is empty unless `ok`."""

    status: Status
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    message: str = ""  # SQLite's own, word for word, where it has one
    exception: str = ""  # "sqlite3.OperationalError"
    steps: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the statement ran to its end."""
        return self.status is Status.OK


class Sandbox:
    """Runs SQL in worker processes; a context manager."""

    def __init__(self, workers: int = 1, limits: Limits = Limits()) -> None:  # noqa: B008
        raise NotImplementedError

    def run(self, database: Path, sql: str, limits: Limits | None = None, cache: bool = False) -> Outcome:
        """The outcome of one statement; `cache` keeps good results for the next time (gold queries)."""
        raise NotImplementedError

    def run_many(
        self, statements: Iterable[tuple[Path, str]], limits: Limits | None = None, cache: bool = False
    ) -> Iterator[Outcome]:
        """The outcomes in the order of the statements, which are read lazily, from all workers."""
        raise NotImplementedError

    def run_repeated(
        self, database: Path, sql: str, times: int, limits: Limits | None = None
    ) -> tuple[Outcome, tuple[float, ...]]:
        """The outcome and the seconds of at most `times` runs, as many as fit into `limits.seconds` together."""
        raise NotImplementedError

    def close(self) -> None:
        """End all workers."""

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
