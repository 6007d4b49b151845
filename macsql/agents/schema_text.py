"""How a schema is shown to a model: MAC-SQL's layout in full, or squeezed into what a token budget leaves.

Every prompt of the compact style is put together here too (`compact_prompt`), because what the schema may take
is what the other parts leave over.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from macsql.database.schema import Column, ForeignKey, Schema, Table
from macsql.database.values import Value

Values = Mapping[tuple[str, str], tuple[Value, ...]]  # (table, column) -> examples, most telling first
CountTokens = Callable[[str], int]

_WORD = re.compile(r"[^\W_]+")
_PLAIN_NAME = re.compile(r"\w+")
_RUN = re.compile(r"[a-z]+|[A-Z]+|[0-9]|\s+|.", re.DOTALL)
_MAX_ATTEMPTS = 8  # times a prompt is made anew because its parts, joined, took more tokens than their sum


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
    """Tokens that T5's tokenizer needs for `text`, guessed from above, for where no tokenizer is at hand."""
    count = 1.0  # the end-of-sequence token
    for run in _RUN.findall(text):
        if run.isspace():
            count += 0 if run == " " else 4
        elif run.isascii() and run.isalpha():
            count += 1 + len(run) // 4 if run.islower() else (len(run) + 1) / 2
        else:
            count += 1 if run.isascii() and run not in "{}<`~^\\" else 6  # what a codec has to write out
    return int(count) + 1


def compact_prompt(
    task: str,
    fields: Iterable[tuple[str, str]],
    schema: Schema,
    values: Values,
    budget: int,
    count_tokens: CountTokens | None,
) -> str:
    """`task: question | label: text | schema: t: c, c(v; v) | t2: c | keys: t.c = t2.c`, within `budget` tokens.

    The first of `fields` is the question, without a label of its own; empty ones are left out. Only the schema gives
    way: value examples go first, then columns that share no word with the fields, keys after the other columns, whole
    tables last. A question longer than the budget stands alone, whole.
    """
    count = count_tokens or estimate_tokens
    (_, question), *others = fields
    stated = [f"{task}: {_one_line(question)}", *(f"{label}: {_one_line(text)}" for label, text in others if text)]
    head = " | ".join(stated)
    squeezer = _Squeezer(schema, values, " ".join([question, *(text for _, text in others)]), count)
    room = budget - count(head + " | schema:")
    for _ in range(_MAX_ATTEMPTS):
        prompt = head + squeezer.squeeze(room)
        excess = count(prompt) - budget
        if excess <= 0:
            return prompt
        room -= excess
    return head


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _name(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else f'"{name}"'


def _shown(value: Value) -> str:
    return _one_line(str(value))


def stems(text: str) -> frozenset[str]:
    """The words of a text or identifier, lower-cased and without a plural's s, for comparing them."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return frozenset(word.lower().removesuffix("s") for word in _WORD.findall(split))


@dataclass
class _Shown:
    """A column as it will be shown: with which values, or not at all."""

    column: Column
    key: bool
    relevance: float
    values: list[str]
    kept: bool = True


class _Squeezer:
    def __init__(self, schema: Schema, values: Values, focus: str, count: CountTokens) -> None:
        self.schema = schema
        self.focus = stems(focus)
        self.empty = count("")
        self.count = count
        self.costs: dict[str, int] = {}
        ends = [(key.table, key.column) for key in schema.foreign_keys]
        ends += [(key.ref_table, key.ref_column) for key in schema.foreign_keys]
        linked = {(table.lower(), column.lower()) for table, column in ends}
        self.tables: list[tuple[Table, float, list[_Shown]]] = []
        for table in schema.tables:
            named = self._overlap(f"{table.name} {table.full_name}")
            columns = [
                _Shown(
                    column,
                    column.primary_key or (table.name.lower(), column.name.lower()) in linked,
                    self._overlap(f"{column.name} {column.full_name}") + named / 2,
                    [_shown(value) for value in values.get((table.name, column.name), ()) if value is not None],
                )
                for column in table.columns
            ]
            self.tables.append((table, named + max((c.relevance for c in columns), default=0), columns))

    def _overlap(self, text: str) -> float:
        own = stems(text)
        return len(own & self.focus) / len(own) if own else 0.0

    def _cost(self, text: str) -> int:
        if text not in self.costs:
            self.costs[text] = self.count(text) - self.empty
        return self.costs[text]

    def squeeze(self, room: int) -> str:
        """The schema in at most `room` tokens (as the sum of its parts counts them); empty where nothing fits."""
        shown = [(table, relevance, [_Shown(**vars(c)) for c in columns]) for table, relevance, columns in self.tables]
        for column in (column for _, _, columns in shown for column in columns):
            column.values = list(column.values)
        excess = self._total(shown) - room
        excess = self._drop_values(shown, excess)
        excess = self._drop_columns(shown, excess)
        while excess > 0 and shown:
            least = min(range(len(shown)), key=lambda i: (shown[i][1], -i))
            del shown[least]
            excess = self._total(shown) - room
        return self._text(shown)

    def _drop_values(self, shown: list[tuple[Table, float, list[_Shown]]], excess: int) -> int:
        entries = [
            (bool(stems(value) & self.focus), column.relevance, -rank, -place, column, value)
            for place, column in enumerate(column for _, _, columns in shown for column in columns)
            for rank, value in enumerate(column.values)
        ]
        for *_, column, value in sorted(entries, key=lambda entry: entry[:4]):
            if excess <= 0:
                break
            column.values.remove(value)
            excess -= self._cost(f"{value};")
        return excess

    def _drop_columns(self, shown: list[tuple[Table, float, list[_Shown]]], excess: int) -> int:
        entries = [
            (column.relevance, -place, column)
            for place, column in enumerate(column for _, _, columns in shown for column in columns)
            if not column.key
        ]
        for *_, column in sorted(entries, key=lambda entry: entry[:2]):
            if excess <= 0:
                break
            column.kept = False
            excess -= self._cost(f"{_name(column.column.name)},")
        return excess

    def _total(self, shown: list[tuple[Table, float, list[_Shown]]]) -> int:
        total = sum(self._cost(_link(key)) for key in self._links(shown))
        for table, _, columns in shown:
            total += self._cost(f"| {_name(table.name)}:")
            for column in columns:
                if column.kept:
                    total += self._cost(f"{_name(column.column.name)},") + sum(self._cost(f"{v};") for v in column.values)
        return total

    def _links(self, shown: list[tuple[Table, float, list[_Shown]]]) -> list[ForeignKey]:
        kept = {table.name.lower() for table, _, _ in shown}  # key columns stay as long as their table does
        return [k for k in self.schema.foreign_keys if k.table.lower() in kept and k.ref_table.lower() in kept]

    def _text(self, shown: list[tuple[Table, float, list[_Shown]]]) -> str:
        tables = []
        for table, _, columns in shown:
            parts = [
                _name(c.column.name) + (f"({'; '.join(c.values)})" if c.values else "") for c in columns if c.kept
            ]
            tables.append(f"{_name(table.name)}: {', '.join(parts)}" if parts else _name(table.name))
        links = ", ".join(_link(key) for key in self._links(shown))
        return (f" | schema: {' | '.join(tables)}" if tables else "") + (f" | keys: {links}" if links else "")


def _link(key: ForeignKey) -> str:
    return f"{_name(key.table)}.{_name(key.column)} = {_name(key.ref_table)}.{_name(key.ref_column)}"
