"""Whether files are as they were when something was made of them: looked at, not read.

A file's size, times and inode change whenever its content does, but for one case: a file that is written twice within
one tick of the file system's clock. A manifest is therefore not taken while a file has just been written.
"""

import hashlib
import itertools
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from macsql.system.files import write_whole

Entry = tuple[str, int, int, int, int]  # path, size, modified and changed (ns), inode

CODE = Path(__file__).resolve().parent.parent
_MOST = 50_000  # files; looking at more of them is no saving
_TICK = 100_000_000  # ns; file systems count in far less ...
_COARSE_TICK = 2_500_000_000  # ... but for those that count in seconds


def manifest(roots: Iterable[Path]) -> str | None:
    """16 hexadecimal digits that change with every file that these are or that lies below them, and with our code.

    None where nothing can be told: a root is missing, the files are very many, or one is being written.
    """
    roots = [root.resolve() for root in roots]
    if not all(root.exists() for root in roots):
        return None
    try:
        for _ in range(5):
            files = itertools.chain.from_iterable(map(_files, roots))
            found = [_entry(path) for path in itertools.islice(files, _MOST + 1)]
            if len(found) > _MOST:
                return None
            if all(map(_settled, found)):
                code = [_entry(path) for path in CODE.rglob("*") if path.suffix not in {"", ".pyc"}]
                return hashlib.sha256(json.dumps(sorted([*found, *code])).encode()).hexdigest()[:16]
            time.sleep(_TICK / 2e9)
    except OSError:  # a file went away while it was looked at
        return None
    return None


def unchanged(mark: Path, *manifests: str | None) -> bool:
    """Whether these manifests are the ones that `remember` left in the mark."""
    try:
        before = mark.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return before == " ".join(filter(None, manifests)) and None not in manifests


def remember(mark: Path, *manifests: str | None) -> None:
    """Leave the manifests in a mark; none of them where one of them could not be taken.

    The manifest of what is read has to be taken before it is read: what somebody writes meanwhile then shows.
    """
    if None not in manifests:
        write_whole(mark, " ".join(filter(None, manifests)))


def _files(root: Path) -> Iterator[Path]:
    """The file itself, or every file below the folder; links are followed, each folder once."""
    if not root.is_dir():
        yield root
        return
    seen: set[tuple[int, int]] = set()
    for folder, below, names in os.walk(root, followlinks=True):
        about = Path(folder).stat()
        if (about.st_dev, about.st_ino) in seen:
            below.clear()
            continue
        seen.add((about.st_dev, about.st_ino))
        yield from (Path(folder, name) for name in names)


def _entry(path: Path) -> Entry:
    about = path.stat() if path.exists() else path.lstat()  # a link may lead nowhere
    return str(path), about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino


def _settled(entry: Entry) -> bool:
    """Whether a later write to the file would show."""
    changed = entry[3]
    return changed + (_TICK if changed % 1_000_000 else _COARSE_TICK) < time.time_ns()
