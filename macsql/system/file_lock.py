"""A lock that the operating system drops when its holder dies, however it dies."""

import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from macsql.errors import UserError

HOST = socket.gethostname()


class FileLock:
    """One process at a time holds the file at `path`; who it is stands in the file.

    A POSIX record lock: a process that the holder forked does not hold it on after the holder's death.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None

    def acquire(self) -> bool:
        """Take the lock; False where another process has it. Raises UserError on a file system without locks."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file, taken = self.path.open("a+", encoding="utf-8"), False
        try:
            taken = self._lock(file, fcntl.LOCK_EX)
        finally:
            if not taken:
                file.close()
        if not taken:
            return False
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "host": HOST}))
        file.flush()
        self._file = file
        return True

    def wait(self) -> None:
        """Take the lock, however long another process keeps it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a+", encoding="utf-8")
        fcntl.lockf(self._file, fcntl.LOCK_EX)

    def release(self) -> None:
        """Give the lock back; nothing where it is not held."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def free(self) -> bool:
        """Whether nobody holds it at this moment. Only looks: the file goes on naming whoever took the lock last."""
        if self._file is not None:
            return False  # by this object; and closing another file of the same path would drop the lock
        try:
            file = self.path.open(encoding="utf-8")
        except FileNotFoundError:
            return True
        with file:
            return self._lock(file, fcntl.LOCK_SH)

    def holder(self) -> tuple[int, str]:
        """(process id, host) of the last process that took the lock; (0, "") where that cannot be read."""
        try:
            about = json.loads(self.path.read_text(encoding="utf-8"))
            return int(about["pid"]), str(about["host"])
        except (OSError, ValueError, KeyError):
            return 0, ""

    def _lock(self, file: IO[str], kind: int) -> bool:
        try:
            fcntl.lockf(file, kind | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in {errno.EACCES, errno.EAGAIN}:
                return False
            raise UserError(
                f"{self.path} cannot be locked ({error.strerror}): put tracking.state_dir on a file system with "
                "POSIX locks."
            ) from error
        return True


@contextmanager
def first_touch(state_dir: Path) -> Iterator[None]:
    """Held while a database is opened: two processes that create its tables at the same time break each other."""
    lock = FileLock(state_dir / "locks" / "first-touch")
    lock.wait()
    try:
        yield
    finally:
        lock.release()
