"""Typed faults: a gold query changed in one place, the way a weak model gets SQL wrong.

Whether a changed query fails as its type promises is for SQLite to say (examples.py runs it).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from macsql.factory import edits
from macsql.factory.edits import Edit
from macsql.factory.gold import GoldQuery

Trigger = Literal["error", "no rows", "none"]


@dataclass(frozen=True)
class Corruption:
    """One way to break a query."""

    name: str
    trigger: Trigger
    weight: float  # how often it is tried before the others
    edits: Callable[[GoldQuery], list[Edit]]  # the places where it can be done; empty: it does not apply


# Rare faults weigh more because few queries offer a place for them.
CORRUPTIONS: tuple[Corruption, ...] = (
    Corruption("wrong_column", "error", 14, edits.wrong_column),
    Corruption("wrong_alias", "error", 24, edits.wrong_alias),
    Corruption("unknown_alias", "error", 10, edits.unknown_alias),
    Corruption("misspelt_column", "error", 8, edits.misspelt_column),
    Corruption("wrong_table", "error", 8, edits.wrong_table),
    Corruption("misspelt_table", "error", 6, edits.misspelt_table),
    Corruption("missing_join", "error", 20, edits.missing_join),
    Corruption("lost_group_by", "error", 60, edits.lost_group_by),
    Corruption("syntax_slip", "error", 8, edits.syntax_slip),
    Corruption("wrong_function", "error", 6, edits.wrong_function),
    Corruption("ambiguous_column", "error", 24, edits.ambiguous_column),
    Corruption("unquoted_value", "error", 10, edits.unquoted_value),
    Corruption("set_width", "error", 30, edits.set_width),
    Corruption("bare_aggregate", "error", 60, edits.bare_aggregate),
    Corruption("wrong_value", "no rows", 24, edits.wrong_value),
    Corruption("none_in_rows", "none", 40, edits.none_in_rows),
)


def candidates(gold: GoldQuery) -> Iterator[tuple[Corruption, str]]:
    """Broken versions of a query, at most two a type, types in a weighted random order."""
    dice = gold.dice
    order = sorted(CORRUPTIONS, key=lambda kind: dice.random() ** (1 / kind.weight), reverse=True)
    for kind in order:
        places = kind.edits(gold)
        dice.shuffle(places)
        for start, end, text in places[:2]:
            broken = gold.sql[:start] + text + gold.sql[end:]
            if broken != gold.sql:
                yield kind, broken
