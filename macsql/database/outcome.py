"""What a statement may use, what it gave, and good outcomes kept for the next time."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from macsql.database.readonly import Status
from macsql.errors import UserError

RANGES = {
    "seconds": (0.001, 1_000_000),
    "rows": (1, 1 << 40),
    "bytes": (1, 1 << 40),
    "memory": (64 << 20, 1 << 48),
    "grace": (0, 1_000_000),
}


@dataclass(frozen=True)
class Limits:
    """What one statement may use."""

    seconds: float = 30.0  # wall clock, opening the database and fetching included
    rows: int = 1_000_000
    bytes: int = 64 << 20  # of the result as it goes through the pipe
    memory: int = 1 << 30  # bytes of address space of the worker; SQLite's own heap gets half
    grace: float = 0.5  # seconds beyond `seconds` before the worker is killed: one C function may not notice the time

    def __post_init__(self) -> None:
        for name, (least, most) in RANGES.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise UserError(f"the sandbox limit {name}={value} must be between {least} and {most}.")


@dataclass(frozen=True)
class Outcome:
    """What a statement gave; an empty text or a mere comment gives no columns and no rows, and is `ok` as in SQLite."""

    status: Status
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()  # str, int, float, bytes, None; empty unless `ok`; bad UTF-8 left out
    message: str = ""  # SQLite's own, word for word, where it has one
    exception: str = ""  # of Python's sqlite3: "sqlite3.OperationalError"; empty where the worker was killed or died
    steps: int = 0  # of SQLite's virtual machine, the same in every run; to 10 up to 10,000, to 100 beyond
    seconds: float = 0.0  # wall clock, execution and fetching

    @property
    def ok(self) -> bool:
        """Whether the statement ran to its end."""
        return self.status is Status.OK


class ResultCache:
    """Good outcomes by what was asked of which state of a file; the least recently used leave first."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.size = capacity, 0  # bytes, about
        self._kept: OrderedDict[Hashable, tuple[Outcome, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Outcome | None:
        """The outcome kept under `key`."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, key: Hashable, outcome: Outcome, size: int) -> None:
        """Keep `outcome`, whose rows came in `size` bytes."""
        size = 4 * size + 2048  # as Python objects, with what stands round them
        with self._lock:
            self.size += size - self._kept.pop(key, (outcome, 0))[1]
            self._kept[key] = outcome, size
            while self.size > self.capacity:
                self.size -= self._kept.popitem(last=False)[1][1]
