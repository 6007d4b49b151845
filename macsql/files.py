"""Files and folders put in place in one step: a reader, or a process killed while writing, leaves the old or the new.

What is being written lies beside its final place under a name that ends in `.partial`.
"""

import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = ".partial"


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


def _beside(path: Path) -> Path:
    # The process id alone would not do: machines that share the folder have the same ones.
    return path.with_name(f"{path.name}.{os.getpid()}-{random.SystemRandom().randrange(2**32):08x}{PARTIAL}")
