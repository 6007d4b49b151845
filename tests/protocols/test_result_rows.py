"""The comparisons of results, against plain definitions that try everything."""

import time
from collections import Counter
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macsql.protocols.rows import bird_equal, columns_match, soft_f1, spider_equal

CELL = st.sampled_from([0, 1, 1.0, 10, 100, "1", "a", b"a", None])


@st.composite
def results(draw):
    """Two results of one width, often the same but for the order of rows and columns."""
    width = draw(st.integers(1, 4))
    rows = st.lists(st.tuples(*[CELL] * width), max_size=4)
    gold = draw(rows)
    if draw(st.booleans()):
        return gold, draw(rows)
    order = draw(st.permutations(range(width)))
    return gold, [tuple(row[place] for place in order) for row in draw(st.permutations(gold))]


@given(results(), st.booleans())
def test_columns_match_tries_every_permutation(both, ordered):
    gold, pred = both
    width = len(gold[0]) if gold else 0
    arranged = [[tuple(row[place] for place in order) for row in pred] for order in permutations(range(width))]
    expected = any(gold == rows if ordered else Counter(gold) == Counter(rows) for rows in arranged)
    assert columns_match(gold, pred, ordered) is (expected or (not gold and not pred))


@given(results(), st.booleans())
def test_spider_equal_only_ever_rejects_more(both, ordered):
    gold, pred = both
    if spider_equal(gold, pred, ordered):
        assert columns_match(gold, pred, ordered)
    elif not any(isinstance(cell, float) for row in [*gold, *pred] for cell in row):
        assert not columns_match(gold, pred, ordered)


def test_the_quick_reject_is_the_official_one():
    """1 and 1.0 are `1<class 'int'>` and `1.0<class 'float'>` where cells are sorted."""
    assert not spider_equal([(1, 100)], [(1.0, 100)], False)
    assert not spider_equal([(1, 10)], [(1.0, 10)], False)
    assert spider_equal([(2, 10)], [(2.0, 10)], False)
    assert spider_equal([(1, 3)], [(1.0, 3)], True)
    assert spider_equal([(1,)], [(1.0,)], True)


def test_many_columns_alike_stay_cheap():
    """Trying all orders of twelve columns would take hours."""
    gold = [tuple((row >> place) & 1 for place in range(12)) for row in range(64)]
    pred = [tuple(reversed(row)) for row in gold]
    wrong = [*pred[:-1], tuple([1] * 12)]
    begun = time.perf_counter()
    assert spider_equal(gold, pred, False)
    assert not spider_equal(gold, wrong, False)
    assert time.perf_counter() - begun < 2


@given(results())
def test_bird_equal_is_about_sets(both):
    gold, pred = both
    assert bird_equal(gold, [*pred, *pred]) is bird_equal(gold, pred)
    assert bird_equal(gold, gold[::-1])


@pytest.mark.parametrize(
    ("gold", "pred", "score"),
    [
        ([], [], 1.0),
        ([(1,)], [], 0.0),
        ([], [(1,)], 0.0),
        ([(1, 2)], [(2, 1)], 1.0),  # within a row the place does not count
        ([(1, 2)], [(1, 3)], 0.5),
        ([(1, 2)], [(1,)], 2 / 3),
        ([(1,)], [(1, 2)], 2 / 3),
        ([(1,), (2,)], [(2,), (1,)], 0.0),  # between rows it does
        ([(1,), (1,), (2,)], [(1,), (2,), (2,)], 1.0),  # duplicates are dropped first
        ([(1,), (2,)], [(1,)], 2 / 3),
        ([(1, 2)], [(1, 1)], 2 * (1 * (1 / 1.5)) / (1 + 1 / 1.5)),  # a cell may match twice
    ],
)
def test_soft_f1(gold, pred, score):
    assert soft_f1(gold, pred) == pytest.approx(score)


@given(results())
def test_soft_f1_is_bounded_and_full_for_the_same(both):
    gold, pred = both
    assert 0.0 <= soft_f1(gold, pred) <= 1.0
    assert soft_f1(gold, gold) == 1.0
