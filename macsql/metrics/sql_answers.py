"""SQL that an agent answered, run beside its gold: what the Decomposer's and the Refiner's metrics share.

Both readings of `spider-ex` are taken, on the question's own database file: the strict one, which damages every name
with the letters `value` in it, and the fixed one, which the outcomes follow. Unlike the official script, a statement
that the sandbox refuses is wrong even where gold gives no rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from macsql.database.sandbox import Outcome, Sandbox
from macsql.metrics.taxonomy import AnswerOutcome, sql_outcome
from macsql.protocols.rows import columns_match, spider_equal
from macsql.protocols.spider.ex import as_run


@dataclass(frozen=True)
class Statements:
    """What has to be run to compare one SQL with its gold."""

    gold: str
    strict: str | None  # as the strict reading runs it; None: there is no SQL
    fixed: str | None
    ordered: bool  # whether gold's rows are a list, not a bag

    def __iter__(self) -> Iterator[str]:
        return (sql for sql in (self.gold, self.strict, self.fixed) if sql is not None)


@dataclass(frozen=True)
class AgainstGold:
    """How one SQL stands against its gold. Both verdicts are None where gold does not run, False without SQL."""

    outcome: AnswerOutcome
    strict: bool | None
    fixed: bool | None
    message: str = ""  # SQLite's, on the SQL or, where that is the fault, on gold

    @property
    def scores(self) -> dict[str, float | None]:
        """The verdicts as metrics."""
        return {"execution_accuracy": _number(self.strict), "execution_accuracy_fixed": _number(self.fixed)}


NOT_COMPARED = AgainstGold(AnswerOutcome.NO_DATABASE, None, None)


def statements(gold: str, sql: str | None) -> Statements:
    """Both texts as `spider-ex` runs them."""
    run = as_run(gold)
    ordered = "order by" in run.lower()
    if sql is None:
        return Statements(run, None, None, ordered)
    return Statements(run, as_run(sql.replace("value", "1")), as_run(sql), ordered)


def compare(jobs: Statements, outcomes: Mapping[str, Outcome], answer: str, truncated: bool = False) -> AgainstGold:
    """Judge one SQL by the outcomes of its statements; `answer` is the text that it was found in."""
    gold = outcomes[jobs.gold]
    if not gold.ok:
        return AgainstGold(AnswerOutcome.GOLD_ERROR, None, None, f"{gold.status}: {gold.message}")
    strict = outcomes[jobs.strict] if jobs.strict is not None else None
    fixed = outcomes[jobs.fixed] if jobs.fixed is not None else None
    right = fixed is not None and fixed.ok and columns_match(gold.rows, fixed.rows, jobs.ordered)
    return AgainstGold(
        sql_outcome(answer, truncated, fixed, gold, right=right, ordered=jobs.ordered),
        strict=strict is not None and strict.ok and spider_equal(gold.rows, strict.rows, jobs.ordered),
        fixed=right,
        message=fixed.message if fixed is not None else "",
    )


def run_rows(rows: Sequence[tuple[Path, Sequence[str]]], sandbox: Sandbox) -> Iterator[dict[str, Outcome]]:
    """For each row, a database file and its statements, the outcome of every statement; one row's results at a time."""
    distinct = [(path, list(dict.fromkeys(texts))) for path, texts in rows]
    stream = sandbox.run_many(((path, sql) for path, texts in distinct for sql in texts), cache=True)
    for _, texts in distinct:
        yield dict(zip(texts, islice(stream, len(texts)), strict=True))


def _number(verdict: bool | None) -> float | None:
    return None if verdict is None else float(verdict)
