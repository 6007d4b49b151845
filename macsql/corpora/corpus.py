"""What every corpus becomes, whatever its format."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from macsql.database.schema import Database
from macsql.errors import UserError, first_line
from macsql.records import Example, Question, Split

_WHOLE = 64 * 2**20  # bytes; a larger database is hashed by evenly spaced pieces
_PIECE = 2**20


@dataclass(frozen=True)
class Corpus:
    """Questions, each with its split, and the databases that they are asked of."""

    name: str
    questions: tuple[Question, ...]
    databases: Mapping[str, Database]  # empty where the corpus brings no SQLite files (chat without data.database_root)
    skipped: Mapping[str, int]  # reason -> questions left out
    notes: tuple[str, ...] = ()  # sentences a plan should show
    examples: tuple[Example, ...] = ()  # chat: rows that are examples already; empty for other formats
    warnings: tuple[str, ...] = ()  # sentences to be said first: what makes the corpus another one than was meant

    def of(self, split: Split) -> tuple[Question, ...]:
        """The questions of one split, in the corpus's order."""
        return tuple(question for question in self.questions if question.split == split)

    def examples_of(self, split: Split) -> tuple[Example, ...]:
        """The ready-made examples whose question belongs to a split; chat only."""
        ids = {question.id for question in self.of(split)}
        return tuple(example for example in self.examples if example.question_id in ids)


def fingerprint(corpus: Corpus) -> str:
    """16 hexadecimal digits over questions, examples, schemas and database files: equal content, equal digits.

    Neither the folder nor the machine counts. Of a database larger than 64 MiB its size and 64 evenly spaced pieces of
    1 MiB count, since BIRD's files would otherwise take minutes.
    """
    digest = hashlib.sha256()
    for rows in (corpus.questions, corpus.examples):
        for row in rows:
            digest.update(json.dumps(dataclasses.asdict(row), sort_keys=True).encode())
    for name in sorted(corpus.databases):
        database = corpus.databases[name]
        digest.update(json.dumps(dataclasses.asdict(database.schema), sort_keys=True).encode())
        digest.update(file_digest(database.path))
    return digest.hexdigest()[:16]


def file_digest(path: Path) -> bytes:
    """SHA-256 of a file; of one larger than 64 MiB, of its size and 64 evenly spaced pieces of 1 MiB."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        if size <= _WHOLE:
            digest.update(file.read())
        else:
            for number in range(64):
                file.seek((size - _PIECE) * number // 63)
                digest.update(file.read(_PIECE))
    return digest.digest()


def place(key: str, given: str) -> Path:
    """A file or folder that the configuration names. Raises UserError for a text that can be no path here."""
    try:
        path = Path(given).expanduser()
        path.exists()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a zero byte, the home of nobody
        raise UserError(
            f"{key}={given} is not a path ({getattr(error, 'strerror', None) or first_line(error)})."
        ) from error
    return path


def in_words(name: str) -> str:
    """A file's name as a text: a byte that is not UTF-8, which no other file can hold, becomes a sign for it."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def existing_root(root: str | None, expected: str) -> Path:
    """data.root as a folder that is there. `expected` says in words what layout belongs into it."""
    if not root:
        raise UserError(f"data.root is not set: it should name a folder with {expected}.")
    folder = place("data.root", root)
    if not folder.is_dir():
        what = (
            "is a file, not a folder"
            if folder.is_file()
            else "is not a folder"
            if folder.exists()
            else "does not exist"
        )
        raise UserError(f"data.root={root} {what}: it should name a folder with {expected}.")
    return folder


def other_layout(folder: Path, expected: str) -> UserError:
    """The error for a folder that is there but holds something else."""
    names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in folder.iterdir())
    found = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") if names else "nothing"
    return UserError(f"{folder} holds {found}; expected {expected}.")
