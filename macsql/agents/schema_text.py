"""How a schema is shown to a model: MAC-SQL's layout in full, or squeezed into what a token budget leaves.

Every prompt of the compact style is put together here too (`compact_prompt`), because what the schema may take
is what the other parts leave over.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from macsql.database.schema import Schema, Table
from macsql.database.values import Value

Values = Mapping[tuple[str, str], tuple[Value, ...]]  # (table, column) -> examples, most telling first
CountTokens = Callable[[str], int]

_RUN = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+|\s+|```|.", re.DOTALL)
_WORD = re.compile(r"[A-Za-z][a-z]+|[A-Z]+|[0-9]+|[^\W_]")
_VOWELS = frozenset("aeiouy")
_PLAIN_NAME = re.compile(r"\w+")
_STEM = 5  # letters that two words must share to count as the same
_BRIDGE = 0.5  # what joining two mentioned tables counts for a table that is not mentioned itself
_WHOLE = 0.1  # a table as a whole outlives its best column by so much
_ATTEMPTS = 6  # times a prompt is cut anew because its parts, joined, took more tokens than their sum


# --- MAC-SQL's layout ------------------------------------------------------------------------------------------------


def table_blocks(schema: Schema, values: Values) -> str:
    """`# Table: name` and a bracketed list, one line a column: (column, full name. Value examples: [...].),"""
    return "\n".join(_table_block(table, values) for table in schema.tables)


def _table_block(table: Table, values: Values) -> str:
    lines = []
    for column in table.columns:
        words = ", ".join(part for part in (column.full_name or column.name, column.description) if part)
        shown = values.get((table.name, column.name), ())
        examples = f" Value examples: [{', '.join(map(repr, shown))}]." if shown else ""
        lines.append(f"({column.name}, {words}.{examples}),")
    return "\n".join([f"# Table: {table.name}", "[", *lines, "]"])


def foreign_key_lines(schema: Schema) -> str:
    """One line a foreign key: a.`x` = b.`y`"""
    return "\n".join(f"{k.table}.`{k.column}` = {k.ref_table}.`{k.ref_column}`" for k in schema.foreign_keys)


# --- the squeezed form -----------------------------------------------------------------------------------------------


def estimate_tokens(text: str) -> int:
    """Tokens that T5's tokenizer needs for `text`, guessed from above, for where no tokenizer is at hand.

    Fitted to compact prompts over Spider and GeoQuery: 0 to 60 % above the true count for each, 23 % on average.
    """
    words = text.split(" ") if text else []
    return math.ceil(1.15 * sum(map(_estimated, words))) + 1  # the end-of-sequence token


@lru_cache(maxsize=1 << 16)
def _estimated(word: str) -> float:
    if not word:
        return 0.5  # between two spaces, where a codec may have to put a mark
    count = 0.0
    for run in _RUN.findall(word):
        if not run.isascii():
            count += 6  # a character that a codec has to spell
        elif run.isdigit():
            count += len(run) / 2 + 0.5
        elif run.isalpha() and not _VOWELS & set(run.lower()):
            count += len(run)  # an abbreviation: T5 has no piece for it
        elif run.isalpha():
            count += max(1, len(run) / 2 + 0.5 if run.isupper() else len(run) / 4 + 0.3)
        else:
            count += 3 if run.isspace() or run in "```{}<~^\\" else 1  # a codec has marks for these
    return count


def compact_prompt(
    task: str,
    fields: Iterable[tuple[str, str]],
    schema: Schema,
    values: Values,
    budget: int,
    count_tokens: CountTokens | None,
) -> str:
    """`task: question | label: text | schema: t: c, c(v; v), c = t2.c | t2: c`, within `budget` tokens.

    The first of `fields` is the question, without a label of its own; empty ones are left out. A foreign key stands
    behind its column. Only the schema gives way, as little as need be: value examples first (those that the fields
    mention last), then columns and whole tables by how little the fields mention of them. Keys stay as long as their
    table. Where nothing fits beside the fields, they stand alone, whole.
    """
    count = count_tokens or estimate_tokens
    (_, question), *others = fields
    stated = [f"{task}: {_one_line(question)}", *(f"{label}: {_one_line(text)}" for label, text in others if text)]
    head = " | ".join(stated)
    squeezed = _Squeezed(schema, values, " ".join([question, *(text for _, text in others)]), count)
    for _ in range(_ATTEMPTS):
        prompt = f"{head} | schema: {squeezed.text()}" if squeezed.tables else head
        excess = count(prompt) - budget
        if excess <= 0 or not squeezed.tables:
            break
        squeezed.give_way(excess)
    return prompt if excess <= 0 else head


@lru_cache(maxsize=1 << 16)
def stems(text: str) -> frozenset[str]:
    """The words of a text or identifier by their first letters, for finding what is said in other forms."""
    return frozenset(word.lower()[:_STEM].removesuffix("s") for word in _WORD.findall(text))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _name(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else f'"{name}"'


@dataclass
class _Column:
    name: str
    links: tuple[tuple[str, str], ...]  # (table in lower case, column) that it refers to
    key: bool
    mentioned: float  # share of its words that the fields mention
    values: list[str]


@dataclass
class _Table:
    name: str
    mentioned: float  # the same of its own words, and _BRIDGE where it joins tables that are mentioned
    columns: list[_Column] = field(default_factory=list)


class _Squeezed:
    """A schema that gets smaller on request."""

    def __init__(self, schema: Schema, values: Values, focus: str, count: CountTokens) -> None:
        self.names = {table.name.lower(): table.name for table in schema.tables}
        self.focus = stems(focus)
        self.count = count
        self.special = count("")  # tokens that are added to any text
        self.tables = [self._table(table, schema, values) for table in schema.tables]
        mentioned = {table.name.lower() for table in self.tables if table.mentioned}
        for table in self.tables:
            if sum(ref in mentioned for column in table.columns for ref, _ in column.links) > 1:
                table.mentioned += _BRIDGE

    def _table(self, table: Table, schema: Schema, values: Values) -> _Table:
        links: dict[str, list[tuple[str, str]]] = {}
        keys = {column.name.lower() for column in table.columns if column.primary_key}
        for key in schema.foreign_keys:
            if key.table.lower() == table.name.lower():
                links.setdefault(key.column.lower(), []).append((key.ref_table.lower(), key.ref_column))
            if key.ref_table.lower() == table.name.lower():
                keys.add(key.ref_column.lower())
        shown = _Table(table.name, self._mentioned(table.name, table.full_name))
        for column in table.columns:
            name = column.name.lower()
            examples = [_one_line(str(v)) for v in values.get((table.name, column.name), ()) if v is not None]
            mentioned = self._mentioned(column.name, column.full_name)
            link = tuple(links.get(name, ()))
            shown.columns.append(_Column(column.name, link, bool(link) or name in keys, mentioned, examples))
        return shown

    def _mentioned(self, name: str, full_name: str) -> float:
        """The share of a name's words that the fields mention; all of it where they write it as one word."""
        own = stems(f"{name} {full_name}")
        joined = stems("".join(_WORD.findall(name)).lower())
        return 1.0 if joined & self.focus else len(own & self.focus) / max(len(own), 1)

    def text(self) -> str:
        """The schema as it is now."""
        return " | ".join(self._shown(table) for table in self.tables)

    def _shown(self, table: _Table) -> str:
        columns = [self._column(column) for column in table.columns]
        return f"{_name(table.name)}: {', '.join(columns)}" if columns else _name(table.name)

    def _column(self, column: _Column) -> str:
        there = {table.name.lower() for table in self.tables} if column.links else set()
        links = [f" = {_name(self.names[t])}.{_name(c)}" for t, c in column.links if t in there]
        return _name(column.name) + "".join(links) + (f"({'; '.join(column.values)})" if column.values else "")

    def _cost(self, text: str) -> int:
        return self.count(text) - self.special

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
            yield self._cost(f"{value};")
        units: list[tuple[float, _Table, _Column | None]] = []
        for table in reversed(self.tables):  # of equals the last gives way first
            best = max((column.mentioned for column in table.columns), default=0.0)
            plain = [column for column in reversed(table.columns) if not column.key]
            units += [(table.mentioned + column.mentioned, table, column) for column in plain]
            units.append((table.mentioned + best + _WHOLE, table, None))
        for _, table, unit in sorted(units, key=lambda unit: unit[0]):
            if any(table is there for there in self.tables):
                yield self._drop_table(table) if unit is None else self._drop_column(table, unit)

    def _drop_column(self, table: _Table, column: _Column) -> int:
        table.columns.remove(column)
        return self._cost(f"{_name(column.name)},")

    def _drop_table(self, table: _Table) -> int:
        before = self._cost(self.text())
        self.tables.remove(table)
        return before - self._cost(self.text())
