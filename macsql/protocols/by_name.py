"""The protocols, one line each: the exact rule behind a score, by its name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from macsql.protocols import bird
from macsql.protocols.bench import GOLD_ERROR, Bench, Pair, Score
from macsql.protocols.spider import ex as spider_ex
from macsql.protocols.spider.em import GoldUnreadable, Reading, SpiderSchema, exact_match

PORTION = 250  # questions
READ, REWRITTEN = "read", "rewritten"  # outcomes of predictions that are parsed, not run
NOT_IN_GRAMMAR = "not in the grammar"


def spider_em(pairs: Sequence[Pair], bench: Bench, reading: Reading = "strict") -> list[Score]:
    """`spider-em`: whether both queries ask for the same, values left aside. Nothing is run."""
    return [_compared(pair, pair.pred, bench.schema(pair.db_id), reading) for pair in pairs]


def spider_em_fixed(pairs: Sequence[Pair], bench: Bench) -> list[Score]:
    """`spider-em-fixed`: the letters `value` in names and literals stay."""
    return spider_em(pairs, bench, "fixed")


def spider_em_grammar(pairs: Sequence[Pair], bench: Bench) -> list[Score]:
    """`spider-em-grammar`: `spider-em` of predictions that are brought into Spider's grammar first, where they can."""
    from macsql.spider_sql.normal_form import to_spider_grammar  # brings sqlglot, which nothing else here needs

    scores = []
    for pair in pairs:
        schema = bench.schema(pair.db_id)
        form = to_spider_grammar(pair.pred, schema)
        compared = _compared(pair, form.sql, schema, "strict")
        if form.changed and compared.outcome == READ:
            compared = replace(compared, outcome=REWRITTEN)
        scores.append(compared)
    return scores


def _compared(pair: Pair, pred: str, schema: SpiderSchema, reading: Reading) -> Score:
    try:
        verdict = exact_match(schema, pair.gold, pred, reading)
    except GoldUnreadable as error:
        return Score(None, GOLD_ERROR, f"{NOT_IN_GRAMMAR}: {error}")
    return Score(verdict.exact, READ if verdict.pred_parsed else NOT_IN_GRAMMAR, verdict.error)


@dataclass(frozen=True)
class Protocol:
    """How a score is made, and what it says in a line."""

    scores: Callable[[Sequence[Pair], Bench], list[Score]]
    about: str
    needs_tables: bool = False  # Spider's tables.json


def score(pairs: Sequence[Pair], names: Sequence[str], bench: Bench) -> dict[str, list[Score]]:
    """The scores of all pairs by each protocol of `names`, in the order of the pairs.

    Goes portion by portion, so that the results held in memory do not grow with the questions.
    """
    scores: dict[str, list[Score]] = {name: [] for name in names}
    for start in range(0, len(pairs), PORTION):
        for name in names:
            scores[name] += PROTOCOLS[name].scores(pairs[start : start + PORTION], bench)
        bench.forget()
    return scores


PROTOCOLS = {
    "spider-em": Protocol(spider_em, "Spider's exact match of clauses, values left aside", True),
    "spider-em-fixed": Protocol(spider_em_fixed, "the same, names that hold `value` left whole", True),
    "spider-em-grammar": Protocol(spider_em_grammar, "the same of predictions brought into its grammar", True),
    "spider-ex": Protocol(spider_ex.execution_match, "Spider's execution match: same rows, columns in any order"),
    "spider-ex-fixed": Protocol(spider_ex.execution_match_fixed, "the same, its faults put right"),
    "bird-ex": Protocol(bird.execution_accuracy, "BIRD's execution accuracy: same set of rows"),
    "bird-ex-fixed": Protocol(bird.execution_accuracy_fixed, "the same, queries only"),
    "bird-ves": Protocol(bird.efficiency, "BIRD's valid efficiency score: time against gold's"),
    "bird-rves": Protocol(bird.rewarded_efficiency, "BIRD's reward-based efficiency score"),
    "bird-steps": Protocol(bird.step_efficiency, "VES by steps of SQLite's machine: the same on every run"),
    "bird-soft-f1": Protocol(bird.soft_f1_scores, "BIRD's Soft-F1: how far the cells agree"),
}
