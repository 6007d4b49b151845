"""What the question grammar needs to know of a database: kinds of columns, values in the rows, links between tables."""

import math
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

from macsql.database.opening import connect
from macsql.database.schema import Column, Database, Schema, Table
from macsql.database.values import MAX_ROWS, count_values
from macsql.errors import UserError

Kind = Literal["text", "number", "key", "other"]

_MOST_VALUES = 60  # values of a column that questions may name: the most frequent ones
_SHOWN = 8  # columns that a sentence names
_LONGEST_VALUE = 40  # characters
_NO_MEASURE = {"year", "zip", "code", "number", "phone", "postal", "day", "month"}  # numbers nobody averages


@dataclass(frozen=True)
class ColumnFacts:
    """A column as its rows show it, whatever type it declares."""

    table: str
    name: str
    words: str
    kind: Kind
    values: tuple[str | int | float, ...]  # text: most frequent first; number: ascending; empty for key and other
    frequencies: tuple[int, ...]  # rows for each of `values`
    distinct: int  # different values other than NULL
    unique: bool  # no value twice and no NULL: an order by it has no ties
    nulls: bool
    measure: bool  # a number that it makes sense to average

    @property
    def categories(self) -> bool:
        """Whether rows share values, so that grouping by the column says something."""
        return self.kind == "text" and not self.unique and 2 <= self.distinct == len(self.values)


@dataclass(frozen=True)
class TableFacts:
    """A table that has rows."""

    name: str
    words: str
    rows: int  # at most MAX_ROWS are counted
    columns: tuple[ColumnFacts, ...]

    def of(self, *kinds: Kind) -> list[ColumnFacts]:
        """Its columns of these kinds."""
        return [column for column in self.columns if column.kind in kinds]

    @property
    def label(self) -> ColumnFacts | None:
        """The text column that names a row: one called name or title, else the one with the most different values."""
        texts = self.of("text")
        named = [column for column in texts if {"name", "title"} & set(column.words.split())]
        return named[0] if named else max(texts, key=lambda column: column.distinct, default=None)


@dataclass(frozen=True)
class Link:
    """A foreign key of one column between two tables that have rows."""

    child: TableFacts
    column: ColumnFacts  # in child
    parent: TableFacts
    ref_column: ColumnFacts  # in parent


@dataclass(frozen=True)
class Facts:
    """The tables with rows, the links between them, and what was left out, counted by reason."""

    tables: tuple[TableFacts, ...]
    links: tuple[Link, ...]
    skipped: dict[str, int]


def read_facts(database: Database) -> Facts:
    """Look at every table of a database once; a table or column that says nothing is counted.

    Raises UserError where the file is damaged.
    """
    schema = database.schema
    skipped: Counter[str] = Counter()
    tables: dict[str, TableFacts] = {}
    odd: list[str] = []
    with closing(connect(database.path)) as connection:
        for table in schema.tables:
            if not table.name.strip():
                skipped["table without a name"] += 1
                continue
            counts: dict[str, dict[object, int]] = {}
            for column in table.columns:
                if not column.name.strip():
                    counts[column.name] = {}
                    skipped["column without a name"] += 1
                    continue
                try:
                    counts[column.name] = count_values(connection, table.name, column.name)
                except sqlite3.OperationalError as error:
                    counts[column.name] = {}
                    skipped[f"column that cannot be read: {error}"] += 1
                except sqlite3.DatabaseError as error:
                    raise UserError(f"{database.path} cannot be read ({error}).") from error
            rows = max((sum(counted.values()) for counted in counts.values()), default=0)
            if rows == 0:
                skipped["table without rows"] += 1
                continue
            columns = tuple(_column_facts(schema, table, c, counts[c.name]) for c in table.columns if counts[c.name])
            odd += [f"{table.name}.{column.name}" for column in columns if column.kind == "other"]
            tables[table.name] = TableFacts(table.name, table.full_name or table.name, min(rows, MAX_ROWS), columns)
    if odd:
        shown = ", ".join(odd[:_SHOWN]) + (", ..." if len(odd) > _SHOWN else "")
        skipped[f"column whose values are binary, mixed, not short plain text, or missing ({shown})"] = len(odd)
    return Facts(tuple(tables.values()), tuple(_links(schema, tables)), dict(skipped))


def _column_facts(schema: Schema, table: Table, column: Column, counted: dict[object, int]) -> ColumnFacts:
    nulls = counted.pop(None, 0)
    kind = _kind(schema, table, column, list(counted))
    shown: list[tuple[str | int | float, int]] = []
    if kind in ("text", "number"):
        shown = [(v, n) for v, n in counted.items() if isinstance(v, str | int | float) and _speakable(v)]
        shown = shown[:_MOST_VALUES]
    if kind == "number":
        shown.sort()
    elif kind == "text" and not shown:
        kind = "other"
    unique = not nulls and bool(counted) and max(counted.values()) == 1
    measure = kind == "number" and len(counted) > 2 and not _NO_MEASURE & set(column.full_name.lower().split())
    values, frequencies = tuple(v for v, _ in shown), tuple(n for _, n in shown)
    words = column.full_name or column.name
    return ColumnFacts(
        table.name, column.name, words, kind, values, frequencies, len(counted), unique, bool(nulls), measure
    )


def _kind(schema: Schema, table: Table, column: Column, values: list[object]) -> Kind:
    place = (table.name.lower(), column.name.lower())
    linked = {(k.table.lower(), k.column.lower()) for k in schema.foreign_keys}
    linked |= {(k.ref_table.lower(), k.ref_column.lower()) for k in schema.foreign_keys}
    numbers = all(isinstance(value, int | float) for value in values)
    if place in linked or (numbers and (column.primary_key or column.full_name.lower().split()[-1:] == ["id"])):
        return "key"
    if not values:
        return "other"
    if numbers:
        return "number" if all(math.isfinite(value) for value in values if isinstance(value, float)) else "other"
    return "text" if all(isinstance(value, str) for value in values) else "other"


def _speakable(value: object) -> bool:
    """Whether a value can stand in a question and be found again: short, printable, no spaces at its ends."""
    if isinstance(value, str):
        return 0 < len(value) <= _LONGEST_VALUE and value.isprintable() and value.strip() == value
    return True


def _links(schema: Schema, tables: dict[str, TableFacts]) -> list[Link]:
    links = []
    pairs = [(key.table, key.ref_table) for key in schema.foreign_keys]
    for key in schema.foreign_keys:
        child, parent = tables.get(key.table), tables.get(key.ref_table)
        # two keys between the same tables leave open which one a question means; so does a table that refers to itself
        if child is None or parent is None or child == parent or pairs.count((key.table, key.ref_table)) > 1:
            continue
        column = next((c for c in child.columns if c.name == key.column), None)
        ref_column = next((c for c in parent.columns if c.name == key.ref_column), None)
        if column is not None and ref_column is not None:
            links.append(Link(child, column, parent, ref_column))
    return links
