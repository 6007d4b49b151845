"""Value examples: the few values of a column that a prompt shows, chosen by MAC-SQL's rules."""

import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing

from macsql.database.opening import connect
from macsql.database.schema import Database, quoted
from macsql.errors import UserError

Value = str | int | float | None

MAX_DISTINCT_NUMBERS = 10  # a numeric column with more distinct values is a measure: no value stands for it
MAX_LENGTH = 50  # characters; longer text is prose, not a category
MAX_ROWS = 100_000  # of a larger table only its first rows are counted: BIRD has tables of millions

_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}\b|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}\b")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def read_value_examples(database: Database, most: int = 6) -> dict[tuple[str, str], tuple[Value, ...]]:
    """(table, column) -> the values that stand for the column, the most frequent first; every column has its entry.

    None comes first, on top of the `most`, where NULL occurs. Empty for keys, for names that end in id, email or url,
    for text that is long, a link or an e-mail address, for numbers with many distinct values, for blobs, and for a
    column that the file does not have or that SQLite cannot compute. A column of dates shows one value. Equally
    frequent values stand in SQLite's order, so that the choice is the same on every machine. Raises UserError where
    the file is missing or damaged.
    """
    schema = database.schema
    keys = {(key.table.lower(), key.column.lower()) for key in schema.foreign_keys}
    keys |= {(key.ref_table.lower(), key.ref_column.lower()) for key in schema.foreign_keys}
    examples: dict[tuple[str, str], tuple[Value, ...]] = {}
    with closing(connect(database.path)) as connection:
        for table in schema.tables:
            for column in table.columns:
                hidden = column.primary_key or (table.name.lower(), column.name.lower()) in keys
                if hidden or column.name.lower().endswith(("id", "email", "url")):
                    examples[table.name, column.name] = ()
                else:
                    try:
                        counted = count_values(connection, table.name, column.name)
                    except sqlite3.OperationalError:  # a generated column whose function SQLite does not know
                        counted = {}
                    except sqlite3.DatabaseError as error:
                        raise UserError(f"{database.path} cannot be read ({error}).") from error
                    examples[table.name, column.name] = choose(counted, most)
    return examples


def count_values(connection: sqlite3.Connection, table: str, column: str) -> dict[object, int]:
    """Value -> number of rows (of the first MAX_ROWS), most frequent first; {} where the file has no such column.

    Raises sqlite3.OperationalError where the column is computed by a function that SQLite does not know, and
    sqlite3.DatabaseError where the file is damaged.
    """

    def counted(name: str) -> dict[object, int]:
        rows = f"SELECT {name} AS v FROM {quoted(table)} AS t LIMIT {MAX_ROWS}"
        return dict(connection.execute(f"SELECT v, COUNT(*) AS n FROM ({rows}) GROUP BY v ORDER BY n DESC, v"))

    name = f"t.{quoted(column)}"  # qualified with t: SQLite takes a lone unknown "name" for a string
    try:
        return counted(name)
    except sqlite3.OperationalError as error:
        if str(error).startswith("no such collation sequence"):  # the file's own: its values can be told all the same
            return counted(f"{name} COLLATE BINARY")
        if str(error).startswith(("no such column", "no such table")):
            return {}
        raise


def choose(counted: Mapping[object, int], most: int = 6) -> tuple[Value, ...]:
    """MAC-SQL's choice among a column's values, given most frequent first."""
    values: dict[Value, None] = {}  # in order, each once: stripping may make two of them equal
    for value in counted:
        if isinstance(value, bytes):
            return ()
        if isinstance(value, str):
            if len(value.strip()) > MAX_LENGTH or "http://" in value or "https://" in value:
                return ()
            if _EMAIL.fullmatch(value.strip()):
                return ()
        if isinstance(value, int | float) or (isinstance(value, str) and value.strip()):
            values[value.strip() if isinstance(value, str) else value] = None
    if len(values) > MAX_DISTINCT_NUMBERS and not any(isinstance(value, str) for value in values):
        return ()
    shown = list(values)[:most]
    if shown and all(isinstance(value, str) and _DATE.match(value) for value in shown):
        shown = shown[:1]
    return (None, *shown) if None in counted and shown else tuple(shown)
