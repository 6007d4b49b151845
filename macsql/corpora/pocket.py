"""A handful of small SQLite databases that the project makes itself, and questions to them from the grammar.

Nothing is downloaded and nothing is copied: schemas and value lists stand in pocket_schemas.py, rows are drawn by a
fixed seed, and the files are the same to the byte on every machine. Values come from short lists, so that a model with
random weights can learn the first five databases within minutes.
"""

import random
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from macsql.config import DataConfig
from macsql.corpora.corpus import Corpus
from macsql.corpora.pocket_schemas import DATABASES, Each, Ref, Some
from macsql.database.schema import Database, quoted, read_sqlite_schema
from macsql.errors import UserError
from macsql.system.files import write_whole


def read(data: DataConfig, state_dir: Path) -> Corpus:
    """The pocket corpus: `data.questions` questions for each of its databases, which are kept under `state_dir`."""
    from macsql.corpora import synthetic

    paths = keep(state_dir, data.databases)
    databases = {db_id: Database(db_id, path, read_sqlite_schema(path, db_id)) for db_id, path in paths.items()}
    return synthetic.corpus("pocket", databases, data, Counter())


def keep(state_dir: Path, first: int = 0) -> dict[str, Path]:
    """Database id -> its file under `state_dir`, each of them there and whole afterwards.

    `first`: of the first so many databases (0: of all). Raises UserError for a number that there is not.
    """
    if not 0 <= first <= len(DATABASES):
        raise UserError(f"data.databases={first}: data=pocket has {len(DATABASES)} databases, and 0 takes them all.")
    paths = {db_id: state_dir / "pocket" / f"{db_id}.sqlite" for db_id in list(DATABASES)[: first or None]}
    for db_id, path in paths.items():
        content = make_database(db_id)
        if not path.is_file() or path.read_bytes() != content:  # other trials may be reading it
            write_whole(path, content)
    return paths


def make_database(db_id: str) -> bytes:
    """The SQLite file of one pocket database, equal to the byte wherever it is made."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("PRAGMA page_size = 4096")
        sizes = {table: rows for table, (rows, _) in DATABASES[db_id].items()}
        for table, (rows, columns) in DATABASES[db_id].items():
            connection.execute(_create(table, columns))
            rng = random.Random(f"pocket/{db_id}/{table}")
            filled = [_fill(rng, column, rows, sizes) for column in columns.values()]
            slots = ", ".join("?" * (len(columns) + 1))
            connection.executemany(
                f"INSERT INTO {quoted(table)} VALUES ({slots})", zip(range(1, rows + 1), *filled, strict=True)
            )
        connection.commit()
        content = bytearray(connection.serialize())
    content[96:100] = bytes(4)  # the version of the SQLite library that wrote the file: all that differs by machine
    return bytes(content)


def _create(table: str, columns: dict[str, Some | Each | Ref]) -> str:
    lines = ["id INTEGER PRIMARY KEY"]
    for name, column in columns.items():
        if isinstance(column, Ref):
            lines.append(f"{name} INTEGER REFERENCES {quoted(column.table)}(id)")
        else:
            lines.append(f"{name} {'TEXT' if isinstance(column.values[0], str) else 'INTEGER'}")
    return f"CREATE TABLE {quoted(table)} ({', '.join(lines)})"


def _fill(rng: random.Random, column: Some | Each | Ref, rows: int, sizes: dict[str, int]) -> list[Any]:
    if isinstance(column, Each):
        return rng.sample(column.values, rows)
    if isinstance(column, Ref):
        return [rng.randint(1, sizes[column.table]) for _ in range(rows)]
    return [column.values[rng.randrange(len(column.values))] for _ in range(rows)]
