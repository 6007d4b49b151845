"""The one way to open a SQLite file: to read it as it stands, with nothing written to it or beside it.

SQLite is told that the file is immutable. It then takes no lock, makes no `-shm` file for a database in WAL mode, and
reads from a read-only disk. It also ignores what other files hold back, so such a file is refused first.
"""

import os
import sqlite3
import stat
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

from macsql.errors import UserError

Stamp = tuple[int, int, int]  # changes when the file does: time of its last change (ns), size, inode

SIDE_FILES = ("-wal", "-shm", "-journal")  # what SQLite puts beside a database while it writes


def locate(database: Path) -> tuple[str, Stamp]:
    """The URI under which SQLite opens the file so that it cannot write, and the file's stamp.

    Raises UserError where there is no such file, or where the file beside it has to be read first: the changes of a
    write-ahead log, or the journal of a transaction that was cut off.
    """
    # os and os.path, not Path: several times faster, and on every statement's way.
    path = os.path.abspath(database)  # noqa: PTH100
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):  # its side files lie beside the file itself
            path = os.path.realpath(path)
            status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"The database file {database} cannot be opened: {reason}.") from error
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{database} is not a regular file, so it is not a SQLite database.")
    if _size(f"{path}-wal"):
        raise UserError(
            f"{database} has changes waiting in {path}-wal: "
            "close the program that uses it, or run `PRAGMA wal_checkpoint(TRUNCATE)` on it."
        )
    if status.st_size and _size(f"{path}-journal") and _in_use(f"{path}-journal"):
        raise UserError(
            f"{database} was left in the middle of a change, which {path}-journal can undo: "
            "open it once with a program that may write to it."
        )
    return _uri(path), (status.st_mtime_ns, status.st_size, status.st_ino)


def connect(database: Path) -> sqlite3.Connection:
    """A read-only connection for SQL of our own; SQL from a model or a corpus belongs into the sandbox.

    Text that is not UTF-8 loses the bytes that are not. Raises UserError as `locate` does, and for a file that is cut
    off, whose last page SQLite would fill with zeros. A file that is no database fails at its first statement.
    """
    uri, (_, size, _) = locate(database)
    if size < (whole := _whole_size(database)):
        raise UserError(
            f"{database} cannot be read (database disk image is malformed: it has {size} of its {whole} bytes)."
        )
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
    connection.text_factory = lambda raw: raw.decode("utf-8", errors="ignore")
    return connection


def is_side_file(path: Path) -> bool:
    """Whether a file belongs to a database beside it and is none itself."""
    return path.name.endswith(SIDE_FILES)


def _whole_size(database: Path) -> int:
    """Bytes that a database has by its own header; 0 where the header does not say so (sqlite.org/fileformat.html)."""
    with database.open("rb") as file:
        head = file.read(100)
    if not head.startswith(b"SQLite format 3\0") or head[24:28] != head[92:96]:
        return 0
    page = int.from_bytes(head[16:18], "big")
    return (65536 if page == 1 else page) * int.from_bytes(head[28:32], "big")


def _size(path: str) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except OSError:
        return 0


def _in_use(journal: str) -> bool:
    """Whether a journal holds a transaction; a finished one may leave a file that begins with zeros."""
    try:
        with open(journal, "rb") as file:  # noqa: PTH123
            return file.read(1) != b"\0"
    except OSError:
        return True  # nobody knows


@lru_cache(maxsize=4096)
def _uri(path: str) -> str:
    return f"file://{quote(os.fsencode(path))}?mode=ro&immutable=1"  # bytes: a path need not be UTF-8
