"""A trial whose sweep has died."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil

from macsql.file_lock import HOST
from macsql.training.process import EXIT_STOPPED, lock_of
from macsql.training.result import read_result

PATIENCE = 60.0  # seconds that it has to write its checkpoint


class Orphan:
    """The process at work in a trial's folder that another sweep started.

    On this machine the kernel has asked it to stop when its parent died; one that does not within a minute is ended:
    whatever it was at, its last checkpoint is whole. One on another machine may go on to its end.
    """

    def __init__(self, folder: Path, process: int | None = None) -> None:
        """`process` is one of this machine that may not have come to take the folder's lock yet."""
        self.folder, self.lock, self.process = folder, lock_of(folder), process
        self.until = time.monotonic() + PATIENCE
        self.left = False

    def poll(self) -> int | None:
        """0 where it left a finished trial, EXIT_STOPPED where it left another, None while it is at work."""
        if self.at_work() and not self.left:
            if time.monotonic() > self.until:
                self.kill()
            return None
        result = read_result(self.folder)
        return 0 if result is not None and result.status == "FINISHED" else EXIT_STOPPED

    def stop(self) -> None:
        """It has been asked already, or cannot be from here: then it is left alone."""
        self.left = self._place()[1] != HOST

    def kill(self) -> None:
        """End it, if it is on this machine."""
        process, host = self._place()
        if host == HOST and self.at_work():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def at_work(self) -> bool:
        """Whether it has not ended yet."""
        return (self.process is not None and _runs(self.process)) or not self.lock.free()

    def _place(self) -> tuple[int, str]:
        return self.lock.holder() if self.process is None else (self.process, HOST)


def _runs(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def orphan(folder: Path) -> Orphan | None:
    """The process at work in a folder; None where there is none."""
    found = Orphan(folder)
    return found if found.at_work() else None
