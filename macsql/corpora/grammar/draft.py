"""What a template of the grammar makes, and the words and SQL pieces that all templates share."""

import re
from dataclasses import dataclass

from macsql.corpora.grammar.facts import ColumnFacts, TableFacts
from macsql.database.schema import identifier

_IRREGULAR = {
    "person": "people",
    "child": "children",
    "man": "men",
    "woman": "women",
    "foot": "feet",
    "tooth": "teeth",
    "mouse": "mice",
    "staff": "staff",
    "series": "series",
    "species": "species",
    "sheep": "sheep",
    "fish": "fish",
    "people": "people",
    "data": "data",
}
_SINGULAR = {many: one for one, many in _IRREGULAR.items() if one != "people"}


@dataclass(frozen=True)
class Draft:
    """A query and the ways to ask for it, the plainest first; not executed yet."""

    sql: str
    paraphrases: tuple[str, ...]


def one(words: str) -> str:
    """A table's words for a single row: "singers" -> "singer"."""
    head, last = _last(words)
    if last in _SINGULAR:
        last = _SINGULAR[last]
    elif last.endswith("ies") and len(last) > 4:
        last = last[:-3] + "y"
    elif re.search(r"(ss|x|ch|sh|[^aou]us)es$", last):
        last = last[:-2]
    elif last.endswith("s") and not last.endswith(("ss", "us", "is")) and len(last) > 3:
        last = last[:-1]
    return head + last


def many(words: str) -> str:
    """A table's or column's words for several: "city" -> "cities", "singers" -> "singers"."""
    head, last = _last(one(words))
    if last in _IRREGULAR:
        return head + _IRREGULAR[last]
    if re.search(r"[^aeiou]y$", last):
        return head + last[:-1] + "ies"
    return head + last + ("es" if re.search(r"(s|x|z|ch|sh)$", last) else "s")


def a(words: str) -> str:
    """Words behind their article: "an animal", "a ship"."""
    return f"{'an' if words[:1].lower() in 'aeiou' else 'a'} {words}"


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


def _last(words: str) -> tuple[str, str]:
    head, space, last = words.rpartition(" ")
    return head + space, last
