"""Keeps MLflow up to date beside the sweep, in a thread of its own: the sweep never waits for it."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from macsql.errors import with_type

INTERVAL = 2.0  # seconds between two rounds
LONGEST_PAUSE = 30.0  # seconds between two attempts while the server is down
CLOSING_PAUSE = 0.5  # the same while the sweep is waiting for the end


class Record(Protocol):
    """What a publisher writes to: macsql.tracking.sweep_record.SweepRecord."""

    def sync(self, folder: Path, params: Mapping[str, Any], tags: Mapping[str, str], status: str) -> None:
        """Make MLflow agree with a trial's folder; raises where that cannot be done now."""


@dataclass
class _Wanted:
    folder: Path
    params: Mapping[str, Any]
    tags: Mapping[str, str]
    status: str
    done: bool = False  # the final status has arrived
    failures: int = 0  # attempts that failed


class Publisher:
    """Syncs every trial it has been told of until the trial's end has arrived."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.problem = ""  # the last failure; empty while all is well
        self._wanted: dict[Path, _Wanted] = {}
        self._arrived = 0  # ends that have arrived
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="publisher", daemon=True)
        self._thread.start()

    def tell(self, folder: Path, status: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """A trial's state as it is now; the newest word counts."""
        with self._lock:
            self._wanted[folder] = _Wanted(folder, params, tags, status)
        if status != "RUNNING":
            self._wake.set()

    def close(self, patience: float, hurry: Callable[[], bool] = lambda: False) -> list[Path]:
        """Ship what is left; returns the trials that did not arrive whole.

        Gives up when nothing has arrived for `patience` seconds, or when `hurry` says so.
        """
        self._closing = True
        self._wake.set()
        arrived, since = self._arrived, time.monotonic()
        while self._thread.is_alive() and time.monotonic() - since < patience and not hurry():
            self._thread.join(0.05)
            if self._arrived != arrived:
                arrived, since = self._arrived, time.monotonic()
        return self.missing

    @property
    def missing(self) -> list[Path]:
        """The trials whose end has not arrived."""
        with self._lock:
            return [item.folder for item in self._wanted.values() if not item.done]

    def _work(self) -> None:
        pause = INTERVAL
        while True:
            with self._lock:
                open_items = [item for item in self._wanted.values() if not item.done]
            # One that cannot be shipped for a reason of its own must not keep the others waiting: it comes last.
            healthy = self._round(sorted(open_items, key=lambda item: item.failures))
            pause = INTERVAL if healthy else min(LONGEST_PAUSE, pause * 2)
            if self._closing and not self.missing:
                return
            if self._closing:
                time.sleep(CLOSING_PAUSE)
            else:
                self._wake.wait(pause)
                self._wake.clear()

    def _round(self, items: list[_Wanted]) -> bool:
        for item in items:
            try:
                self.record.sync(item.folder, item.params, item.tags, item.status)
            except Exception as error:  # the server may be down for any reason; the folder keeps what is missing
                item.failures += 1
                self.problem = with_type(error)
                return False
            if item.status != "RUNNING":
                item.done = True
                self._arrived += 1
        self.problem = ""
        return True
