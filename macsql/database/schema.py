"""Schemas: tables, columns and keys, read from Spider's tables.json or from the SQLite file itself."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class Column:
    name: str  # as SQL writes it
    type: str  # declared type, upper-case as SQLite reports it; "" where none is declared
    full_name: str = ""  # in words ("area code"); the name itself where the corpus gives none
    description: str = ""  # BIRD's database_description; empty elsewhere
    primary_key: bool = False


@dataclass(frozen=True)
class Table:
    name: str
    columns: tuple[Column, ...]
    full_name: str = ""


@dataclass(frozen=True)
class ForeignKey:
    table: str
    column: str
    ref_table: str
    ref_column: str


@dataclass(frozen=True)
class Schema:
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
