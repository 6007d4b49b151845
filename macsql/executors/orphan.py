"""A trial whose sweep has died."""

import os
import time
from contextlib import suppress
from pathlib import Path

import psutil

from macsql.system.file_lock import HOST
from macsql.trials.process import EXIT_STOPPED, lock_of
from macsql.trials.result import read_result

PATIENCE = 60.0  # seconds that it has to write its checkpoint


class Orphan:
    """The process at work in a trial's folder that another sweep started.

    On this machine the kernel has asked it to stop when its parent died; one that does not within a minute is ended:
    whatever it was at, its last checkpoint is whole. One on another machine may go on to its end.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.lock = folder, lock_of(folder)
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
        """It has been asked already, by the kernel, or cannot be from here: then it is left alone."""
        self.left = self.lock.holder()[1] != HOST

    def kill(self) -> None:
        """End it and whatever it started, if it is on this machine."""
        process = self._holder()
        if process is not None:
            end_all(process)

    def at_work(self) -> bool:
        """Whether it has not ended yet."""
        return not self.lock.free()

    def _holder(self) -> psutil.Process | None:
        """The process of this machine that has the folder's lock."""
        if self.lock.free():
            return None  # the file names whoever had it last, and the number may be anybody's by now
        number, host = self.lock.holder()
        if host != HOST or number in {0, os.getpid()}:
            return None
        try:
            return psutil.Process(number)
        except psutil.Error:
            return None


def runs(process: psutil.Process) -> bool:
    """Whether a process has not ended; another that has got its number since does not count."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def end_all(process: psutil.Process) -> None:
    """Kill a process and whatever it started; nothing where it has ended."""
    if not runs(process):
        return
    with suppress(psutil.Error):
        for one in (process, *process.children(recursive=True)):  # from the top, so that none is started again
            with suppress(psutil.Error):
                one.kill()


def orphan(folder: Path) -> Orphan | None:
    """The process at work in a folder; None where there is none."""
    found = Orphan(folder)
    return found if found.at_work() else None
