"""Files and folders put in place in one step: a reader, or a process killed while writing, leaves the old or the new.

What is being written lies beside its final place under a name that ends in `.partial`. A file that the user names
(`out=FILE`, `--out FILE`) is checked by `check_output` before any cost and written by `write_output`.
"""

import errno
import os
import random
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TextIO

from macsql.errors import UserError, first_line

PARTIAL = ".partial"
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # no room for all of a file


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write a file to, which takes the place of `path` at the end of the block.

    Where the block raises, `path` stays as it was and nothing is left beside it. A missing folder is made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _beside(path)
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `path` at the end of the block; one that another process put there stays."""
    partial = _beside(path)
    partial.mkdir(parents=True)
    try:
        yield partial
        try:
            partial.rename(path)
        except OSError:
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_whole(path: Path, content: str | bytes) -> None:
    """Put a file in place in one step; text is written as UTF-8."""
    with replacing(path) as partial:
        partial.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def check_output(flag: str, path: Path) -> None:
    """Refuse a file named by the user that cannot be written, before any cost; nothing is made yet.

    `flag` is what the user named it with, as in `out` or `--out`. Raises UserError.
    """
    try:
        if path.is_dir():
            raise UserError(f"{path} cannot be written: {flag} names a file, and this is a folder.")
        place = path
        while not _exists(place):
            place = Path(os.path.realpath(place)).parent
            _exists(place / path.name)  # a name that is too long
    except (OSError, ValueError) as error:  # a ValueError: a name with a zero byte
        raise _cannot(flag, path, getattr(error, "strerror", None) or first_line(error)) from error
    if place != path and not place.is_dir():
        raise _cannot(flag, path, f"{place} is not a folder")
    if not os.access(place, os.W_OK):
        raise _cannot(flag, path, f"{place} is read-only")
    if place == path and path.is_fifo():
        _await_reader(path)


_PIPES: dict[Path, int] = {}  # pipes that a reader has opened, with the descriptor that keeps it waiting


def _await_reader(path: Path) -> None:
    """Open a pipe before any cost: that waits for a reader, which must be said; and the reader goes when it closes."""
    if path in _PIPES:
        return
    try:
        number = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        os.set_blocking(number, True)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        print(f"Waiting for a reader of {path}.", file=sys.stderr, flush=True)
        number = os.open(path, os.O_WRONLY)
    _PIPES[path] = number


@contextmanager
def apart(path: Path | None) -> Iterator[None]:
    """What is printed in the block goes to stderr where the file that the user names is this process's stdout."""
    if path is not None and _descriptor(path) == 1:
        with redirect_stdout(sys.stderr):
            yield
    else:
        yield


def write_output(flag: str, path: Path, lines: Iterable[str]) -> int:
    """Write a file named by the user, as UTF-8; returns the number of `lines`, which end in line breaks of their own.

    A file is replaced in one step, and a link goes on pointing to it. A pipe, a device or an open file of this process
    (/dev/stdout) is written to as it is. A missing folder is made. Half a surrogate pair, which no file can hold,
    becomes a question mark. Raises UserError where not all of it can be written; no half a file is left then.
    """
    count = 0
    try:
        with _opened(path) as file:
            for line in lines:
                file.write(line)
                count += 1
    except BrokenPipeError as error:
        raise UserError(f"{path}: its reader left before the end.") from error
    except OSError as error:
        if error.errno in FULL:
            raise UserError(
                f"{path} cannot be written ({error.strerror}): make room, or name another file with {flag}."
            ) from error
        raise _cannot(flag, path, error.strerror or first_line(error)) from error
    return count


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """The file to write: the path itself where it is no plain file, else a new file that takes its place."""
    number = _descriptor(path)
    if number is not None:
        sys.stdout.flush()
        with os.fdopen(os.dup(number), "w", encoding="utf-8", errors="replace") as file:
            yield file
    elif _exists(path) and not path.is_file():
        number = _PIPES.pop(path, None) or os.open(path, os.O_WRONLY)
        with os.fdopen(number, "w", encoding="utf-8", errors="replace") as file:
            yield file
    else:
        final = Path(os.path.realpath(path))
        with replacing(final) as partial:
            partial.touch(mode=final.stat().st_mode & 0o777 if final.exists() else 0o666)
            with partial.open("w", encoding="utf-8", errors="replace") as file:
                yield file


def _descriptor(path: Path) -> int | None:
    """The number where a path, or what it links to, is an open file of this process: /dev/stdout, /dev/fd/3."""
    for _ in range(40):  # links that Linux follows at most
        if path.name.isdigit() and os.path.realpath(path.parent) in ("/dev/fd", f"/proc/{os.getpid()}/fd"):
            return int(path.name)
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


def _exists(path: Path) -> bool:
    """Whether there is something, links followed. Raises OSError where that cannot be told, as in a circle of links."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    return True


def _cannot(flag: str, path: Path, reason: str) -> UserError:
    return UserError(f"{path} cannot be written ({reason}): {flag} names a file in a folder that can be written to.")


def _beside(path: Path) -> Path:
    # The process id alone would not do: machines that share the folder have the same ones.
    return path.with_name(f"{path.name[:40]}.{os.getpid()}-{random.SystemRandom().randrange(2**32):08x}{PARTIAL}")
