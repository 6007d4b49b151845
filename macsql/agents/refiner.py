"""The Refiner: SQL that failed, with what SQLite said about it, turned into SQL that answers the question."""

from dataclasses import dataclass

from macsql.agents import schema_text
from macsql.agents.fences import bare_sql, blocks, fenced
from macsql.agents.schema_text import Values
from macsql.database.outcome import Outcome
from macsql.database.schema import Schema

NO_ROWS = "The query ran but returned no rows."
NONE_IN_ROWS = "The query ran but one of its first five rows holds None: rule it out with IS NOT NULL or another join."


@dataclass(frozen=True)
class Fix:
    """An answer, read; see decomposer.Decomposition for what `readable` asks and for `sql` without fences."""

    readable: bool
    sql: str | None


@dataclass(frozen=True)
class Fault:
    """Why a query goes to the Refiner: SQLite's message and exception class, or one of MAC-SQL's other two triggers."""

    error: str
    exception: str = ""  # empty where the query ran


def fault(outcome: Outcome) -> Fault | None:
    """What is wrong with what a query gave, by MAC-SQL's rules for BIRD; None: nothing, it is not asked again."""
    if not outcome.ok:
        return Fault(outcome.message, outcome.exception)
    if not outcome.rows:
        return Fault(NO_ROWS)
    if any(value is None for row in outcome.rows[:5] for value in row):
        return Fault(NONE_IN_ROWS)
    return None


def prompt(
    style: str,
    *,
    question: str,
    schema: Schema,
    sql: str,
    error: str,
    exception: str = "",
    evidence: str = "",
    values: Values = schema_text.NO_VALUES,
    links: Values = schema_text.NO_VALUES,
    budget: int = 512,
) -> str:
    """What the Refiner reads. `budget` (estimated tokens) binds the brief style only.

    `values`: examples by column. `links`: those that the question names (database.linking).
    """
    if style == "brief":
        fields = [("question", question), ("evidence", evidence), ("sql", sql), ("error", error)]
        return schema_text.brief_prompt("refine", fields, schema, values, links, budget)
    return _MAC_SQL.format(
        question=question,
        evidence=evidence,
        schema=schema_text.table_blocks(schema, values, links),
        keys=schema_text.foreign_key_lines(schema),
        sql=sql,
        error=error,
        exception=exception,
    )


def parse(answer: str) -> Fix:
    """Read an answer; never raises."""
    found = blocks(answer, "sql")
    if answer.count("```") % 2:
        return Fix(False, None)
    return Fix(True, found[-1][1]) if found else Fix(False, bare_sql(answer))


def write(sql: str) -> str:
    """SQL as the answer that `parse` reads."""
    return fenced(sql, "sql")


_MAC_SQL = """\
【Instruction】
An SQL query was written for a question, and running it on SQLite went wrong: it raised an error, or it gave no rows \
or missing values where an answer was expected. Find out from the message what is wrong, and write the query anew so \
that it runs and answers the question. The question, a hint about its words, the database, the old SQL and the message \
follow.

【Constraints】
- `SELECT` only the columns that the question asks for, in the order in which it asks for them.
- In `FROM` and `JOIN` name only tables that the query needs, and join them over the foreign keys given.
- A column belongs to the table under which the schema lists it: look up every name before you use it, and give every \
alias that a column carries a table in `FROM` or `JOIN`.
- Where max(), min() or an order meets missing values (None among the value examples), rule them out with `IS NOT NULL`.
- `GROUP BY` what must be told apart before ordering by a figure of each group.
- No rows often means a value that is spelled otherwise in the database: compare with the value examples.
- Answer with the whole corrected query in one ```sql block.

【Query】
-- {question}
【Evidence】
{evidence}
【Database info】
{schema}
【Foreign keys】
{keys}
【old SQL】
```sql
{sql}
```
【SQLite error】
{error}
【Exception class】
{exception}

Correct the old SQL and give the new query:
【correct SQL】
"""
