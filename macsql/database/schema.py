"""Schemas: tables, columns and keys, read from the SQLite file itself (tables_json.py: from Spider's tables.json)."""

import dataclasses
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from macsql.database.opening import connect
from macsql.errors import UserError

_WORD_BORDER = re.compile(r"[\W_]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# SQLite reads these words as SQL even where a name should stand; its other keywords may be names
_RESERVED = re.compile(
    "add|all|alter|and|as|autoincrement|between|case|cast|check|collate|commit|constraint|create|cross|"
    "current_date|current_time|current_timestamp|default|deferrable|delete|distinct|drop|else|escape|except|"
    "exists|foreign|from|full|group|having|in|index|inner|insert|intersect|into|is|isnull|join|left|limit|"
    "natural|not|nothing|notnull|null|on|or|order|outer|primary|raise|references|returning|right|select|set|"
    "table|then|to|transaction|union|unique|update|using|values|when|where",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str  # as SQL writes it
    type: str  # declared type, upper-case as SQLite reports it; "" where none is declared
    full_name: str = ""  # in words ("area code"); the name itself where the corpus gives none
    description: str = ""  # BIRD's database_description; empty elsewhere
    primary_key: bool = False


@dataclass(frozen=True)
class Table:
    """A table with its columns in the order of declaration."""

    name: str
    columns: tuple[Column, ...]
    full_name: str = ""


@dataclass(frozen=True)
class ForeignKey:
    """`table.column` refers to `ref_table.ref_column`."""

    table: str
    column: str
    ref_table: str
    ref_column: str


@dataclass(frozen=True)
class Schema:
    """The tables of one database and the keys between them."""

    db_id: str
    tables: tuple[Table, ...]
    foreign_keys: tuple[ForeignKey, ...] = ()

    @cached_property
    def by_name(self) -> dict[str, Table]:
        """Lower-cased table name -> table: SQLite's names do not tell upper from lower case."""
        return {table.name.lower(): table for table in self.tables}


@dataclass(frozen=True)
class Database:
    """A schema and the SQLite file that holds it."""

    id: str
    path: Path
    schema: Schema


def words(name: str) -> str:
    """An identifier in lower-case words: "areaCode" and "area_code" become "area code"; signs alone stay."""
    return " ".join(_WORD_BORDER.sub(" ", name).split()).lower() or name


def identifier(name: str) -> str:
    """A name as SQL takes it: bare where that is allowed, in double quotes where it has odd signs or is reserved."""
    return name if _PLAIN.fullmatch(name) and not _RESERVED.fullmatch(name) else quoted(name)


def quoted(name: str) -> str:
    """An identifier in double quotes, as SQL takes any name at all."""
    return '"' + name.replace('"', '""') + '"'


def read_sqlite_schema(path: Path, db_id: str | None = None) -> Schema:
    """The schema that a SQLite file declares; views, virtual tables and SQLite's own tables are left out.

    `db_id` defaults to the file's name. A foreign key to a table or column that is not there is left out too.
    Raises UserError where the file is missing or no SQLite database.
    """
    try:
        with closing(connect(path)) as connection:
            names = _ordinary_tables(connection)
            tables = tuple(Table(name, _columns(connection, name), words(name)) for name in names)
            raw_keys = [(name, key) for name in names for key in _foreign_keys(connection, name)]
    except sqlite3.Error as error:
        raise UserError(f"{path} cannot be read as a SQLite database ({error}).") from error
    schema = Schema(db_id if db_id is not None else path.stem, tables)
    keys = [key for table, raw in raw_keys if (key := _resolve(schema, table, raw)) is not None]
    return dataclasses.replace(schema, foreign_keys=tuple(keys))


def with_declared_types(schema: Schema, declared: Schema) -> Schema:
    """`schema` with the column types that its SQLite file declares, where it declares the same column."""
    tables = []
    for table in schema.tables:
        twin = declared.by_name.get(table.name.lower())
        types = {column.name.lower(): column.type for column in twin.columns} if twin else {}
        columns = tuple(dataclasses.replace(c, type=types.get(c.name.lower(), c.type)) for c in table.columns)
        tables.append(dataclasses.replace(table, columns=columns))
    return dataclasses.replace(schema, tables=tuple(tables))


def _ordinary_tables(connection: sqlite3.Connection) -> list[str]:
    # pragma_table_list tells virtual tables and those that hold their content (type shadow) from ordinary ones
    kinds = dict(connection.execute("SELECT name, type FROM pragma_table_list WHERE schema = 'main'").fetchall())
    listed = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return [name for (name,) in listed if kinds.get(name) == "table" and not name.lower().startswith("sqlite_")]


def _columns(connection: sqlite3.Connection, table: str) -> tuple[Column, ...]:
    # table_xinfo also lists generated columns; hidden == 1 marks those that SELECT * never shows
    rows = connection.execute(f"PRAGMA table_xinfo({quoted(table)})").fetchall()
    return tuple(
        Column(name, (kind or "").upper(), words(name), primary_key=bool(key))
        for _, name, kind, _, _, key, hidden in rows
        if hidden != 1
    )


def _foreign_keys(connection: sqlite3.Connection, table: str) -> list[tuple[int, str, str, str | None]]:
    """(position in a composite key, column, referenced table, referenced column or None), in order of declaration."""
    rows = connection.execute(f"PRAGMA foreign_key_list({quoted(table)})").fetchall()
    ordered = sorted(rows, key=lambda row: (-row[0], row[1]))  # SQLite numbers the last declared key 0
    return [(row[1], row[3], row[2], row[4]) for row in ordered]


def _resolve(schema: Schema, table: str, raw: tuple[int, str, str, str | None]) -> ForeignKey | None:
    position, column, ref_table, ref_column = raw
    target = schema.by_name.get(ref_table.lower())
    if target is None:
        return None
    if ref_column is None:  # "REFERENCES t" without columns means t's primary key
        keys = [c.name for c in target.columns if c.primary_key]
        if position >= len(keys):
            return None
        ref_column = keys[position]
    own = {c.name.lower(): c.name for c in schema.by_name[table.lower()].columns}
    theirs = {c.name.lower(): c.name for c in target.columns}
    if column.lower() not in own or ref_column.lower() not in theirs:
        return None
    return ForeignKey(table, own[column.lower()], target.name, theirs[ref_column.lower()])
