"""One coordinator per study."""

from pathlib import Path
from types import TracebackType

from macsql.coordination.database_lock import DatabaseLock, check_storage
from macsql.errors import UserError
from macsql.system.addresses import sqlite_file
from macsql.system.file_lock import FileLock


class StudyLock:
    """Held as a context manager. Raises UserError naming the holder where somebody else has it."""

    def __init__(self, state_dir: Path, name: str, storage: str | None = None) -> None:
        """`storage` is tracking.storage: the study is locked there too, against coordinators of other state folders.

        Raises UserError for a database that has no lock which ends with its holder.
        """
        if storage:
            check_storage(storage)
        self.name = name
        self.locks = [FileLock(state_dir / "locks" / f"{name}.lock")]
        self.everywhere: DatabaseLock | None = None
        file = sqlite_file(storage, "tracking.storage") if storage else state_dir / "optuna.db"
        if file is not None:  # another state directory's sweep may have been given this very file
            file = file.resolve()
            self.locks.append(FileLock(file.parent / "locks" / f"{file.name}.{name}.lock"))
        elif storage:
            self.everywhere = DatabaseLock(storage, name)

    def __enter__(self) -> "StudyLock":
        try:
            for lock in self.locks:
                self._acquire(lock)
            if self.everywhere is not None:
                self.everywhere.__enter__()
        except BaseException:
            self._release()
            raise
        return self

    def renew(self) -> bool:
        """Make sure of the lock after an outage of the study's database; False while that does not answer.

        Raises UserError where another coordinator has taken it meanwhile.
        """
        return self.everywhere is None or self.everywhere.renew()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.everywhere is not None:
            self.everywhere.release()
        self._release()

    def _acquire(self, lock: FileLock) -> None:
        if not lock.acquire():
            process, host = lock.holder()
            raise UserError(
                f"The sweep {self.name!r} is already running (process {process} on {host}): wait for it, stop it, "
                "or start another under its own name with sweep.name=NAME."
            )

    def _release(self) -> None:
        for lock in self.locks:
            lock.release()
