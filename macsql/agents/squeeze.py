"""A schema that gets smaller on request: first go value examples, then what a prompt mentions least of all.

A column with linked values counts as mentioned: the prompt names what stands in it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from functools import lru_cache

from macsql.agents.tokens import estimate_tokens
from macsql.database.schema import Schema, Table, quoted
from macsql.database.values import Value

Values = Mapping[tuple[str, str], tuple[Value, ...]]  # (table, column) -> examples, most telling first

_WORD = re.compile(r"[A-Za-z][a-z]+|[A-Z]+|[0-9]+|[^\W_]")
_PLAIN_NAME = re.compile(r"\w+")
_SQL_PARTS = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|/\*.*?\*/|--[^\n]*|\s+|.""", re.DOTALL
)  # quoted text and names, comments, white space, and any other character
_BREAKS = re.compile(r"[^\S ]+|[\x00-\x1f\x7f]+")  # white space that is no plain space, and control characters
_STEM = 5  # letters that two words must share to count as the same
_BRIDGE = 0.5  # what joining two mentioned tables counts for a table that is not mentioned itself
_WHOLE = 0.1  # a table as a whole outlives its best column by so much
_LINK = 0.01  # a linked value gives way before its column by so much
_OUTLINES = 64  # schemas that are kept taken apart


@lru_cache(maxsize=1 << 16)
def stems(text: str) -> frozenset[str]:
    """The words of a text or identifier by their first letters, for finding what is said in other forms."""
    return frozenset(word.lower()[:_STEM].removesuffix("s") for word in _WORD.findall(text))


def one_line(text: str) -> str:
    """Text with every run of white space folded into one space."""
    return " ".join(text.split())


def one_line_sql(sql: str) -> str:
    """The same for SQL: what stands in quotes stays as it is, and so does the line break that ends a comment."""
    folded: list[str] = []
    for part in _SQL_PARTS.findall(sql.strip()):
        if part.isspace():
            folded.append("\n" if folded and folded[-1].startswith("--") else " ")
        else:
            folded.append(part.rstrip() if part.startswith("--") else part)
    return "".join(folded)


def literal(value: object) -> str:
    """A linked value as SQL writes it, on one line: 'O''Brien'.

    The quotes tell it from value examples, whatever signs it holds, and its tokens are those of the answer.
    """
    return "'" + _BREAKS.sub(" ", str(value)).replace("'", "''") + "'"


