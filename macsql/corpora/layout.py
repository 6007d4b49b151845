"""What Spider's and BIRD's layouts share: a JSON list of questions, and a folder of databases beside it.

Read in this order: `read_rows`, `open_databases`, `with_database`, `corpus_of`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from macsql.config import DataConfig
from macsql.corpora.corpus import Corpus
from macsql.corpora.splits import limited, tell_apart
from macsql.database.schema import Database, Schema, read_sqlite_schema, with_declared_types
from macsql.errors import UserError, shown
from macsql.records import Question
from macsql.system.reading import read_json


class Problems:
    """What reading left out, counted by reason, and the sentences about it."""

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.skipped: Counter[str] = Counter()
        self._places: dict[str, list[str]] = {}

    def leave_out(self, reason: str, place: str) -> None:
        """Count one question that is left out for a good reason."""
        self.skipped[reason] += 1
        self._places.setdefault(reason, []).append(place)

    def malformed(self, reason: str, place: str) -> None:
        """Count one row or file that should have another form; with `strict` raise UserError instead."""
        if self.strict:
            raise UserError(f"{place}: {reason} (counted and skipped with data.strict=false).")
        self.leave_out(reason, place)

    def notes(self) -> list[str]:
        """One sentence per reason, naming the first places."""
        return [f"Left out, {reason}." for reason in self._reasons()]

    def nothing_left(self, root: Path) -> UserError:
        """The error where no question of a corpus can be used, with the reasons."""
        return UserError(f"No question in {root} can be used: {'; '.join(self._reasons()) or 'there is none'}.")

    def _reasons(self) -> list[str]:
        return [
            f"{reason}: {len(places)} ({', '.join(places[:5])}{', …' if len(places) > 5 else ''})"
            for reason, places in self._places.items()
        ]


def read_rows(path: Path, wanted: Iterable[str], problems: Problems) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(position, row) of a JSON list of objects, with text under every wanted key; other rows are skipped and counted.

    Raises UserError where the file holds no JSON list.
    """
    rows = read_json(path)
    if not isinstance(rows, list):
        raise UserError(f"{path} should hold a JSON list of questions, not {shown(rows)}.")
    for number, row in enumerate(rows):
        if isinstance(row, dict) and all(isinstance(row.get(key), str) and row[key].strip() for key in wanted):
            yield number, row
        else:
            problems.malformed(f"row without {', '.join(wanted)} in words", f"{path.name} row {number}")


def open_databases(
    db_ids: Iterable[str], folder: Path, schemas: Mapping[str, Schema], problems: Problems
) -> dict[str, Database]:
    """The databases of these ids that have a readable file `folder`/ID/ID.sqlite, sorted by id.

    Names and keys come from `schemas` (tables.json), types from the file; a database that tables.json does not know has
    its schema from the file alone.
    """
    databases = {}
    for db_id in sorted(set(db_ids)):
        try:
            path = folder / db_id / f"{db_id}.sqlite"
            if Path(db_id).name != db_id or not path.is_file():
                continue  # its questions are counted by whoever asks for the database
        except OSError:  # an id that is too long for a file's name
            continue
        declared = schema_of(path, db_id, problems)
        if declared is None:
            continue
        schema = with_declared_types(schemas[db_id], declared) if db_id in schemas else declared
        databases[db_id] = Database(db_id, path, schema)
    return databases


def schema_of(path: Path, db_id: str, problems: Problems) -> Schema | None:
    """The schema of a database file; None for one that cannot be read, which is counted and named."""
    try:
        return read_sqlite_schema(path, db_id)
    except UserError as error:
        reason = str(error.__cause__ or error).rstrip(".")
        problems.malformed(f"database file that cannot be read ({reason})", path.name)
        return None


def with_database(
    questions: Iterable[Question], databases: Mapping[str, Database], problems: Problems
) -> list[Question]:
    """The questions to one of these databases; the others are left out and counted."""
    found = []
    for question in questions:
        if question.db_id in databases:
            found.append(question)
        else:
            problems.leave_out("question to a database that has no file", question.id)
    return found


def corpus_of(
    root: Path,
    questions: Sequence[Question],
    databases: Mapping[str, Database],
    data: DataConfig,
    problems: Problems,
) -> Corpus:
    """The corpus in `root`: questions told apart (eval by database) and limited, the databases that they ask, notes.

    Raises UserError where there is no question.
    """
    if not questions:
        raise problems.nothing_left(root)
    told, notes = tell_apart(questions, data, eval_by="database")
    kept = tuple(limited(told, data.limit, data.seed))
    used = {question.db_id for question in kept}
    used_databases = {db_id: database for db_id, database in databases.items() if db_id in used}
    return Corpus(data.format, kept, used_databases, dict(problems.skipped), (*notes, *problems.notes()))
