"""What Spider's evaluator knows of a database: lower-case tables and columns, and the columns foreign keys link."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from macsql.database.opening import connect
from macsql.errors import UserError


@dataclass(frozen=True, eq=False)  # compared by identity: it is the key of the gold cache
class SpiderSchema:
    """Tables and columns in lower case, and the foreign-key map that `spider-em` compares columns through.

    `linked` maps a "table.column" to the column that stands for it and for all columns linked with it.
    """

    tables: dict[str, tuple[str, ...]]
    linked: dict[str, str] = field(default_factory=dict)

    @cached_property
    def columns(self) -> frozenset[str]:
        """All columns, as "table.column"."""
        return frozenset(f"{table}.{column}" for table, columns in self.tables.items() for column in columns)


def read_spider_schema(database: Path, tables_entry: Mapping[str, Any] | None) -> SpiderSchema:
    """The schema as the evaluator sees it: ordinary tables of the SQLite file (no views; `sqlite_sequence` counts).

    `tables_entry` is the database's object in Spider's tables.json and gives the foreign keys, nothing else; None: no
    keys. Raises UserError where the file cannot be read as SQLite or the entry is not one of tables.json.
    """
    try:
        with closing(connect(database)) as connection:
            names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            tables = {name.lower(): _columns(connection, name) for name in names}
    except sqlite3.Error as error:
        raise UserError(f"{database}: not readable as an SQLite database ({error}).") from error
    return SpiderSchema(tables, foreign_key_map(tables_entry) if tables_entry is not None else {})


def _columns(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
    return tuple(name.lower() for (name,) in rows)


def foreign_key_map(entry: Mapping[str, Any]) -> dict[str, str]:
    """ "table.column" -> the column that stands for its group, from an object of tables.json.

    Pairs join groups in file order, the first group that holds either end; groups are never merged, so a column may
    be in two, and then the later group counts. The column with the lowest index stands for its group.
    Raises UserError where a needed key is missing or an index points nowhere.
    """
    try:
        tables = [name.lower() for name in entry["table_names_original"]]
        columns = [f"{tables[at]}.{name.lower()}" if at >= 0 else "*" for at, name in entry["column_names_original"]]
        groups: list[set[int]] = []
        for one, other in entry["foreign_keys"]:
            group = next((group for group in groups if one in group or other in group), None)
            if group is None:
                groups.append(group := set())
            group |= {one, other}
        return {columns[member]: columns[min(group)] for group in groups for member in sorted(group)}
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        name = entry.get("db_id", "?") if isinstance(entry, Mapping) else "?"
        raise UserError(f"tables.json, database {name}: not an entry of Spider's format ({error!r}).") from error
