"""BIRD in its published layout: a folder per part, each with its questions, tables.json, databases and descriptions."""

import csv
import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path

from macsql.config import DataConfig
from macsql.corpora.corpus import Corpus, existing_root, other_layout
from macsql.corpora.layout import Problems, corpus_of, open_databases, read_rows, with_database
from macsql.database.schema import Database, Schema, Table
from macsql.database.tables_json import read_tables_json
from macsql.errors import UserError
from macsql.records import Question, Split
from macsql.system.reading import text_of

LAYOUT = (
    "BIRD's layout: train/train.json, train_tables.json, train_databases/DB/DB.sqlite and the same with dev "
    "(dated folders such as dev_20240627 too), or one of the two"
)
PARTS: tuple[tuple[str, Split], ...] = (("train", "train"), ("dev", "test"))


def read(data: DataConfig, state_dir: Path) -> Corpus:  # noqa: ARG001  (all formats read alike)
    """BIRD's questions with evidence and difficulty: dev is test, eval a share of the training DATABASES.

    Column descriptions come from database_description/TABLE.csv, whatever encoding each of them is in.
    """
    root = existing_root(data.root, LAYOUT)
    problems = Problems(data.strict)
    questions: list[Question] = []
    databases: dict[str, Database] = {}
    parts = [(part, source, split) for part, split in PARTS if (source := _questions_file(root, part)) is not None]
    if not parts:
        raise other_layout(root, LAYOUT)
    for part, source, split in parts:
        folder = source.parent / f"{part}_databases"
        if not folder.is_dir():
            raise UserError(f"{source} has no {folder.name} beside it; expected {LAYOUT}.")
        asked = list(_questions(source, part, split, problems))
        tables = source.parent / f"{part}_tables.json"
        schemas = read_tables_json(tables) if tables.is_file() else {}
        opened = open_databases((question.db_id for question in asked), folder, schemas, problems)
        questions += with_database(asked, opened, problems)
        databases |= {db_id: _described(database, problems) for db_id, database in opened.items()}
    return corpus_of(root, questions, databases, data, problems)


def _questions_file(root: Path, part: str) -> Path | None:
    """PART.json in the folder of the part, in a dated one (the latest), or in `root` itself."""
    folders = [root / part, *sorted((p for p in root.glob(f"{part}_*") if p.is_dir()), reverse=True), root]
    return next((folder / f"{part}.json" for folder in folders if (folder / f"{part}.json").is_file()), None)


def _questions(source: Path, part: str, split: Split, problems: Problems) -> Iterator[Question]:
    for number, row in read_rows(source, ("db_id", "question", "SQL"), problems):
        name = f"bird/{part}/{number:05d}"
        evidence, difficulty = (text_of(row.get(key)).strip() for key in ("evidence", "difficulty"))
        if isinstance(row.get("evidence"), list | dict | bool):
            problems.malformed("evidence that is not a text", name)
        text, sql = row["question"].strip(), row["SQL"].strip()
        yield Question(name, row["db_id"], text, sql, evidence, difficulty, split)


def _described(database: Database, problems: Problems) -> Database:
    """The database with the descriptions of its columns."""
    folder = database.path.parent / "database_description"
    files = {path.stem.strip().lower(): path for path in sorted(folder.glob("*.csv"))}
    tables = []
    for table in database.schema.tables:
        path = files.pop(table.name.strip().lower(), None)
        tables.append(_with_descriptions(table, _descriptions(path, problems)) if path else table)
    for path in files.values():
        problems.leave_out("description of a table that is not in the schema", f"{database.id}/{path.name}")
    schema: Schema = dataclasses.replace(database.schema, tables=tuple(tables))
    return dataclasses.replace(database, schema=schema)


def _with_descriptions(table: Table, descriptions: dict[str, str]) -> Table:
    columns = tuple(
        dataclasses.replace(column, description=descriptions.get(column.name.strip().lower(), ""))
        for column in table.columns
    )
    return dataclasses.replace(table, columns=columns)


def _descriptions(path: Path, problems: Problems) -> dict[str, str]:
    """Lower-cased column name -> its description, with what the file says of its values behind it."""
    text = _decoded(path.read_bytes()).replace("\0", "")
    found = {}
    try:
        for row in csv.DictReader(io.StringIO(text, newline="")):
            cells = {(k or "").strip().lower(): " ".join(v.split()) for k, v in row.items() if isinstance(v, str)}
            parts = [cells.get("column_description", ""), cells.get("value_description", "")]
            if name := cells.get("original_column_name", "").lower():
                found[name] = "; ".join(part for part in parts if part)
    except csv.Error as error:
        problems.malformed(f"description file that is not CSV ({error})", f"{path.parent.parent.name}/{path.name}")
    return found


def _decoded(raw: bytes) -> str:
    """The files are in UTF-8 with or without its mark, in Windows' code page, or in nothing consistent."""
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")  # takes any byte
