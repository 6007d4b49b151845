"""Spider's execution match (`spider-ex`): do prediction and gold give the same rows on every file of the database?

Strict, as the official script has it, quirks included; `execution_match_fixed` puts the plain faults right.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from macsql.database.sandbox import Outcome, Status
from macsql.protocols.bench import Bench, Pair, Score, gold_error
from macsql.protocols.rows import columns_match, spider_equal
from macsql.protocols.spider.lexing import without_distinct
from macsql.protocols.spider.plug_value import variants

CURRENT_YEAR = re.compile(r"YEAR\s*\(\s*CURDATE\s*\(\s*\)\s*\)\s*", re.IGNORECASE)
MAX_VARIANTS = 20_000  # plug_value: (gold values) ** (slots) can be more than a life is long
BATCH = 64  # variants that run at once
EMPTY = "select"  # a prediction that fails
GAVE_UP = "too many variants"


@dataclass(frozen=True)
class Attempt:
    """A pair as it is run: on these files, one after another until one fails."""

    files: tuple[Path, ...]
    gold: str
    pred: str
    ordered: bool  # whether the order of the rows counts


def as_run(sql: str, keep_distinct: bool = False) -> str:
    """A query as the official script runs it; a prediction has had its letters `value` made `1` before.

    Operators are closed up (`> =`), `YEAR(CURDATE())` is 2020 and, unless `keep_distinct`, only the first statement
    stays and every DISTINCT goes.
    """
    return _current_year(_cleaned(sql, keep_distinct))


def execution_match(pairs: Sequence[Pair], bench: Bench) -> list[Score]:
    """The official verdict for each pair.

    A gold query that fails, where the official script stops, has none. A statement that changes data never touches
    the file: it runs on a copy in memory, and what it returns (no rows, as a rule) is compared like any result.
    """
    return _match([_prepare(pair, bench) for pair in pairs], bench, strict=True)


def execution_match_fixed(pairs: Sequence[Pair], bench: Bench) -> list[Score]:
    """The same with what is plainly a fault put right: the letters `value` stay in the prediction, equal rows are not
    rejected where an int meets a float, and a statement that is not a query is wrong whatever gold gives."""
    attempts = []
    for pair in pairs:
        attempt = _prepare(pair, bench)
        attempts.append(replace(attempt, pred=_cleaned(pair.pred, bench.options.keep_distinct)))
    return _match(attempts, bench, strict=False)


def _prepare(pair: Pair, bench: Bench) -> Attempt:
    keep = bench.options.keep_distinct
    written = pair.pred if pair.pred.strip() else EMPTY  # the official script stops at a text without a word
    gold, pred = _cleaned(pair.gold, keep), _cleaned(written.replace("value", "1"), keep)
    return Attempt(bench.files(pair.db_id), gold, pred, ordered="order by" in gold.lower())


def _match(attempts: Sequence[Attempt], bench: Bench, strict: bool) -> list[Score]:
    scores = _run(attempts, bench, strict)
    if bench.options.plug_value:
        for place, (attempt, score) in enumerate(zip(attempts, scores, strict=True)):
            if score.value is False:
                scores[place] = _plug(attempt, score, bench, strict)
    return scores


def _run(attempts: Sequence[Attempt], bench: Bench, strict: bool) -> list[Score]:
    """The scores of all attempts: file after file, so that a attempt which failed on one does not see the next."""
    scores = [Score(True, Status.OK)] * len(attempts)
    for turn in range(max((len(attempt.files) for attempt in attempts), default=0)):
        jobs = {}
        for place, attempt in enumerate(attempts):
            if scores[place].value and turn < len(attempt.files):
                file = attempt.files[turn]
                jobs[place] = (file, _current_year(attempt.gold)), (file, _current_year(attempt.pred))
        outcomes = bench.run(job for both in jobs.values() for job in both)
        for place, (gold, pred) in jobs.items():
            scores[place] = _judge(outcomes[gold], outcomes[pred], attempts[place].ordered, strict)
            if strict and scores[place].outcome == Status.DENIED:
                copied = bench.run_on_copy(*pred)
                right = copied is not None and spider_equal(outcomes[gold].rows, copied[0], attempts[place].ordered)
                scores[place] = replace(scores[place], value=right)
    return scores


def _judge(gold: Outcome, pred: Outcome, ordered: bool, strict: bool) -> Score:
    if not gold.ok:
        return gold_error(gold)
    if strict:
        right = pred.ok and spider_equal(gold.rows, pred.rows, ordered)
    else:
        right = bool(pred.columns) and columns_match(gold.rows, pred.rows, ordered)
    return Score(right, pred.status, pred.message)


def _plug(attempt: Attempt, plain: Score, bench: Bench, strict: bool) -> Score:
    """Right if one way of filling gold's values into the prediction is; otherwise what the prediction itself scored."""
    candidates = variants(attempt.gold, attempt.pred)
    tried = 0
    while batch := list(islice(candidates, BATCH)):
        tried += len(batch)
        if tried > MAX_VARIANTS:
            return Score(False, GAVE_UP, f"more than {MAX_VARIANTS} ways to fill in gold's values")
        if any(score.value for score in _run([replace(attempt, pred=text) for text in batch], bench, strict)):
            return Score(True, Status.OK)
    return plain


def _cleaned(sql: str, keep_distinct: bool) -> str:
    closed = sql.replace("> =", ">=").replace("< =", "<=").replace("! =", "!=")
    return closed if keep_distinct else without_distinct(closed)


def _current_year(sql: str) -> str:
    return CURRENT_YEAR.sub("2020", sql)
