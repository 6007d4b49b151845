"""What a template of the grammar makes, and the words and SQL pieces that all templates share."""

import re
from dataclasses import dataclass

from macsql.database.schema import identifier
from macsql.grammar.facts import ColumnFacts, TableFacts


@dataclass(frozen=True)
class Draft:
    """A query and the ways to ask for it, the plainest first; not executed yet."""

    sql: str
    paraphrases: tuple[str, ...]


def spoken(value: str | int | float) -> str:
    """A value as a question names it: as it stands, in double quotes where signs in it could be misread."""
    text = str(value)
    return text if not isinstance(value, str) or re.fullmatch(r"[\w.-]+( [\w.-]+)*", text) else f'"{text}"'


def literal(value: str | int | float) -> str:
    """A value as SQL writes it."""
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def name(thing: TableFacts | ColumnFacts, alias: str = "") -> str:
    """A table's or column's identifier, behind its alias where there is one."""
    return f"{alias}.{identifier(thing.name)}" if alias else identifier(thing.name)
