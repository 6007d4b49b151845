"""Answers that take seconds to find, and hang on known things alone, are found once: `<folder>/<name>.json`.

The name is made of all that an answer hangs on: what is asked, this package's code, the libraries, Python, the machine,
and the files that are read on the way, looked at as macsql.system.manifest does. Where any of it changes the answer is
found anew, and a file never holds the answer to something else.
"""

import json
import platform
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from macsql.system.files import write_whole
from macsql.system.kept import name_of
from macsql.system.manifest import manifest
from macsql.system.processor import processor

LIBRARIES = ("torch", "transformers", "tokenizers", "accelerate", "datasets", "peft", "numpy")
T = TypeVar("T")


def once(folder: Path, asked: Iterable[object], files: Iterable[Path], find: Callable[[], T]) -> T:
    """What `find` gives now, or gave before of the same `asked` (by its repr) and `files`: a value that JSON can hold.

    Whatever `find` raises is raised, and it is found anew the next time.
    """
    looked_at = manifest(files)
    if looked_at is None:  # one is missing, or is being written
        return find()
    place = folder / f"{name_of(map(repr, asked), looked_at, _here())}.json"
    with suppress(OSError, ValueError):
        answer: T = json.loads(place.read_text(encoding="utf-8"))
        return answer
    answer = find()
    with suppress(OSError):  # it is only a saving
        write_whole(place, json.dumps(answer))
    return answer


@cache
def _here() -> tuple[str, ...]:
    """This machine, Python and the libraries."""
    return (processor(), platform.platform(), platform.python_version(), *map(version, LIBRARIES))
