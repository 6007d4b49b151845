"""What is asked, as whoever sits there reads it: in the prompt style of its card, within its window."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from macsql.agents import decomposer, refiner, selector
from macsql.agents.schema_text import Values
from macsql.agents.squeeze import Squeezed, one_line, outline
from macsql.database.linking import linked_values
from macsql.database.schema import Schema
from macsql.models.card import Card
from macsql.pipeline.turns import Ask

ATTEMPTS = 8  # cuts of a schema, each by what the prompt is still too long


def prompt_of(ask: Ask, card: Card, values: Values, count: Callable[[str], int]) -> str:
    """The prompt. `count` says how many tokens a text has for whoever reads it.

    The brief style keeps to its budget itself. MAC-SQL's style shows the whole schema; where that does not fit into the
    window, what the question mentions least is left out, as in the brief style. Where not even the words around the
    schema fit, the prompt stays whole, and is cut as it was in training.
    """
    whole = _written(ask, card, ask.schema, values)
    if card.prompt_style == "brief" or (excess := count(whole) - card.max_source_length) <= 0:
        return whole
    bare = _written(ask, card, replace(ask.schema, tables=(), foreign_keys=()), values)
    if count(bare) >= card.max_source_length:
        return whole
    told = " ".join([ask.question.text, ask.question.evidence, ask.sql, ask.fault.error if ask.fault else ""])
    squeezed = Squeezed(outline(ask.schema, values), told)
    shorter = whole
    for _ in range(ATTEMPTS):
        squeezed.give_way(excess)
        shorter = _written(ask, card, *_left(squeezed, ask.schema, values))
        excess = count(shorter) - card.max_source_length
        if excess <= 0:
            return shorter
        if not squeezed.tables:
            break
    return shorter


def _left(squeezed: Squeezed, schema: Schema, values: Values) -> tuple[Schema, Values]:
    """What is left of a schema and its value examples."""
    tables, shown = [], {}
    for kept in squeezed.tables:
        columns = {column.name: set(column.values) for column in kept.columns}
        table = schema.by_name[kept.name.lower()]
        tables.append(replace(table, columns=tuple(c for c in table.columns if c.name in columns)))
        for name, texts in columns.items():
            found = values.get((kept.name, name), ())
            shown[kept.name, name] = tuple(value for value in found if value is None or one_line(str(value)) in texts)
    there = {(table.name.lower(), column.name.lower()) for table in tables for column in table.columns}
    keys = tuple(
        key
        for key in schema.foreign_keys
        if {(key.table.lower(), key.column.lower()), (key.ref_table.lower(), key.ref_column.lower())} <= there
    )
    return replace(schema, tables=tuple(tables), foreign_keys=keys), shown


def _written(ask: Ask, card: Card, schema: Schema, values: Values) -> str:
    style = card.prompt_style or "mac_sql"
    shown: Mapping[str, Any] = {
        "question": ask.question.text,
        "evidence": ask.question.evidence,
        "schema": schema,
        "values": values,
        "links": linked_values(ask.database, ask.question.text, ask.question.evidence, card.value_links),
        "budget": card.prompt_budget,
    }
    if ask.agent == "selector":
        return selector.prompt(style, **shown)
    if ask.agent == "decomposer":
        return decomposer.prompt(style, **shown)
    fault = ask.fault or refiner.Fault("")
    return refiner.prompt(style, **shown, sql=ask.sql, error=fault.error, exception=fault.exception)
