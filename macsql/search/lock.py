"""One coordinator a study, and one process at a time that creates a database."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from macsql.errors import UserError
from macsql.file_lock import FileLock


class StudyLock:
    """Held as a context manager. Raises UserError naming the holder where somebody else has it."""

    def __init__(self, state_dir: Path, name: str) -> None:
        self.name = name
        self.lock = FileLock(state_dir / "locks" / f"{name}.lock")

    def __enter__(self) -> "StudyLock":
        if not self.lock.acquire():
            process, host = self.lock.holder()
            raise UserError(
                f"The sweep {self.name!r} is already running (process {process} on {host}): wait for it, stop it, "
                "or start another under its own name with sweep.name=NAME."
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lock.release()


@contextmanager
def first_touch(state_dir: Path) -> Iterator[None]:
    """Held while a database is opened: two processes that create its tables at the same time break each other."""
    lock = FileLock(state_dir / "locks" / "first-touch")
    lock.wait()
    try:
        yield
    finally:
        lock.release()
