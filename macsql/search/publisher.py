"""Keeps MLflow up to date beside the sweep, in a thread of its own: the sweep never waits for it."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macsql.tracking import Tracker

INTERVAL = 2.0  # seconds between two rounds
LONGEST_PAUSE = 30.0  # seconds between two attempts while the server is down


@dataclass
class _Wanted:
    folder: Path
    params: Mapping[str, Any]
    tags: Mapping[str, str]
    status: str
    done: bool = False  # the final status has arrived


class Publisher:
    """Syncs every trial it has been told of until the trial's end has arrived."""

    def __init__(self, tracker: Tracker, parent: str | None) -> None:
        self.tracker, self.parent = tracker, parent
        self.problem = ""  # the last failure; empty while all is well
        self._wanted: dict[Path, _Wanted] = {}
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

    def close(self, timeout: float) -> list[Path]:
        """Ship what is left, for at most `timeout` seconds; returns the trials that did not arrive whole."""
        self._closing = True
        self._wake.set()
        self._thread.join(timeout)
        with self._lock:
            return [item.folder for item in self._wanted.values() if not item.done]

    def _work(self) -> None:
        pause = INTERVAL
        while True:
            with self._lock:
                items = [item for item in self._wanted.values() if not item.done]
            pause = INTERVAL if self._round(items) else min(LONGEST_PAUSE, pause * 2)
            if self._closing and not self.problem:
                with self._lock:
                    if all(item.done or item.status == "RUNNING" for item in self._wanted.values()):
                        return
            if self._closing:
                time.sleep(min(pause, 0.5))
            else:
                self._wake.wait(pause)
            self._wake.clear()

    def _round(self, items: list[_Wanted]) -> bool:
        for item in items:
            try:
                self.tracker.sync(item.folder, self.parent, item.params, item.tags, item.status)
            except Exception as error:  # the server may be down for any reason; the folder keeps what is missing
                self.problem = f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}"
                return False
            item.done = item.status != "RUNNING"
        self.problem = ""
        return True
