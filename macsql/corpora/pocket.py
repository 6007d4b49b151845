"""A handful of small SQLite databases that the project makes itself, and questions to them from the grammar.

Nothing is downloaded and nothing is copied: schemas and value lists stand here, rows are drawn by a fixed seed, and the
files are the same to the byte on every machine. Names are single common words and values come from short lists, so that
a model with random weights can learn the task within minutes.
"""

import random
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from macsql.config import DataConfig
from macsql.corpora import synthetic
from macsql.corpora.corpus import Corpus
from macsql.database.schema import Database, quoted, read_sqlite_schema

# value lists; several tables share them so that few words come often
PERSON = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana", "Ivo", "June", "Kai", "Lena")
CITY = ("Bergen", "Lima", "Oslo", "Porto", "Quito", "Riga")
COLOR = ("black", "blue", "green", "red", "white")
SIZE = ("large", "medium", "small")
MONTH = ("April", "June", "March", "May")
SMALL = tuple(range(1, 13))
ANIMAL = ("bear", "camel", "deer", "eagle", "fox", "goat", "hare", "ibis", "lion", "mole", "owl", "wolf")
ITEM = ("bag", "belt", "book", "cap", "coat", "cup", "hat", "lamp", "ring", "sock", "tent", "vase")
SHIP = ("Arrow", "Breeze", "Comet", "Delta", "Echo", "Falcon", "Gull", "Heron", "Iris", "Jade")
SUBJECT = ("art", "math", "music", "sport")
GRADE = (1, 2, 3, 4, 5, 6)
AGES = tuple(range(20, 80, 5))
TENS = tuple(range(10, 130, 10))


@dataclass(frozen=True)
class Some:
    """A column whose rows draw from a list, with repeats."""

    values: tuple[str | int, ...]


@dataclass(frozen=True)
class Each:
    """A column in which no value comes twice."""

    values: tuple[str | int, ...]


@dataclass(frozen=True)
class Ref:
    """A column that refers to another table's id."""

    table: str


# database -> table -> (rows, column -> what fills it); every table also has the primary key `id`
DATABASES: dict[str, dict[str, tuple[int, dict[str, Some | Each | Ref]]]] = {
    "zoo": {
        "keeper": (6, {"name": Each(PERSON), "city": Some(CITY), "age": Each(AGES)}),
        "animal": (12, {"name": Each(ANIMAL), "color": Some(COLOR), "weight": Each(TENS), "keeper_id": Ref("keeper")}),
        "visit": (10, {"month": Some(MONTH), "guests": Each(TENS), "animal_id": Ref("animal")}),
    },
    "shop": {
        "brand": (5, {"name": Each(("Apex", "Bolt", "Coral", "Dune", "Ember")), "city": Some(CITY)}),
        "item": (12, {"name": Each(ITEM), "color": Some(COLOR), "price": Each(TENS), "brand_id": Ref("brand")}),
        "sale": (10, {"month": Some(MONTH), "size": Some(SIZE), "amount": Some(SMALL), "item_id": Ref("item")}),
    },
    "school": {
        "teacher": (6, {"name": Each(PERSON), "subject": Some(SUBJECT), "age": Each(AGES)}),
        "pupil": (12, {"name": Each(PERSON), "city": Some(CITY), "grade": Some(GRADE), "teacher_id": Ref("teacher")}),
        "club": (5, {"name": Each(("chess", "choir", "dance", "drama", "judo")), "fee": Each(TENS)}),
    },
    "port": {
        "captain": (6, {"name": Each(PERSON), "city": Some(CITY), "age": Each(AGES)}),
        "ship": (10, {"name": Each(SHIP), "color": Some(COLOR), "length": Each(TENS), "captain_id": Ref("captain")}),
        "trip": (12, {"city": Some(CITY), "month": Some(MONTH), "days": Some(SMALL), "ship_id": Ref("ship")}),
    },
    "league": {
        "team": (6, {"name": Each(("Bears", "Crows", "Foxes", "Hawks", "Lions", "Wolves")), "city": Each(CITY)}),
        "player": (12, {"name": Each(PERSON), "height": Each(TENS), "goals": Some(SMALL), "team_id": Ref("team")}),
        "game": (10, {"month": Some(MONTH), "crowd": Each(TENS), "team_id": Ref("team")}),
    },
}


def read(data: DataConfig, state_dir: Path) -> Corpus:
    """The pocket corpus: `data.questions` questions for each of its databases, which are kept under `state_dir`."""
    databases = {}
    for db_id in DATABASES:
        path = state_dir / "pocket" / f"{db_id}.sqlite"
        _keep(path, make_database(db_id))
        databases[db_id] = Database(db_id, path, read_sqlite_schema(path, db_id))
    return synthetic.corpus("pocket", databases, data, Counter())


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


def _fill(rng: random.Random, column: Some | Each | Ref, rows: int, sizes: dict[str, int]) -> list[str | int]:
    if isinstance(column, Each):
        return rng.sample(column.values, rows)
    if isinstance(column, Ref):
        return [rng.randint(1, sizes[column.table]) for _ in range(rows)]
    return [column.values[rng.randrange(len(column.values))] for _ in range(rows)]


def _keep(path: Path, content: bytes) -> None:
    """Write the file in one step, unless it is there already: other trials may be reading it."""
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{random.SystemRandom().randrange(2**32):08x}.partial")
    partial.write_bytes(content)
    partial.replace(path)
