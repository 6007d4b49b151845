"""One coordinator a study: the lock that the operating system drops when its holder dies."""

import fcntl
import json
import os
import socket
from pathlib import Path
from types import TracebackType

from macsql.errors import UserError


class StudyLock:
    """Held as a context manager. Raises UserError naming the holder where somebody else has it."""

    def __init__(self, state_dir: Path, name: str) -> None:
        self.name = name
        self.path = state_dir / "locks" / f"{name}.lock"

    def __enter__(self) -> "StudyLock":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = self.path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.file.seek(0)
            holder = self.file.read().strip() or "unknown"
            self.file.close()
            raise UserError(
                f"The sweep {self.name!r} is already running (process {holder}): wait for it, stop it, "
                "or start another under its own name with sweep.name=NAME."
            ) from error
        self.file.truncate(0)
        self.file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        self.file.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()
