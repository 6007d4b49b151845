"""Protocol `spider-em`: does a prediction ask for the same as the gold query, clause by clause, values left aside?

Behaves as the evaluator of Spider (test-suite-sql-eval, exact set match without values) does, verdict for verdict. Ten
components are compared as multisets; the verdict is all of them together with the tables in FROM. Two readings:

- `strict`: the official one. The letters `value` in a prediction become `1` first, wherever they stand.
- `fixed`: only the word `value` standing by itself does, outside quotes, and only where the database has no column or
  table of that name; all else as in `strict`. Never mixed: a score under this reading carries its name.

Where the official script would stop in the middle of a run, the verdict is false and says why.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from macsql.protocols.spider.compare import (
    COMPONENTS,
    ComponentScore,
    OfficialCrashError,
    compare,
    rebuild,
    same_tables,
)
from macsql.protocols.spider.hardness import LEVELS, Hardness, rate
from macsql.spider_sql.grammar import parse
from macsql.spider_sql.query import Query
from macsql.spider_sql.schema import SpiderSchema, read_spider_schema
from macsql.spider_sql.tokens import NotInGrammarError

__all__ = [
    "COMPONENTS",
    "LEVELS",
    "ComponentScore",
    "EmVerdict",
    "GoldUnreadable",
    "Hardness",
    "Reading",
    "SpiderSchema",
    "exact_match",
    "hardness",
    "read_spider_schema",
]

Reading = Literal["strict", "fixed"]
_LONE_VALUE = re.compile(r"""("[^"]*"|'[^']*')|(?<![\w.])value(?![\w.])""")


class GoldUnreadable(ValueError):
    """A gold query that the official script cannot work with: it would stop there; the text is the reason."""


@dataclass(frozen=True)
class EmVerdict:
    """The outcome for one pair.

    `error` says why the prediction cannot be read, or, where `pred_parsed`, why the official script would stop at it;
    its components are then those of the empty query.
    """

    exact: bool
    components: dict[str, ComponentScore]  # by name of COMPONENTS
    tables_match: bool
    pred_parsed: bool
    error: str = ""


def exact_match(schema: SpiderSchema, gold: str, pred: str, reading: Reading = "strict") -> EmVerdict:
    """Compare a prediction with its gold query; golds are remembered for each schema object.

    Raises GoldUnreadable, and nothing else, whatever the texts hold. An unreadable prediction is compared as the empty
    query: its verdict is false, and components that gold does not have count as matched.
    """
    wanted = _prepared_gold(schema, gold)
    try:
        read = parse(schema, _without_values(schema, pred, reading))
    except NotInGrammarError as reason:
        return EmVerdict(False, compare(Query(), wanted), False, False, str(reason))
    try:
        found = rebuild(schema, read)
        components = compare(found, wanted)
        matched = all(score.score for score in components.values())
        tables = same_tables(found, wanted, crash=matched)
    except OfficialCrashError as reason:
        return EmVerdict(False, compare(Query(), wanted), False, True, str(reason))
    return EmVerdict(matched and tables, components, tables, True)


def hardness(schema: SpiderSchema, gold: str) -> Hardness:
    """Spider's difficulty level of a gold query. Raises GoldUnreadable where it cannot be parsed."""
    _prepared_gold(schema, gold)  # a query that would crash the comparison has no level either
    return rate(_parsed_gold(schema, gold))


@lru_cache(maxsize=16384)  # a benchmark's golds; each is judged against many predictions
def _parsed_gold(schema: SpiderSchema, gold: str) -> Query:
    try:
        return parse(schema, gold)
    except NotInGrammarError as reason:
        raise GoldUnreadable(str(reason)) from reason


@lru_cache(maxsize=16384)
def _prepared_gold(schema: SpiderSchema, gold: str) -> Query:
    try:
        query = rebuild(schema, _parsed_gold(schema, gold))
        compare(Query(), query)  # what crashes here crashes beside any prediction
    except OfficialCrashError as reason:
        raise GoldUnreadable(str(reason)) from reason
    return query


def _without_values(schema: SpiderSchema, pred: str, reading: Reading) -> str:
    if reading == "strict":
        return pred.replace("value", "1")
    if "value" in schema.tables or any("value" in columns for columns in schema.tables.values()):
        return pred
    return _LONE_VALUE.sub(lambda match: match[1] or "1", pred)
