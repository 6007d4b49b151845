"""Spider's comparison of two parsed queries: ten components, each a multiset or a whole, and the tables in FROM."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from macsql.spider_sql.query import ColumnUnit, Condition, Conditions, Query, ValueUnit, comparisons
from macsql.spider_sql.schema import SpiderSchema

COMPONENTS = (
    "select",
    "select(no AGG)",
    "where",
    "where(no OP)",
    "group(no Having)",
    "group",
    "order",
    "and/or",
    "IUEN",
    "keywords",
)


class ComponentScore(NamedTuple):
    """How often a component occurs in gold and in the prediction, and whether all occurrences match (1) or not (0)."""

    gold_total: int
    pred_total: int
    score: int


class OfficialCrashError(Exception):
    """The official script would end here with an uncaught exception."""


def rebuild(schema: SpiderSchema, query: Query) -> Query:
    """The form that is compared: literals gone, columns that foreign keys link made one, DISTINCT erased.

    Raises OfficialCrashError where a connector stands in a condition's place.
    """
    plain = {table for table in query.tables if isinstance(table, str)}
    linked = {column: to for column, to in schema.linked.items() if column.partition(".")[0] in plain}
    return _link(_drop_values(query), linked)


def _drop_values(query: Query) -> Query:
    """Without literals and column values in ON, WHERE and HAVING; queries in FROM keep theirs."""
    return replace(
        query,
        on=_conditions_without_values(query.on),
        where=_conditions_without_values(query.where),
        having=_conditions_without_values(query.having),
        operand=query.operand and _drop_values(query.operand),
    )


def _conditions_without_values(conditions: Conditions) -> Conditions:
    rebuilt: list[Any] = list(conditions)
    for at in range(0, len(rebuilt), 2):  # what a missing connector has shifted to an odd place keeps its values
        condition = rebuilt[at]
        if not isinstance(condition, Condition):
            raise OfficialCrashError("conditions without AND or OR between them, and a connector after them")
        value, second = (_drop_values(v) if isinstance(v, Query) else None for v in condition[3:])
        rebuilt[at] = condition._replace(value=value, second=second)
    return tuple(rebuilt)


def _link(query: Query, linked: dict[str, str]) -> Query:
    """With linked columns replaced and DISTINCT in them erased; queries in values and in FROM are left as they are.

    Operands of set operations are compared through the links of the first query's tables.
    """

    def column(unit: ColumnUnit) -> ColumnUnit:
        return ColumnUnit(unit.aggregate, linked.get(unit.column, unit.column), False)

    def value_unit(unit: ValueUnit) -> ValueUnit:
        return ValueUnit(unit.operator, column(unit.left), unit.right and column(unit.right))

    def conditions(found: Conditions) -> Conditions:
        return tuple(
            one._replace(unit=value_unit(one.unit)) if isinstance(one, Condition) and at % 2 == 0 else one
            for at, one in enumerate(found)
        )

    return replace(
        query,
        select=tuple(item._replace(unit=value_unit(item.unit)) for item in query.select),
        on=conditions(query.on),
        where=conditions(query.where),
        group=tuple(map(column, query.group)),
        having=conditions(query.having),
        order=query.order and query.order._replace(units=tuple(map(value_unit, query.order.units))),
        operand=query.operand and _link(query.operand, linked),
    )


def compare(pred: Query, gold: Query) -> dict[str, ComponentScore]:
    """The ten components of two rebuilt queries, in the order of COMPONENTS.

    Raises OfficialCrashError where the script could not compare them.
    """
    pred_where, gold_where = comparisons(pred.where), comparisons(gold.where)
    pred_keywords, gold_keywords = _keywords(pred), _keywords(gold)
    scores = (
        _bags(pred.select, gold.select),
        _bags([item.unit for item in pred.select], [item.unit for item in gold.select]),
        _bags(pred_where, gold_where),
        _bags([one.unit for one in pred_where], [one.unit for one in gold_where]),
        _bags([_bare(unit) for unit in pred.group], [_bare(unit) for unit in gold.group]),
        _whole(bool(pred.group), bool(gold.group), _grouping(pred) == _grouping(gold)),
        _whole(pred.order is not None, gold.order is not None, (pred.order, pred.limit) == (gold.order, gold.limit)),
        _and_or(pred, gold),
        _whole(
            bool(pred.set_operator),
            bool(gold.set_operator),
            pred.set_operator == gold.set_operator and _same(pred.operand, gold.operand),
        ),
        _score(len(gold_keywords), len(pred_keywords), len(gold_keywords & pred_keywords)),
    )
    return dict(zip(COMPONENTS, scores, strict=True))


def _same(pred: Query | None, gold: Query | None) -> bool:
    """Exact match of two operands of a set operation."""
    if pred is None or gold is None:
        return False
    matched = all(score.score for score in compare(pred, gold).values())
    return matched and same_tables(pred, gold, crash=True)


def same_tables(pred: Query, gold: Query, crash: bool) -> bool:
    """Whether both FROM clauses hold the same tables, each as often.

    With `crash`, raises OfficialCrashError where the script does: it sorts the tables, and cannot sort queries.
    """
    for query in (gold, pred):
        subqueries = [table for table in query.tables if isinstance(table, Query)]
        if crash and gold.tables and any(one != subqueries[0] for one in subqueries):
            raise OfficialCrashError("two different subqueries in one FROM: they cannot be put in order")
    if not gold.tables:
        return True
    total = len(gold.tables)
    return len(pred.tables) == total and _paired(pred.tables, gold.tables) == total


def _score(gold_total: int, pred_total: int, count: int) -> ComponentScore:
    return ComponentScore(gold_total, pred_total, int(gold_total == pred_total == count))


def _whole(pred: bool, gold: bool, equal: bool) -> ComponentScore:
    return _score(int(gold), int(pred), int(pred and gold and equal))


def _bags(pred: Sequence[Any], gold: Sequence[Any]) -> ComponentScore:
    return _score(len(gold), len(pred), _paired(pred, gold))


def _paired(pred: Sequence[Any], gold: Sequence[Any]) -> int:
    """How many of `pred` find an equal partner of their own in `gold`."""
    left = list(gold)
    for one in pred:
        if one in left:
            left.remove(one)
    return len(gold) - len(left)


def _bare(unit: ColumnUnit) -> str:
    return unit.column.split(".")[1] if "." in unit.column else unit.column


def _grouping(query: Query) -> tuple[list[str], Conditions]:
    return [unit.column for unit in query.group], query.having


def _and_or(pred: Query, gold: Query) -> ComponentScore:
    pred_words, gold_words = _connectors(pred), _connectors(gold)
    if pred_words == gold_words:
        return ComponentScore(1, 1, 1)
    return ComponentScore(len(pred_words), len(gold_words), 0)  # swapped, as the official table has them


def _connectors(query: Query) -> set[Any]:
    words = query.where[1::2]
    for word in words:
        if isinstance(word, Condition) and any(isinstance(value, Query) for value in word[3:]):
            raise OfficialCrashError("no AND or OR before a condition with a subquery")
    return set(words)


def _keywords(query: Query) -> set[str]:
    words = {name for name in ("where", "group", "having", "limit") if getattr(query, name)}
    if query.order is not None:
        words |= {"order", query.order.direction}
    words |= {query.set_operator} - {""}
    lists = (query.on, query.where, query.having)
    words |= {"or" for one in lists if "or" in one[1::2]}
    for condition in (condition for one in lists for condition in comparisons(one)):
        words |= {"not"} if condition.negated else set()
        words |= {condition.operator} & {"in", "like"}
    return words
