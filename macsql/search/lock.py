"""One coordinator a study."""

from contextlib import nullcontext
from pathlib import Path
from types import TracebackType

from macsql.errors import UserError
from macsql.file_lock import FileLock
from macsql.search.database_lock import DatabaseLock


class StudyLock:
    """Held as a context manager. Raises UserError naming the holder where somebody else has it."""

    def __init__(self, state_dir: Path, name: str, storage: str | None = None) -> None:
        """`storage` is tracking.storage: with PostgreSQL the study is locked there too, against other machines."""
        self.name = name
        self.lock = FileLock(state_dir / "locks" / f"{name}.lock")
        self.everywhere = DatabaseLock(storage, name) if storage and storage.startswith("postgres") else nullcontext()

    def __enter__(self) -> "StudyLock":
        if not self.lock.acquire():
            process, host = self.lock.holder()
            raise UserError(
                f"The sweep {self.name!r} is already running (process {process} on {host}): wait for it, stop it, "
                "or start another under its own name with sweep.name=NAME."
            )
        try:
            self.everywhere.__enter__()
        except BaseException:
            self.lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.everywhere.__exit__(kind, error, trace)
        self.lock.release()
