"""Schemas from a tables.json, as Spider and BIRD publish it beside their databases."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from macsql.database.schema import Column, ForeignKey, Schema, Table
from macsql.errors import UserError
from macsql.system.reading import read_json


class _WrongError(Exception):
    """What is wrong with an entry, in words."""


def read_tables_json(path: Path) -> dict[str, Schema]:
    """db_id -> schema; types are the file's own words, upper-case, and a number as a name is taken as text.

    Raises UserError naming the entry that lacks a key or points at a column that it does not have.
    """
    entries = read_json(path)
    if not isinstance(entries, list):
        raise UserError(f"{path} is not a tables.json: it should hold a list with one object for each database.")
    schemas: dict[str, Schema] = {}
    for number, entry in enumerate(entries):
        db_id = entry.get("db_id") if isinstance(entry, dict) else None
        name = db_id if _is_name(db_id) else f"number {number}"
        try:
            schema = _from_entry(entry)
            if schemas.setdefault(schema.db_id, schema) != schema:
                raise _WrongError("another entry has the same db_id and another schema")
        except _WrongError as error:
            raise UserError(f"{path}: entry {name} is not one of a tables.json ({error}).") from error
    return schemas


def _from_entry(entry: Any) -> Schema:
    if not isinstance(entry, dict):
        raise _WrongError("it should be an object")
    names = [_name(name, f"table {number}") for number, name in enumerate(_list(entry, "table_names_original"))]
    columns = [_pair(entry, "column_names_original", number) for number in range(_length(entry))]
    for number, (table, _) in enumerate(columns):
        if not -1 <= table < len(names):  # -1: the first one, [-1, "*"]
            raise _WrongError(f"column {number} belongs to table {table}, and there are {len(names)}")
    full_names = [_pair(entry, "column_names", number)[1] for number in range(_length(entry))]
    types = _list(entry, "column_types")
    if len(types) != len(columns):
        raise _WrongError(f"it has {len(columns)} columns and {len(types)} column_types")
    primary: set[int] = set()
    for key in entry.get("primary_keys") or ():  # BIRD writes a composite key as a list
        primary |= {_column(one, columns, "primary_keys") for one in (key if isinstance(key, list) else [key])}
    tables: list[list[Column]] = [[] for _ in names]
    for number, (table, raw) in enumerate(columns):
        if table < 0:
            continue
        name = _name(raw, f"column {number}")
        full_name = _text(full_names[number]) or name
        kind = _text(types[number]).upper()
        tables[table].append(Column(name, kind, full_name, primary_key=number in primary))
    table_words = _list(entry, "table_names") if "table_names" in entry else names
    if len(table_words) != len(names):
        raise _WrongError(f"it has {len(names)} table_names_original and {len(table_words)} table_names")
    built = (Table(n, tuple(c), _text(w) or n) for n, c, w in zip(names, tables, table_words, strict=True))
    return Schema(_name(entry.get("db_id"), "the database"), tuple(built), tuple(_keys(entry, names, columns)))


def _keys(entry: Mapping[str, Any], names: list[str], columns: list[tuple[int, Any]]) -> list[ForeignKey]:
    keys = []
    for key in entry.get("foreign_keys") or ():
        if not isinstance(key, list) or len(key) != 2:
            raise _WrongError(f"foreign_keys has {key!r} where a pair of columns should be")
        (table, column), (ref_table, ref_column) = (columns[_column(one, columns, "foreign_keys")] for one in key)
        keys.append(ForeignKey(names[table], str(column), names[ref_table], str(ref_column)))
    return keys


def _column(number: Any, columns: list[tuple[int, Any]], where: str) -> int:
    """The number of a column that belongs to a table, as `*` does not."""
    if type(number) is not int or not 0 <= number < len(columns) or columns[number][0] < 0:
        raise _WrongError(f"{where} names column {number!r}, which no table has")
    return number


def _length(entry: Mapping[str, Any]) -> int:
    return len(_list(entry, "column_names_original"))


def _list(entry: Mapping[str, Any], key: str) -> list[Any]:
    if not isinstance(entry.get(key), list):
        raise _WrongError(f"{key} should be a list" if key in entry else f"it has no {key}")
    return entry[key]


def _pair(entry: Mapping[str, Any], key: str, number: int) -> tuple[int, Any]:
    """(table, name) of a column in one of the lists that have them."""
    pairs = _list(entry, key)
    pair = pairs[number] if number < len(pairs) else None
    if not isinstance(pair, list) or len(pair) != 2 or type(pair[0]) is not int:
        raise _WrongError(f"{key} should have [table, name] for column {number}")
    return pair[0], pair[1]


def _is_name(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _name(value: Any, whose: str) -> str:
    if not _is_name(value):
        raise _WrongError(f"{whose} has {value!r} where a name should be")
    return str(value)


def _text(value: Any) -> str:
    """Words that may be missing: null, or no text at all, is none."""
    return str(value) if _is_name(value) else ""
