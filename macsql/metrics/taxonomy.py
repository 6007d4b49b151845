"""What became of an answer, in one word: the failures of the poster's Experiment 4, read off the outcome itself.

The first rule that fits, from the top, gives the word; so each answer has exactly one.

    word                           an answer of SQL (Decomposer, Refiner)            an answer of a schema (Selector)
    -----------------------------  ------------------------------------------------  -----------------------------------
    no database                    the question's database is not at hand            the same
    gold error                     the gold SQL does not run: nothing to compare     the gold SQL cannot be read
    right                          gold's result: `spider-ex`, fixed reading         readable, invents no name and drops
                                                                                     none that gold needs
    truncated by the token limit   not right, and generation was cut at the limit    the same
    no SQL found                   no SQL in it and no word SELECT either            -
    malformed structure            a word SELECT, but no SQL can be read out of it   no readable JSON
    denied                         the sandbox refused it: it is not a plain query   -
    timeout                        it ran into the time limit                        -
    unknown table                  SQLite: no such table                             names a table the schema lacks
    unknown column                 SQLite: no such column                            names a column its table lacks
    syntax error                   SQLite's parser refused it                        -
    other error                    any other error; out of memory, rows or worker    -
    missing column                 -                                                 drops a table that gold needs, or a
                                                                                     column that no padding brings back
    right rows in the wrong order  gold is ordered; its rows, in another order       -
    wrong columns                  other columns than gold's: `columns_correspond`   -
    wrong rows                     any other result                                  -
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from macsql.database.sandbox import Outcome, Status
from macsql.protocols.rows import columns_match


class AnswerOutcome(StrEnum):
    """The words, in the order in which the rules are tried."""

    NO_DATABASE = "no database"
    GOLD_ERROR = "gold error"
    RIGHT = "right"
    TRUNCATED = "truncated by the token limit"
    NO_SQL = "no SQL found"
    MALFORMED = "malformed structure"
    DENIED = "denied"
    TIMEOUT = "timeout"
    UNKNOWN_TABLE = "unknown table"
    UNKNOWN_COLUMN = "unknown column"
    SYNTAX = "syntax error"
    OTHER_ERROR = "other error"
    MISSING_COLUMN = "missing column"
    WRONG_ORDER = "right rows in the wrong order"
    WRONG_COLUMNS = "wrong columns"
    WRONG_ROWS = "wrong rows"

    @property
    def key(self) -> str:
        """The word as a part of a metric's name."""
        return self.value.lower().replace(" ", "_")


@dataclass(frozen=True)
class Judgement:
    """What an agent's metrics say of one answer."""

    outcome: AnswerOutcome
    scores: Mapping[str, float | None] = field(default_factory=dict)  # metric -> value; None: does not apply
    sql: str = ""  # found in the answer
    message: str = ""  # the database's own, or what is wrong with the answer


# They say something about the question and nothing about the answer.
UNJUDGED = (AnswerOutcome.NO_DATABASE, AnswerOutcome.GOLD_ERROR)
SELECTOR_OUTCOMES = (
    *UNJUDGED,
    AnswerOutcome.RIGHT,
    AnswerOutcome.TRUNCATED,
    AnswerOutcome.MALFORMED,
    AnswerOutcome.UNKNOWN_TABLE,
    AnswerOutcome.UNKNOWN_COLUMN,
    AnswerOutcome.MISSING_COLUMN,
)
SQL_OUTCOMES = tuple(word for word in AnswerOutcome if word is not AnswerOutcome.MISSING_COLUMN)

_BY_STATUS = {
    Status.DENIED: AnswerOutcome.DENIED,
    Status.TIMEOUT: AnswerOutcome.TIMEOUT,
    Status.NO_SUCH_TABLE: AnswerOutcome.UNKNOWN_TABLE,
    Status.NO_SUCH_COLUMN: AnswerOutcome.UNKNOWN_COLUMN,
    Status.SYNTAX: AnswerOutcome.SYNTAX,
}
_SELECT = re.compile(r"\bselect\b", re.IGNORECASE)
_NOT_TELLING = re.compile(r"\s+|\w+\.")  # in a result's column name: blanks, and the table or alias before a dot


def sql_outcome(
    answer: str, truncated: bool, outcome: Outcome | None, gold: Outcome, *, right: bool, ordered: bool
) -> AnswerOutcome:
    """The word for an answer of SQL whose database is at hand.

    `outcome`: of the SQL found in the answer, None where there was none. `right`: the execution score's verdict.
    `ordered`: whether that score takes gold's rows as a list.
    """
    if not gold.ok:
        return AnswerOutcome.GOLD_ERROR
    if right:
        return AnswerOutcome.RIGHT
    if truncated:
        return AnswerOutcome.TRUNCATED
    if outcome is None:
        return AnswerOutcome.MALFORMED if _SELECT.search(answer) else AnswerOutcome.NO_SQL
    if not outcome.ok:
        return _BY_STATUS.get(outcome.status, AnswerOutcome.OTHER_ERROR)
    if ordered and columns_match(gold.rows, outcome.rows, ordered=False):
        return AnswerOutcome.WRONG_ORDER
    return AnswerOutcome.WRONG_ROWS if columns_correspond(gold, outcome) else AnswerOutcome.WRONG_COLUMNS


def selector_outcome(
    truncated: bool, *, readable: bool, unknown_tables: bool, unknown_columns: bool, missing: bool
) -> AnswerOutcome:
    """The word for an answer of a schema whose database is at hand and whose gold SQL can be read."""
    if readable and not (unknown_tables or unknown_columns or missing):
        return AnswerOutcome.RIGHT
    if truncated:
        return AnswerOutcome.TRUNCATED
    if not readable:
        return AnswerOutcome.MALFORMED
    if unknown_tables:
        return AnswerOutcome.UNKNOWN_TABLE
    return AnswerOutcome.UNKNOWN_COLUMN if unknown_columns else AnswerOutcome.MISSING_COLUMN


def columns_correspond(gold: Outcome, outcome: Outcome) -> bool:
    """Whether two results that differ may still show the same columns.

    They do when there are as many, and when gold's columns can be paired off with the others so that in each pair the
    names are equal (case, blanks and the table's name apart) or the values of one all occur in the other. So a wrong
    condition, which gives fewer, more or no rows of the right columns, is a matter of rows.
    """
    if len(gold.columns) != len(outcome.columns):
        return False
    wanted, given = _named_values(gold), _named_values(outcome)
    candidates = [
        [place for place, (other, others) in enumerate(given) if name == other or values <= others or others <= values]
        for name, values in wanted
    ]
    return _all_paired(candidates)


def _named_values(outcome: Outcome) -> list[tuple[str, frozenset[Any]]]:
    names = (_NOT_TELLING.sub("", name).lower() for name in outcome.columns)
    return [(name, frozenset(row[place] for row in outcome.rows)) for place, name in enumerate(names)]


def _all_paired(candidates: Sequence[Sequence[int]]) -> bool:
    """Whether each item can have a candidate of its own (bipartite matching by augmenting paths)."""
    taken: dict[int, int] = {}

    def place(item: int, seen: set[int]) -> bool:
        for candidate in candidates[item]:
            if candidate not in seen:
                seen.add(candidate)
                if candidate not in taken or place(taken[candidate], seen):
                    taken[candidate] = item
                    return True
        return False

    return all(place(item, set()) for item in range(len(candidates)))
