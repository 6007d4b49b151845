"""The words for what became of an answer: one for each, from hand-made outcomes."""

import json
import re
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macsql.database.sandbox import Outcome, Status
from macsql.metrics import taxonomy
from macsql.metrics.taxonomy import (
    SELECTOR_OUTCOMES,
    SQL_OUTCOMES,
    AnswerOutcome,
    columns_correspond,
    selector_outcome,
    sql_outcome,
)

CASES = [json.loads(line) for line in (Path(__file__).parent / "data" / "outcomes.jsonl").read_text().splitlines()]


def result(given):
    if given is None:
        return None
    if isinstance(given, str):
        return Outcome(Status(given))
    columns, rows = given
    return Outcome(Status.OK, tuple(columns), tuple(map(tuple, rows)))


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_answers_of_sql(case):
    found = sql_outcome(
        case.get("answer", "SELECT 1"),
        case.get("truncated", False),
        result(case["got"]),
        result(case["gold"]),
        right=case.get("right", False),
        ordered=case.get("ordered", False),
    )
    assert found == case["outcome"]


def test_every_word_is_reached_by_some_case():
    assert {case["outcome"] for case in CASES} | {"no database"} == set(SQL_OUTCOMES)


@pytest.mark.parametrize(
    ("readable", "tables", "columns", "missing", "truncated", "outcome"),
    [
        (True, False, False, False, True, "right"),
        (True, False, False, False, False, "right"),
        (False, False, False, False, True, "truncated by the token limit"),
        (True, True, False, False, True, "truncated by the token limit"),
        (False, False, False, False, False, "malformed structure"),
        (True, True, True, False, False, "unknown table"),
        (True, False, True, False, False, "unknown column"),
        (True, False, True, True, False, "unknown column"),
        (True, False, False, True, False, "missing column"),
    ],
)
def test_answers_of_a_schema(readable, tables, columns, missing, truncated, outcome):
    found = selector_outcome(
        truncated, readable=readable, unknown_tables=tables, unknown_columns=columns, missing=missing
    )
    assert found == outcome


def test_a_schema_answer_gets_only_words_of_its_own():
    for flags in product([False, True], repeat=5):
        truncated, *rest = flags
        names = ("readable", "unknown_tables", "unknown_columns", "missing")
        assert selector_outcome(truncated, **dict(zip(names, rest, strict=True))) in SELECTOR_OUTCOMES


RESULTS = st.integers(1, 3).flatmap(
    lambda width: st.builds(
        lambda names, rows: Outcome(Status.OK, tuple(names), tuple(rows)),
        st.lists(st.sampled_from(["a", "b", "c", "a b"]), min_size=width, max_size=width),
        st.lists(st.tuples(*[st.sampled_from([0, 1, 1.0, "x", None, b"x"])] * width), max_size=4),
    )
)


@given(RESULTS, RESULTS)
def test_correspondence_has_no_side(left, right):
    assert columns_correspond(left, right) is columns_correspond(right, left)


@given(RESULTS, st.randoms(use_true_random=False))
def test_order_of_columns_and_loss_of_rows_leave_the_columns_right(result, random):
    places = list(range(len(result.columns)))
    random.shuffle(places)
    rows = [row for row in result.rows if random.random() < 0.5]
    other = Outcome(
        Status.OK,
        tuple(f"renamed {result.columns[place]}" for place in places),
        tuple(tuple(row[place] for place in places) for row in rows),
    )
    assert columns_correspond(result, other)


def test_keys_can_be_metric_names_and_the_table_of_rules_has_every_word():
    keys = [outcome.key for outcome in AnswerOutcome]
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch(r"[a-z_]+", key) for key in keys)
    documented = re.findall(r"^    (\S+(?: \S+)*)  ", taxonomy.__doc__, flags=re.MULTILINE)
    assert [word for word in documented if word in set(AnswerOutcome)] == list(AnswerOutcome)
