"""How good the Refiner's corrections are: what it mended, what it broke, what it left as it was."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from macsql.agents import refiner
from macsql.agents.refiner import Fix
from macsql.database.sandbox import Outcome, Sandbox
from macsql.database.schema import Database
from macsql.metrics.sql_answers import NOT_COMPARED, AgainstGold, compare, run_rows, statements
from macsql.metrics.taxonomy import Judgement
from macsql.records import Prediction


@dataclass(frozen=True)
class RefinerScores:
    """The values of one answer, 0 to 1; None: does not apply.

    Right and wrong, before and after, are those of `execution_accuracy_fixed`.
    """

    readable: float  # every fence is closed and there is at least one
    runs: float | None  # the new SQL runs, right or not; 0 without SQL; None without a database
    wrong_before: float | None  # the old SQL is wrong; None where gold does not run or there is no old SQL
    fix_rate: float | None  # of what was wrong before: right now; None where it was right
    break_rate: float | None  # of what was right before: wrong now; None where it was wrong
    unchanged: float | None  # the new SQL is the old one, white space and a last `;` apart; None without old SQL
    execution_accuracy: float | None  # `spider-ex`; None where gold does not run
    execution_accuracy_fixed: float | None  # the same in its fixed reading


def refiner_scores(
    answer: Fix, broken_sql: str, before: AgainstGold | None, after: AgainstGold, outcome: Outcome | None
) -> RefinerScores:
    """The values of one answer. `before`: the old SQL against gold, None without old SQL or database; `outcome`: of
    the new SQL as it stands."""
    was_right = before.fixed if before else None
    return RefinerScores(
        readable=float(answer.readable),
        runs=None if after is NOT_COMPARED else float(outcome is not None and outcome.ok),
        wrong_before=None if was_right is None else float(not was_right),
        fix_rate=float(bool(after.fixed)) if was_right is False else None,
        break_rate=float(not after.fixed) if was_right is True else None,
        unchanged=float(answer.sql is not None and same_text(answer.sql, broken_sql)) if broken_sql else None,
        **after.scores,
    )


def same_text(one: str, other: str) -> bool:
    """Whether two SQL texts are the same but for white space and a `;` at the end."""
    return one.rstrip("; \t\r\n").split() == other.rstrip("; \t\r\n").split()


def judge(
    predictions: Sequence[Prediction], databases: Mapping[str, Database], sandbox: Sandbox
) -> Iterator[Judgement]:
    """What becomes of each prediction, in their order."""
    answers = [refiner.parse(prediction.output) for prediction in predictions]
    new = [statements(row.gold_sql, answer.sql) for row, answer in zip(predictions, answers, strict=True)]
    old = [statements(row.gold_sql, row.broken_sql or None) for row in predictions]
    rows = list(zip(predictions, answers, new, old, strict=True))
    runs = run_rows(
        [
            (databases[row.db_id].path, [*after, *before, *([answer.sql] if answer.sql is not None else [])])
            for row, answer, after, before in rows
            if row.db_id in databases
        ],
        sandbox,
    )
    for row, answer, new_jobs, old_jobs in rows:
        before, after, outcome = None, NOT_COMPARED, None
        if row.db_id in databases:
            outcomes = next(runs)
            after = compare(new_jobs, outcomes, row.output, row.truncated)
            before = compare(old_jobs, outcomes, row.broken_sql) if row.broken_sql else None
            outcome = outcomes[answer.sql] if answer.sql is not None else None
        scores = refiner_scores(answer, row.broken_sql, before, after, outcome)
        yield Judgement(after.outcome, asdict(scores), answer.sql or "", after.message)
