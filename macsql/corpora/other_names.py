"""Gold queries that speak of tables and columns by names that the database does not have, and `data.rename` for them.

A set's queries and its database may be of different versions: public Restaurants has `RESTAURANT.ID` in its queries and
`RESTAURANT_ID` in the file.
"""

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from macsql.database.schema import Schema, Table, identifier, words
from macsql.errors import UserError

_STRING = re.compile(r"('(?:[^']|'')*')")
_MISSING = re.compile(r"no such (column|table): (.+)")


def rename(sql: str, names: Mapping[str, str]) -> str:
    """The query with other names outside its strings: of "TABLE.COLUMN" the column, wherever that table or an alias of
    it stands before the dot; of a name without a dot every one that stands alone.
    """
    for old, new in names.items():
        table, dot, column = old.rpartition(".")
        if dot:
            called = {table, *re.findall(rf"\b{re.escape(table)}\s+(?:AS\s+)?(\w+)", sql, re.IGNORECASE)}
            owner = "|".join(map(re.escape, sorted(called)))
            pattern = rf"(?<![\w.])((?:{owner})\s*\.\s*){re.escape(column)}(?!\w)"
        else:
            pattern = rf"(?<![\w.])(){re.escape(old)}(?!\w)"
        pieces = _STRING.split(sql)
        pieces[::2] = [
            re.sub(pattern, lambda found, new=new: found[1] + identifier(new), piece, flags=re.IGNORECASE)
            for piece in pieces[::2]
        ]
        sql = "".join(pieces)
    return sql


def check_rename(names: Mapping[str, str], golds: Iterable[str], schema: Schema) -> None:
    """Raise UserError for an entry of `data.rename` that no query needs, or that names what the database lacks."""
    queries = list(golds)
    for old, new in names.items():
        if not any(rename(sql, {old: f"{new}_"}) != sql for sql in queries):
            raise UserError(f"data.rename: no query has {old}: write TABLE.COLUMN or a name as the queries have it.")
        tables = [table for table in schema.tables if "." not in old or table.name.lower() == old.split(".")[0].lower()]
        there = [column.name for table in tables for column in table.columns]
        there += [table.name for table in schema.tables] if "." not in old else []
        if tables and new.lower() not in map(str.lower, there):
            near = _nearest(new, there)
            raise UserError(
                f"data.rename: the database has no {new} for {old}{f', the nearest is {near}' if near else ''}."
            )


def most_missing(failed: Iterable[tuple[str, str]], schema: Schema) -> str:
    """What most of the queries that do not run lack, and the nearest name that there is; "" where they lack no name.

    `failed`: (query, SQLite's message) of each.
    """
    counted: Counter[tuple[str, str]] = Counter()
    for sql, message in failed:
        if found := _MISSING.fullmatch(message.strip()):
            counted[found[1], _with_table(found[2], sql)] += 1
    if not counted:
        return ""
    (kind, name), count = counted.most_common(1)[0]
    table, _, column = name.rpartition(".")
    told = f"{count} times there is no {kind} {name}"
    owner = schema.by_name.get(table.lower())
    places: list[tuple[Table, str]] = [
        (t, c.name) for t in ([owner] if owner else schema.tables) for c in t.columns if kind == "column"
    ]
    there = [found for _, found in places] if kind == "column" else [t.name for t in schema.tables]
    near = _nearest(column if kind == "column" else name, there)
    if near is None:
        return told
    home = next((f"{t.name}." for t, found in places if found == near), "")
    return f"{told}, and the nearest is {home}{near} (data.rename={{{name}: {near}}} takes it)"


def _with_table(name: str, sql: str) -> str:
    """A column's name behind its table's, where the query says by an alias which that is."""
    alias, dot, column = name.rpartition(".")
    found = re.search(rf"(\w+)\s+AS\s+{re.escape(alias)}\b", sql, re.IGNORECASE) if dot else None
    return f"{found[1]}.{column}" if found else name


def _nearest(name: str, there: Iterable[str]) -> str | None:
    """The name that has all words of another, the shortest first; else the one most like it."""
    names = sorted(set(there), key=lambda known: (len(known), known))
    own = set(words(name).split())
    for known in names:
        if own <= set(words(known).split()) or set(words(known).split()) <= own:
            return known
    lower = {known.lower(): known for known in names}
    close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    return lower[close[0]] if close else None
