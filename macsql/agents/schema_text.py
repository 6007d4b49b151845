"""How a schema is shown to a model: in MAC-SQL's layout, or in one line that keeps to a token budget.

Every prompt of the brief style is put together here too (`brief_prompt`), because what the schema may take
is what the other parts leave over.
"""

from collections.abc import Iterable

from macsql.agents.squeeze import Squeezed, Values, one_line, one_line_sql, outline, with_links
from macsql.agents.tokens import estimate_tokens
from macsql.database.schema import Schema, Table

__all__ = ["DESCRIBED", "NO_VALUES", "Values", "asking_prompt", "brief_prompt", "foreign_key_lines", "table_blocks"]

NO_VALUES: Values = {}

DESCRIBED = (  # the same words before the examples of every agent that reads a whole schema
    "How the database is described: each table comes with its columns, one a line, in the form (column name, name in "
    "words or a description, value examples where they help)"
)
_ATTEMPTS = 6  # times a prompt is cut anew because its parts, joined, took more tokens than their sum


# --- MAC-SQL's layout ------------------------------------------------------------------------------------------------


def table_blocks(schema: Schema, values: Values, links: Values = NO_VALUES) -> str:
    """`# Table: name` and a bracketed list, one line per column: (column, full name. Value examples: [...].),

    Linked values come first among the examples.
    """
    return "\n".join(_table_block(table, values, links) for table in schema.tables)


def _table_block(table: Table, values: Values, links: Values) -> str:
    lines = []
    for column in table.columns:
        words = ", ".join(part for part in (column.full_name or column.name, column.description) if part)
        place = table.name, column.name
        shown = tuple(dict.fromkeys((*links.get(place, ()), *values.get(place, ()))))
        examples = f" Value examples: [{', '.join(map(repr, shown))}]." if shown else ""
        lines.append(f"({column.name}, {words}.{examples}),")
    return "\n".join([f"# Table: {table.name}", "[", *lines, "]"])


def foreign_key_lines(schema: Schema) -> str:
    """One line a foreign key: a.`x` = b.`y`"""
    return "\n".join(f"{k.table}.`{k.column}` = {k.ref_table}.`{k.ref_column}`" for k in schema.foreign_keys)


# --- the brief style - -----------------------------------------------------------------------------------------------


def brief_prompt(
    task: str,
    fields: Iterable[tuple[str, str]],
    schema: Schema,
    values: Values,
    links: Values,
    budget: int,
) -> str:
    """`task: question | label: text | schema: t: c, c('l'; v; v), c = t2.c | t2: c`, within `budget` estimated tokens.

    The first of `fields` is the question, without a label of its own; empty ones are left out. A foreign key stands
    behind its column, linked values in SQL's quotes before value examples. Only the schema gives way, as little as need
    be: value examples first (those that the fields mention last), then columns and whole tables by how little the
    fields mention of them, and those with linked values last. Keys stay as long as their table. Where nothing fits
    beside the fields, they stand alone, whole.
    """
    (_, question), *others = fields
    stated = [f"{task}: {one_line(question)}"]
    stated += [f"{label}: {(one_line_sql if label == 'sql' else one_line)(text)}" for label, text in others if text]
    head = " | ".join(stated)
    whole = with_links(outline(schema, values), links)
    prompt = f"{head} | schema: {whole.text}" if whole.tables else head
    excess = estimate_tokens(prompt) - budget
    if excess <= 0:
        return prompt
    squeezed = Squeezed(whole, " ".join([question, *(text for _, text in others)]))
    for _ in range(_ATTEMPTS):
        squeezed.give_way(excess)
        prompt = f"{head} | schema: {squeezed.text()}"
        excess = estimate_tokens(prompt) - budget
        if excess <= 0 or not squeezed.tables:
            break
    return prompt if excess <= 0 and squeezed.tables else head


def asking_prompt(
    style: str,
    task: str,
    layout: str,
    *,
    question: str,
    schema: Schema,
    evidence: str,
    values: Values,
    links: Values,
    budget: int,
) -> str:
    """The prompt of an agent that reads a question and its schema: MAC-SQL's words in `layout`, or the brief style."""
    if style == "brief":
        return brief_prompt(task, [("question", question), ("evidence", evidence)], schema, values, links, budget)
    return layout.format(
        described=DESCRIBED,
        db_id=schema.db_id,
        schema=table_blocks(schema, values, links),
        keys=foreign_key_lines(schema),
        question=question,
        evidence=evidence,
    )
