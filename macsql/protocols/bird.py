"""BIRD's scores: execution accuracy, valid efficiency (VES), reward-based VES and Soft-F1, strict.

All start from one run of prediction and gold. An error of either, or more than the time limit for the two together,
scores 0: a gold error too, as in the official scripts, but it is marked as one. The official scripts run whatever a
model wrote, on the connection on which gold runs next, so that a `DELETE` empties gold's result as well and scores 1;
execution accuracy and Soft-F1 give that verdict from a copy in memory and never touch the file. A statement that the
sandbox refuses cannot be timed, and has no efficiency. One thing is milder: text that is not UTF-8 is read without its
bad bytes, where the official scripts fail.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace

from macsql.database.sandbox import Outcome, Status
from macsql.protocols.bench import Bench, Pair, Score, Statement, gold_error
from macsql.protocols.rows import bird_equal, soft_f1

REWARDS = ((2.0, 1.25), (1.0, 1.0), (0.5, 0.75), (0.25, 0.5))  # at least this mean ratio of times -> this reward
LEAST_REWARD = 0.25

Both = tuple[Statement, Statement]  # gold, prediction
Value = Callable[[Outcome, Outcome, Both], bool | float]


def execution_accuracy(pairs: Sequence[Pair], bench: Bench) -> list[Score]:
    """`bird-ex`: whether prediction and gold give the same set of rows; columns in the same order."""
    return _score(pairs, bench, False, _equal, on_copy=True)


def execution_accuracy_fixed(pairs: Sequence[Pair], bench: Bench) -> list[Score]:
    """`bird-ex-fixed`: a statement that is not a query is wrong whatever it does to gold, and a gold query that fails
    gives no verdict instead of a 0."""
    scores = _score(pairs, bench, False, lambda gold, pred, both: bool(pred.columns) and _equal(gold, pred, both))
    return [replace(score, value=None) if score.of_gold else score for score in scores]


def efficiency(pairs: Sequence[Pair], bench: Bench) -> list[Score]:
    """`bird-ves`: 0 where execution accuracy fails, else the square root of the mean time ratio (1: gold's speed)."""
    return _score(pairs, bench, 0.0, lambda gold, pred, jobs: math.sqrt(_mean_ratio(gold, pred, jobs, bench)))


def rewarded_efficiency(pairs: Sequence[Pair], bench: Bench) -> list[Score]:
    """`bird-rves`: the square root of the reward for the mean time ratio."""
    return _score(pairs, bench, 0.0, lambda gold, pred, jobs: math.sqrt(reward(_mean_ratio(gold, pred, jobs, bench))))


def step_efficiency(pairs: Sequence[Pair], bench: Bench) -> list[Score]:
    """`bird-steps`: VES of one run, with the steps of SQLite's virtual machine in place of seconds, so that it is the
    same every time. The sandbox rounds steps down; both counts get one more, so that the shortest have a ratio."""

    def value(gold: Outcome, pred: Outcome, both: Both) -> float:
        return math.sqrt((gold.steps + 1) / (pred.steps + 1)) if _equal(gold, pred, both) else 0.0

    return _score(pairs, bench, 0.0, value)


def soft_f1_scores(pairs: Sequence[Pair], bench: Bench) -> list[Score]:
    """`bird-soft-f1`: how far the cells agree, see `soft_f1`."""
    return _score(pairs, bench, 0.0, lambda gold, pred, _: soft_f1(gold.rows, pred.rows), on_copy=True)


def mean_ratio(ratios: Sequence[float]) -> float:
    """The mean of the ratios strictly inside three standard deviations (of the population) of their mean.

    0 where none is left, and so, as in the official script, when all ratios are the same.
    """
    if not ratios:
        return 0.0
    mean, deviation = statistics.mean(ratios), statistics.pstdev(ratios)
    kept = [ratio for ratio in ratios if mean - 3 * deviation < ratio < mean + 3 * deviation]
    return sum(kept) / len(kept) if kept else 0.0


def reward(ratio: float) -> float:
    """R-VES's reward for a mean time ratio, 0 to 1.25; 0 only for a ratio of 0."""
    if ratio == 0:
        return 0.0
    return next((given for least, given in REWARDS if ratio >= least), LEAST_REWARD)


def _equal(gold: Outcome, pred: Outcome, _: Both) -> bool:
    return bird_equal(gold.rows, pred.rows)


def _mean_ratio(gold: Outcome, pred: Outcome, both: Both, bench: Bench) -> float:
    return mean_ratio(bench.time_ratios(*both)) if _equal(gold, pred, both) else 0.0


def _score(
    pairs: Sequence[Pair], bench: Bench, wrong: bool | float, value: Value, on_copy: bool = False
) -> list[Score]:
    """`value` of each pair whose queries both run in time, `wrong` for the others; `on_copy`: see the module."""
    jobs = []
    for pair in pairs:
        database = bench.database(pair.db_id)
        jobs.append(((database, pair.gold), (database, pair.pred)))
    outcomes = bench.run(job for both in jobs for job in both)
    scores = []
    for both in jobs:
        gold, pred = outcomes[both[0]], outcomes[both[1]]
        score = Score(wrong, pred.status, pred.message)
        if not gold.ok:
            score = gold_error(gold, wrong)
        elif pred.ok and gold.seconds + pred.seconds > bench.options.time_limit:
            score = Score(wrong, Status.TIMEOUT, "prediction and gold together took longer than the limit")
        elif pred.ok:
            score = replace(score, value=value(gold, pred, both))
        elif on_copy and pred.status is Status.DENIED:
            copied = _on_copy(both, bench)
            score = replace(score, value=value(*copied, both)) if copied else score
        scores.append(score)
    return scores


def _on_copy(both: Both, bench: Bench) -> tuple[Outcome, Outcome] | None:
    """Gold behind the prediction, and the prediction, on a copy of the database; None where one of them fails."""
    (database, gold), (_, pred) = both
    copied = bench.run_on_copy(database, pred, gold)
    if copied is None:
        return None
    given, wanted = copied
    return Outcome(Status.OK, rows=tuple(wanted)), Outcome(Status.OK, rows=tuple(given))
