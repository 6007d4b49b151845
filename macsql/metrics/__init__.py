"""How good the answers are: one file a family, pure functions first; `score` puts them together for all agents.

text          string exact match, ROUGE-L                          every agent
selector      tables and columns against the gold SQL's            Selector
decomposer    steps, `spider-em`, `spider-ex`                      Decomposer
refiner       mended, broken, unchanged, `spider-ex`               Refiner
taxonomy      what became of an answer, in one word                every agent
hf            the same as `evaluate.Metric` classes

Execution accuracy is `spider-ex` on the question's own database file. `execution_accuracy`, which every table and every
headline shows, is the strict reading: the official verdict, faults included. `execution_accuracy_fixed` puts plain
faults right, and the word of the taxonomy follows it. Files of SQL are scored by `macsql.score` (macsql.protocols),
which has BIRD's execution accuracy (`bird-ex`) as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from macsql.records import AGENTS, Agent, Prediction, Verdict

if TYPE_CHECKING:
    from macsql.database.sandbox import Sandbox
    from macsql.database.schema import Database
    from macsql.metrics.taxonomy import Judgement


@dataclass(frozen=True)
class Scored:
    """Metrics by name, "<agent>/<metric>", and a verdict for each prediction, in the order of the predictions."""

    metrics: dict[str, float]
    verdicts: list[Verdict]


def score(predictions: Sequence[Prediction], databases: "Mapping[str, Database]", sandbox: "Sandbox") -> Scored:
    """Judge the answers of all agents.

    A prediction whose database is not in `databases` is scored as text alone, and counted as "no database". Raises
    UserError where a database's file is missing.
    """
    from macsql.metrics import decomposer, refiner, selector  # here, so that other commands start without the parsers

    judges = {"selector": selector.judge, "decomposer": decomposer.judge, "refiner": refiner.judge}
    judged: list[Verdict | None] = [None] * len(predictions)
    for agent in AGENTS:
        places = [place for place, row in enumerate(predictions) if row.agent == agent]
        rows = [predictions[place] for place in places]
        for place, row, judgement in zip(places, rows, judges[agent](rows, databases, sandbox), strict=True):
            judged[place] = _verdict(row, judgement)
    verdicts = [verdict for verdict in judged if verdict is not None]
    return Scored(summary(verdicts), verdicts)


def summary(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """The metrics of all agents that have a verdict, as "<agent>/<metric>".

    Each score's mean over the verdicts to which it applies; one that applies to none is left out. Beside them `count`
    (verdicts), `gold_errors` (verdicts whose gold SQL does not run, or for the Selector cannot be read, so that they
    are in no mean that needs it), for the Decomposer `spider_em_gold_errors` (the same for `spider_em`, whose grammar
    reads less), and `outcome/<word>`, the share of each word of the taxonomy, zeros included.
    """
    metrics: dict[str, float] = {}
    for agent in AGENTS:
        mine = [verdict for verdict in verdicts if verdict.agent == agent]
        if mine:
            metrics |= {f"{agent}/{name}": value for name, value in _summary(agent, mine).items()}
    return metrics


def _summary(agent: Agent, verdicts: Sequence[Verdict]) -> dict[str, float]:
    from macsql.metrics.taxonomy import SELECTOR_OUTCOMES, SQL_OUTCOMES, AnswerOutcome

    metrics: dict[str, float] = {"count": len(verdicts)}
    for name in verdicts[0].scores:
        values = [value for verdict in verdicts if (value := verdict.scores[name]) is not None]
        if values:
            metrics[name] = sum(values) / len(values)
    metrics["gold_errors"] = sum(verdict.outcome == AnswerOutcome.GOLD_ERROR for verdict in verdicts)
    if agent == "decomposer":
        judged = [verdict for verdict in verdicts if verdict.outcome != AnswerOutcome.NO_DATABASE]
        metrics["spider_em_gold_errors"] = sum(verdict.scores["spider_em"] is None for verdict in judged)
    for outcome in SELECTOR_OUTCOMES if agent == "selector" else SQL_OUTCOMES:
        share = sum(verdict.outcome == outcome for verdict in verdicts) / len(verdicts)
        metrics[f"outcome/{outcome.key}"] = share
    return metrics


def _verdict(row: Prediction, judgement: "Judgement") -> Verdict:
    from macsql.metrics.text import exact_match, rouge_l

    scores = {
        "rouge_l": rouge_l(row.target, row.output),
        "exact_match": float(exact_match(row.target, row.output)),
        "truncated": float(row.truncated),
    }
    return Verdict(
        id=row.id,
        agent=row.agent,
        question_id=row.question_id,
        db_id=row.db_id,
        outcome=judgement.outcome.value,
        scores={**scores, **judgement.scores},
        sql=judgement.sql,
        message=judgement.message,
    )
