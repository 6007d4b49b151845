"""One coordinator a study where the study is in PostgreSQL, which coordinators on several machines can reach."""

import hashlib
import os
from contextlib import suppress
from types import TracebackType
from typing import Any

from macsql.errors import UserError, first_line
from macsql.system.addresses import sqlite_file
from macsql.system.file_lock import HOST

# Half a minute after a coordinator's machine has vanished without a word, its session ends and with it its lock.
KEEPALIVE = (
    *("SET tcp_keepalives_idle = 15", "SET tcp_keepalives_interval = 5", "SET tcp_keepalives_count = 3"),
    # The session says nothing for hours, which a server may have been told to end; older ones know no such setting.
    "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'",
)


def check_storage(storage: str) -> None:
    """Raise UserError for an address at which a study cannot be kept, or that holds a password; touches nothing."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    if sqlite_file(storage, "tracking.storage") is not None:
        return
    wrong = UserError(f"tracking.storage={storage}: write sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE.")
    if not storage.startswith("postgres"):
        raise wrong
    try:
        password = make_url(storage).password
    except (ArgumentError, ValueError) as error:
        raise wrong from error
    if password is not None:
        raise UserError(
            "tracking.storage holds a password, which would be written into every trial's folder and into "
            "MLflow: leave it out and put it into PGPASSWORD or a password file (PGPASSFILE)."
        )


class DatabaseLock:
    """An advisory lock of one session of PostgreSQL: the server drops it when the session ends, however it ends."""

    def __init__(self, storage: str, name: str) -> None:
        """`storage` is an SQLAlchemy URL of PostgreSQL, `name` the study's."""
        self.storage, self.name = storage, name
        digest = hashlib.sha256(f"macsql study {name}".encode()).digest()
        self.key = int.from_bytes(digest[:8], "big", signed=True)
        self._session: Any = None

    def acquire(self) -> bool:
        """Take the lock; False where another session has it. Raises UserError where the database cannot be had."""
        from sqlalchemy import create_engine, make_url, text
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
        from sqlalchemy.pool import NullPool

        check_storage(self.storage)
        try:
            url = make_url(self.storage)
            about = {"application_name": _name()}
            engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=about)
            self._session = engine.connect()
            for setting in KEEPALIVE:
                self._session.execute(text(setting))
            taken = bool(self._session.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": self.key}))
        except (ImportError, NoSuchModuleError) as error:
            raise UserError(
                f"tracking.storage={self.storage} needs PostgreSQL's driver: pip install 'psycopg[binary]', "
                "and write postgresql+psycopg://USER@HOST/DATABASE."
            ) from error
        except ArgumentError as error:
            raise UserError(
                f"tracking.storage={self.storage}: write postgresql+psycopg://USER@HOST/DATABASE."
            ) from error
        except SQLAlchemyError as error:
            reason = first_line(error.__cause__ or error)
            raise UserError(f"tracking.storage={self.storage}: PostgreSQL cannot be used there ({reason}).") from error
        return taken

    def holder(self) -> str:
        """Who has the lock, after `acquire` has said no: "macsql 123 on HOST"."""
        from sqlalchemy import text

        query = text(
            "SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = 'advisory' "
            "AND granted AND objsubid = 1 AND classid::bigint = :high AND objid::bigint = :low"
        )
        parts = {"high": (self.key >> 32) & 0xFFFFFFFF, "low": self.key & 0xFFFFFFFF}
        return self._session.scalar(query, parts) or "unknown"

    def renew(self) -> bool:
        """Make sure of the lock after the database was away; False while it cannot be had yet.

        Raises UserError where another coordinator has taken it meanwhile.
        """
        from sqlalchemy import text
        from sqlalchemy.exc import SQLAlchemyError

        if self._session is not None:
            with suppress(SQLAlchemyError):
                self._session.scalar(text("SELECT 1"))
                return True  # the session, and with it the lock, has outlived it
        self.release()
        try:
            if self.acquire():
                return True
        except UserError:  # it does not answer yet
            return False
        holder = self.holder()
        self.release()
        if holder == _name():
            return False  # the server has not noticed yet that this very process's old session is gone
        raise self._taken(holder)

    def release(self) -> None:
        """End the session; nothing where there is none."""
        if self._session is not None:
            with suppress(Exception):  # of a driver that has lost its server
                self._session.close()
            self._session = None

    def __enter__(self) -> "DatabaseLock":
        if not self.acquire():
            holder = self.holder()
            self.release()
            raise self._taken(holder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _taken(self, holder: str) -> UserError:
        return UserError(
            f"The sweep {self.name!r} is already running on this database ({holder}): wait for it, stop it, "
            "or start another under its own name with sweep.name=NAME."
        )


def _name() -> str:
    """What this process calls itself before the server."""
    return f"macsql {os.getpid()} on {HOST}"
