"""Spider's four levels of difficulty, counted from what a gold query is made of."""

from typing import Literal, get_args

from macsql.spider_sql.query import ColumnUnit, Condition, Query, comparisons

Hardness = Literal["easy", "medium", "hard", "extra"]
LEVELS: tuple[Hardness, ...] = get_args(Hardness)


def rate(query: Query) -> Hardness:
    """The level of a parsed query. Only its top level counts; queries inside are counted, not entered."""
    clauses, nested, others = _clauses(query), _nested(query), _others(query)
    if nested > 1 or (nested == 1 and (clauses > 1 or others > 0)):
        return "extra"
    if nested == 1:
        return "hard"
    if clauses <= 1:
        return "easy" if others == 0 else "medium" if others <= 2 else "hard"
    if clauses == 2:
        return "medium" if others <= 1 else "extra" if others == 2 else "hard"  # the odd one is the evaluator's own
    return "hard" if clauses == 3 and others <= 2 else "extra"


def _clauses(query: Query) -> int:
    present = (query.where, query.group, query.order is not None, query.limit)
    joins = max(len(query.tables) - 1, 0)
    lists = (query.on, query.where, query.having)
    alternatives = sum(conditions[1::2].count("or") for conditions in lists)
    patterns = sum(condition.operator == "like" for conditions in lists for condition in comparisons(conditions))
    return sum(map(bool, present)) + joins + alternatives + patterns


def _nested(query: Query) -> int:
    conditions = [one for found in (query.on, query.where, query.having) for one in comparisons(found)]
    values = sum(isinstance(value, Query) for one in conditions for value in (one.value, one.second))
    return values + bool(query.set_operator)


def _others(query: Query) -> int:
    ordered = [unit for value in (query.order.units if query.order else ()) for unit in (value.left, value.right)]
    aggregates = (
        sum(item.aggregate != "none" for item in query.select)
        + sum(condition.negated for condition in comparisons(query.where))  # NOT is taken for an aggregate
        + sum(_is_aggregate(unit) for unit in (*query.group, *ordered))
        + sum(one.negated if isinstance(one, Condition) else 1 for one in query.having)  # AND and OR as well
    )
    return sum(count > 1 for count in (aggregates, len(query.select), len(query.where), len(query.group)))


def _is_aggregate(unit: ColumnUnit | None) -> bool:
    return unit is not None and unit.aggregate != "none"