def _name(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else quoted(name)


@dataclass
class _Column:
    name: str
    words: frozenset[str]  # stems of its names
    joined: frozenset[str]  # stem of its name written as one word
    links: tuple[tuple[str, str], ...]  # (table in lower case, " = table.column") that it refers to
    key: bool
    values: list[str]
    linked: list[str]  # as SQL writes them, shown before `values`
    mentioned: float = 0.0  # share of its words that the fields mention; all where it has linked values


@dataclass
class _Table:
    name: str
    words: frozenset[str]
    joined: frozenset[str]
    columns: list[_Column]
    mentioned: float = 0.0  # the same of its own words, and _BRIDGE where it joins tables that are mentioned


@dataclass(frozen=True, eq=False)
class Outline:
    """What is the same in all prompts over a schema: the names taken apart, and the text where nothing gives way."""

    schema: Schema
    values: Values
    tables: tuple[_Table, ...]
    text: str


_OUTLINE_CACHE: dict[tuple[int, int], Outline] = {}  # by identity, which each entry keeps from being used again


def outline(schema: Schema, values: Values) -> Outline:
    """A schema taken apart, from the cache where the very same objects were taken apart before."""
    key = id(schema), id(values)
    if key not in _OUTLINE_CACHE:
        if len(_OUTLINE_CACHE) >= _OUTLINES:
            del _OUTLINE_CACHE[next(iter(_OUTLINE_CACHE))]
        tables = [_taken_apart(table, schema, values) for table in schema.tables]
        _OUTLINE_CACHE[key] = Outline(schema, values, tuple(tables), _text(tables))
    return _OUTLINE_CACHE[key]


def with_links(outline: Outline, links: Values) -> Outline:
    """The outline with linked values, each shown once: no longer among the value examples of its column."""
    if not links:
        return outline
    tables = []
    for table in outline.tables:
        columns = []
        for column in table.columns:
            linked = links.get((table.name, column.name), ())
            values = [value for value in column.values if value not in {one_line(str(other)) for other in linked}]
            columns.append(replace(column, values=values, linked=list(map(literal, linked))))
        tables.append(replace(table, columns=columns))
    return replace(outline, tables=tuple(tables), text=_text(tables))


def _taken_apart(table: Table, schema: Schema, values: Values) -> _Table:
    links: dict[str, list[tuple[str, str]]] = {}
    keys = {column.name.lower() for column in table.columns if column.primary_key}
    for key in schema.foreign_keys:
        if key.table.lower() == table.name.lower():
            link = f" = {_name(key.ref_table)}.{_name(key.ref_column)}"
            links.setdefault(key.column.lower(), []).append((key.ref_table.lower(), link))
        if key.ref_table.lower() == table.name.lower():
            keys.add(key.ref_column.lower())
    columns = []
    for column in table.columns:
        name = column.name.lower()
        examples = [one_line(str(v)) for v in values.get((table.name, column.name), ()) if v is not None]
        own = tuple(links.get(name, ()))
        words = stems(f"{column.name} {column.full_name}")
        columns.append(_Column(column.name, words, _joined(column.name), own, bool(own) or name in keys, examples, []))
    return _Table(table.name, stems(f"{table.name} {table.full_name}"), _joined(table.name), columns)


def _joined(name: str) -> frozenset[str]:
    return stems("".join(_WORD.findall(name)).lower())


def _text(tables: Iterable[_Table]) -> str:
    tables = list(tables)
    there = {table.name.lower() for table in tables}
    return " | ".join(_shown(table, there) for table in tables)


def _shown(table: _Table, there: Set[str]) -> str:
    columns = []
    for column in table.columns:
        links = "".join(link for target, link in column.links if target in there)
        values = "; ".join((*column.linked, *column.values))
        columns.append(_name(column.name) + links + (f"({values})" if values else ""))
    return f"{_name(table.name)}: {', '.join(columns)}" if columns else _name(table.name)


def _cost(text: str) -> int:
    """Tokens that a part adds to a text: without those that end any text."""
    return estimate_tokens(text) - estimate_tokens("")


class Squeezed:
    """A schema that gets smaller on request."""

    def __init__(self, outline: Outline, focus: str) -> None:
        self.focus = stems(focus)
        self.tables = [self._marked(table) for table in outline.tables]
        mentioned = {
            table.name.lower() for table in self.tables if table.mentioned or any(c.linked for c in table.columns)
        }
        for table in self.tables:
            if sum(target in mentioned for column in table.columns for target, _ in column.links) > 1:
                table.mentioned += _BRIDGE

    def _marked(self, table: _Table) -> _Table:
        """A copy that may be changed, with what the fields mention of it."""
        columns = [
            replace(c, values=list(c.values), linked=list(c.linked), mentioned=1.0 if c.linked else self._mentioned(c))
            for c in table.columns
        ]
        return replace(table, columns=columns, mentioned=self._mentioned(table))

    def _mentioned(self, named: _Table | _Column) -> float:
        """The share of a name's words that the fields mention; all of it where they write it as one word."""
        if named.joined & self.focus:
            return 1.0
        return len(named.words & self.focus) / max(len(named.words), 1)

    def text(self) -> str:
        """The schema as it is now."""
        return _text(self.tables)

    def give_way(self, excess: int) -> None:
        """Leave out what matters least until about `excess` tokens are saved."""
        for saved in self._least_first():
            excess -= saved
            if excess <= 0:
                return

    def _least_first(self) -> Iterator[int]:
        """Leave out one thing after the other, saying what each saved."""
        columns = [(table, column) for table in self.tables for column in table.columns]
        examples = [(table, column, value) for table, column in columns for value in reversed(column.values)]
        examples.sort(key=lambda e: (bool(stems(e[2]) & self.focus), e[1].mentioned, e[0].mentioned))
        for _, column, value in examples:
            column.values.remove(value)
            yield _cost(f"{value};")
        units: list[tuple[float, _Table, _Column | None, str]] = []
        for table in reversed(self.tables):  # of equals the last gives way first
            best = max((column.mentioned for column in table.columns), default=0.0)
            for column in reversed(table.columns):
                weight = table.mentioned + column.mentioned
                units += [(weight - _LINK, table, column, value) for value in reversed(column.linked)]
                if not column.key:
                    units.append((weight, table, column, ""))
            units.append((table.mentioned + best + _WHOLE, table, None, ""))
        for _, table, unit, value in sorted(units, key=lambda unit: unit[0]):
            if not any(table is there for there in self.tables):
                continue
            if unit is None:
                yield self._drop_table(table)
            elif value:
                unit.linked.remove(value)
                yield _cost(f"{value};")
            else:
                yield self._drop_column(table, unit)

    def _drop_column(self, table: _Table, column: _Column) -> int:
        table.columns.remove(column)
        return _cost(f"{_name(column.name)},")

    def _drop_table(self, table: _Table) -> int:
        name = table.name.lower()
        links = [link for other in self.tables for c in other.columns for target, link in c.links if target == name]
        shown = _shown(table, {other.name.lower() for other in self.tables})
        self.tables = [other for other in self.tables if other is not table]
        return _cost(f"| {shown}") + sum(map(_cost, links))
