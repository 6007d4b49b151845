"""How good the Selector's choice of tables and columns is, held against what the gold SQL needs."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from typing import Any

from macsql.agents import selector
from macsql.agents.selector import Selection
from macsql.database.sandbox import Sandbox
from macsql.database.schema import Database, Schema
from macsql.database.sql_tree import SqlUnreadableError, resolve
from macsql.metrics.taxonomy import AnswerOutcome, Judgement, selector_outcome
from macsql.records import Prediction


@dataclass(frozen=True)
class SelectorScores:
    """The values of one answer, 0 to 1; None: does not apply.

    Precision, recall and F1 hold what the answer itself keeps (before MAC-SQL's padding; a table that it does not
    mention is kept) against what the gold SQL names. A name that the schema does not have counts as kept in vain. They
    do not apply where the gold SQL cannot be read, or names no column at all (COUNT(*)). An unreadable answer has
    chosen nothing and scores 0 everywhere, although the other agents then go on with the whole schema.
    """

    readable: float  # one JSON object of decisions
    table_precision: float | None = None
    table_recall: float | None = None
    table_f1: float | None = None
    column_precision: float | None = None
    column_recall: float | None = None
    column_f1: float | None = None
    compression: float | None = None  # columns that the other agents see, padding included, of all; unreadable: None
    answerable: float | None = None  # the gold SQL finds all its tables and columns among those


@dataclass(frozen=True)
class Needed:
    """Tables and columns of a schema, named as the schema names them."""

    tables: frozenset[str]
    columns: frozenset[tuple[str, str]]  # (table, column)


def needed(gold_sql: str, schema: Schema) -> Needed:
    """What a gold query needs. Raises sql_tree.SqlUnreadableError where it cannot be read or resolved."""
    gold = resolve(gold_sql, schema)
    return Needed(frozenset(gold.tables), frozenset(gold.columns))


def selector_scores(selection: Selection, schema: Schema, gold: Needed) -> SelectorScores:
    """The values of one answer."""
    if not selection.readable:
        tables, columns = _against(gold.tables, set()), _against(gold.columns, set())
        return SelectorScores(0.0, *tables, *columns, answerable=0.0)
    unknown_tables, unknown_columns = unknown_names(selection, schema)
    named = {table.name for table in schema.tables} | unknown_tables
    tables = _against(gold.tables, {table for table in named if selection.decision(table) != "drop_all"})
    columns = _against(gold.columns, selector.chosen(selection, schema) | unknown_columns)
    kept = selector.apply(selection, schema)
    answerable = gold.tables <= {table.name for table in kept.tables} and gold.columns <= _columns(kept)
    return SelectorScores(1.0, *tables, *columns, compression=_compression(kept, schema), answerable=float(answerable))


def scores_without_gold(selection: Selection, schema: Schema) -> SelectorScores:
    """What can be said of an answer whose gold SQL cannot be read."""
    if not selection.readable:
        return SelectorScores(0.0)
    return SelectorScores(1.0, compression=_compression(selector.apply(selection, schema), schema))


def unknown_names(selection: Selection, schema: Schema) -> tuple[set[str], set[tuple[str, str]]]:
    """Tables, and (table, column) pairs, that an answer names though the schema lacks them; in lower case."""
    known = {table.name.lower(): {column.name.lower() for column in table.columns} for table in schema.tables}
    columns = {
        (table.lower(), column.lower())
        for table, decision in selection.tables.items()
        if isinstance(decision, tuple)
        for column in decision
        if column.lower() not in known.get(table.lower(), ())
    }
    return {table.lower() for table in selection.tables} - known.keys(), columns


def missing_names(selection: Selection, schema: Schema, gold: Needed) -> tuple[set[str], set[tuple[str, str]]]:
    """Of what gold needs: tables that an answer drops, and (table, column) pairs that the other agents do not see.

    Padding brings some columns of a dropped table back, so one may be missing here and the gold SQL still answerable.
    """
    tables = {table for table in gold.tables if selection.decision(table) == "drop_all"}
    return tables, set(gold.columns - _columns(selector.apply(selection, schema)))


def judge(
    predictions: Sequence[Prediction],
    databases: Mapping[str, Database],
    sandbox: Sandbox,  # noqa: ARG001 -- one shape for all agents; nothing is run here
) -> Iterator[Judgement]:
    """What becomes of each prediction, in their order."""
    for prediction in predictions:
        database = databases.get(prediction.db_id)
        yield _judge(prediction, database.schema if database else None)


def _judge(prediction: Prediction, schema: Schema | None) -> Judgement:
    selection = selector.parse(prediction.output)
    if schema is None:
        return Judgement(AnswerOutcome.NO_DATABASE, asdict(SelectorScores(float(selection.readable))))
    try:
        gold = needed(prediction.gold_sql, schema)
    except SqlUnreadableError as error:
        return Judgement(AnswerOutcome.GOLD_ERROR, asdict(scores_without_gold(selection, schema)), message=str(error))
    scores = selector_scores(selection, schema, gold)
    unknown, missing = unknown_names(selection, schema), missing_names(selection, schema, gold)
    outcome = selector_outcome(
        prediction.truncated,
        readable=selection.readable,
        unknown_tables=bool(unknown[0]),
        unknown_columns=bool(unknown[1]),
        missing=any(missing),
    )
    faults = {"not in the schema": unknown, "needed and dropped": missing}
    message = "; ".join(f"{fault}: {_listed(*names)}" for fault, names in faults.items() if any(names))
    return Judgement(outcome, asdict(scores), message=message)


def _against(gold: Set[Any], chosen: Set[Any]) -> tuple[float | None, float | None, float | None]:
    """Precision, recall and F1 of a set; all None where gold is empty."""
    if not gold:
        return None, None, None
    hits = len(gold & chosen)
    precision, recall = (hits / len(chosen) if chosen else 0.0), hits / len(gold)
    return precision, recall, 2 * hits / (len(gold) + len(chosen))


def _listed(tables: Set[str], columns: Set[tuple[str, str]]) -> str:
    return ", ".join([*sorted(tables), *(f"{table}.{column}" for table, column in sorted(columns))])


def _columns(schema: Schema) -> frozenset[tuple[str, str]]:
    return frozenset((table.name, column.name) for table in schema.tables for column in table.columns)


def _compression(kept: Schema, schema: Schema) -> float | None:
    every = len(_columns(schema))
    return len(_columns(kept)) / every if every else None
