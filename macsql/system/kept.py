"""What is made of the same texts again and again is made once: folders named by all that went into them.

A folder tells a digest of each of its files, so that one that has been damaged is made again. Of those beside each
other the ones that have not been used for longest go when they hold more than `MOST` bytes together.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from macsql.system.files import PARTIAL, new_folder

CONTENTS = "contents.json"  # file -> its digest
MOST = 2 << 30  # bytes


def name_of(texts: Iterable[str], *made_with: object) -> str:
    """32 hexadecimal digits that change with any of the texts, their order and their number, and with all else."""
    digest = hashlib.sha256(repr(made_with).encode("utf-8", errors="surrogatepass"))
    for text in texts:
        part = text.encode("utf-8", errors="surrogatepass")
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.hexdigest()[:32]


@lru_cache
def code_in(*files: Path) -> str:
    """A digest of files of code: what they make is made again after any change to them."""
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def whole(folder: Path) -> bool:
    """Whether a folder is there as `keep` left it, byte for byte; it counts as used now."""
    try:
        contents = json.loads((folder / CONTENTS).read_text(encoding="utf-8"))
        if not contents or any(_digest(folder / name) != told for name, told in contents.items()):
            return False
        os.utime(folder)
    except (OSError, ValueError, AttributeError, TypeError):
        return False
    return True


def keep(folder: Path, fill: Callable[[Path], None]) -> None:
    """Put a folder in place in one step, filled by `fill`; what was there before and is not whole goes.

    Where there is no room, or nothing may be written, nothing is kept and nothing is said: it is only a saving.
    """
    with suppress(OSError):
        shutil.rmtree(folder, ignore_errors=True)
        with new_folder(folder) as partial:  # another process may make the same meanwhile: its bytes are the same
            fill(partial)
            contents = {path.name: _digest(path) for path in partial.iterdir()}
            (partial / CONTENTS).write_text(json.dumps(contents), encoding="utf-8")
        _bound(folder)


def _bound(newest: Path) -> None:
    others = [path for path in newest.parent.iterdir() if path != newest and path.suffix != PARTIAL]
    left = MOST - _size(newest)
    for folder in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True):
        left -= _size(folder)
        if left < 0:
            shutil.rmtree(folder, ignore_errors=True)  # whoever reads in it has its files open


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
