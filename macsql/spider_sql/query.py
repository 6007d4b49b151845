"""The form in which Spider's evaluator holds a query: what its grammar reads, and what is compared."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

Connector: TypeAlias = Literal["and", "or"]


class ColumnUnit(NamedTuple):
    """A column, or an aggregate of one. `column` is "table.column" or "*"."""

    aggregate: str  # "none" or the name of an aggregate
    column: str
    distinct: bool


class ValueUnit(NamedTuple):
    """A column or two joined by one arithmetic operator."""

    operator: str  # "none" mostly means that there is no right side
    left: ColumnUnit
    right: ColumnUnit | None


class SelectItem(NamedTuple):
    """An item of the SELECT list; `aggregate` is the one written in front of it."""

    aggregate: str
    unit: ValueUnit


class Condition(NamedTuple):
    """One comparison. A value is a literal (with its double quotes), a number, a column, a query, or None."""

    negated: bool
    operator: str
    unit: ValueUnit
    value: "Value"
    second: "Value"  # of BETWEEN


class Ordering(NamedTuple):
    """An ORDER BY clause: the last direction written holds for all of it."""

    direction: str
    units: tuple[ValueUnit, ...]


Value: TypeAlias = "str | float | ColumnUnit | Query | None"
Conditions: TypeAlias = tuple[Condition | Connector, ...]  # meant to alternate; a missing connector shifts the rest


@dataclass(frozen=True, slots=True)
class Query:
    """A query as the grammar reads it; without arguments, the empty query that stands for an unreadable one."""

    distinct: bool = False
    select: tuple[SelectItem, ...] = ()
    tables: tuple["str | Query", ...] = ()
    on: Conditions = ()
    where: Conditions = ()
    group: tuple[ColumnUnit, ...] = ()
    having: Conditions = ()
    order: Ordering | None = None
    limit: bool = False
    set_operator: str = ""
    operand: "Query | None" = None


def comparisons(conditions: Conditions) -> list[Condition]:
    """The conditions of a list without its connectors: what stands at the even places."""
    return [one for one in conditions[::2] if isinstance(one, Condition)]
