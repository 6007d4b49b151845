"""Statistics against values worked out by hand, or printed in tables."""

import json
import math
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macsql.comparison.statistics import (
    detectable_difference,
    exact_interval,
    holm,
    mcnemar,
    paired_bootstrap,
    smallest_discordance,
    spread,
    student_interval,
    student_p,
    student_quantile,
)

BEFORE = json.loads((Path(__file__).parent / "statistics_before.json").read_text(encoding="utf-8"))
SAME = {
    "mcnemar": lambda better, worse: [mcnemar(better, worse)],
    "exact_interval": lambda right, of, level: [
        getattr(exact_interval(right, of, level), end) for end in ("low", "high")
    ],
    "student_quantile": lambda share, freedom: [student_quantile(share, freedom)],
    "student_p": lambda values: [student_p(values)],
    "student_interval": lambda values: [getattr(student_interval(values), end) for end in ("value", "low", "high")],
    "detectable_difference": lambda questions, share, alpha: [detectable_difference(questions, share, alpha)],
}


@pytest.mark.parametrize("name", SAME)
def test_the_library_gives_what_this_projects_own_formulas_gave(name):
    """statistics_before.json was written by the formulas that scipy has taken the place of: arguments, then results."""
    assert len(BEFORE[name]) >= 5
    for row in BEFORE[name]:
        given = SAME[name].__code__.co_argcount
        for now, before in zip(SAME[name](*row[:given]), row[given:], strict=True):
            assert (now is None) == (before is None), row
            assert now is None or now == pytest.approx(before, rel=1e-9, abs=1e-9), row


@pytest.mark.parametrize(
    ("better", "worse", "p"),
    [
        (0, 0, 1.0),
        (5, 0, 2 / 32),
        (0, 6, 2 / 64),
        (3, 3, 1.0),
        (10, 2, 2 * (1 + 12 + 66) / 4096),
        (1, 8, 2 * (1 + 9) / 512),
    ],
)
def test_mcnemar_by_hand(better, worse, p):
    assert mcnemar(better, worse) == pytest.approx(p, abs=1e-15)


def test_mcnemar_of_large_counts_is_finite():
    assert 0 <= mcnemar(5000, 4000) < 1e-20
    assert mcnemar(3000, 3000) == 1.0


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_never_helps(p_values):
    adjusted = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    ranked = sorted(range(len(p_values)), key=lambda place: p_values[place])
    assert all(adjusted[one] <= adjusted[other] for one, other in pairwise(ranked))


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (0, 2, 0.0, 1 - math.sqrt(0.025)),  # what the poster's 0 of 2 leaves open: up to 84 %
        (2, 2, math.sqrt(0.025), 1.0),
        (5, 10, 0.187086, 0.812914),  # tables of Clopper and Pearson
        (1, 20, 0.001265, 0.248733),
    ],
)
def test_exact_interval(successes, trials, low, high):
    found = exact_interval(successes, trials)
    assert (found.value, found.low, found.high) == pytest.approx((successes / trials, low, high), abs=2e-6)


def test_no_share_is_refused():
    for successes, trials in ((0, 0), (3, 2), (-1, 4)):
        with pytest.raises(ValueError, match="is not a share"):
            exact_interval(successes, trials)


def test_smallest_discordance():
    assert smallest_discordance(0.05) == 6  # 2 / 2**5 is 0.0625, 2 / 2**6 is 0.03125
    assert smallest_discordance(0.0625) == 5
    assert smallest_discordance(0.05 / 4) == 8
    for alpha in (0.05, 0.01, 0.05 / 7):
        least = smallest_discordance(alpha)
        assert mcnemar(least, 0) <= alpha < mcnemar(least - 1, 0)


def test_detectable_difference_by_hand():
    # psi 0.2, d 0.1: (1.959964 * 0.447214 + 0.841621 * 0.435890)**2 / 0.01 = 154.6 questions (Connor, 1987)
    assert detectable_difference(154, 0.2) > 0.1 > detectable_difference(155, 0.2)
    assert detectable_difference(4, 0.5) is None
    assert detectable_difference(100, 0.0) is None
    assert detectable_difference(0, 0.5) is None


@pytest.mark.parametrize(
    ("freedom", "value"), [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (30, 2.042)]
)
def test_students_table(freedom, value):
    assert student_quantile(0.975, freedom) == pytest.approx(value, abs=5e-4)


def test_students_interval_by_hand():
    found = student_interval([1.0, 2.0, 6.0])  # deviation sqrt(7), error sqrt(7 / 3)
    reach = 4.302653 * math.sqrt(7 / 3)
    assert (found.value, found.low, found.high) == pytest.approx((3.0, 3 - reach, 3 + reach))
    found = student_interval([0.25, 0.25])
    assert (found.value, found.low, found.high) == (0.25, 0.25, 0.25)
    assert student_interval([0.2]) is student_interval([]) is None


def test_bootstrap_of_two_questions():
    """Means of two draws from {0, 1} are 0, 1/2, 1 with chances 1/4, 1/2, 1/4."""
    found = paired_bootstrap([[(0.0, 1), (1.0, 1)]])
    assert (found.value, found.low, found.high) == (0.5, 0.0, 1.0)


def test_bootstrap_of_a_constant_has_no_width():
    found = paired_bootstrap([[(0.25, 1)] * 9])
    assert (found.value, found.low, found.high) == (0.25, 0.25, 0.25)


def test_answers_of_one_question_are_drawn_together():
    alone = paired_bootstrap([[(1.0, 1), (0.0, 1), (0.0, 1)]])
    doubled = paired_bootstrap([[(2.0, 2), (0.0, 2), (0.0, 2)]])
    assert doubled == alone


def test_bootstrap_is_near_the_normal_interval_where_that_holds():
    generator = random.Random(7)
    values = [generator.gauss(0.1, 1) for _ in range(400)]
    found = paired_bootstrap([[(value, 1) for value in values]])
    error = spread(values).deviation / math.sqrt(400)
    assert found.low == pytest.approx(found.value - 1.96 * error, abs=0.02)
    assert found.high == pytest.approx(found.value + 1.96 * error, abs=0.02)


def test_seeds_that_disagree_widen_the_interval():
    for_and_against = [[(1.0, 1)] * 30, [(-1.0, 1)] * 30]
    found = paired_bootstrap(for_and_against)
    assert (found.value, found.low, found.high) == (0.0, -1.0, 1.0)


def test_bootstrap_is_repeatable_and_depends_on_its_seed():
    row = [[(float(number % 3 == 0), 1) for number in range(40)]]
    assert paired_bootstrap(row) == paired_bootstrap(row)
    assert paired_bootstrap(row, resamples=50, seed=1) != paired_bootstrap(row, resamples=50, seed=2)


def test_bootstrap_without_anything_is_refused():
    for empty in ([], [[]], [[(0.0, 0)]]):
        with pytest.raises(ValueError, match="at least one question"):
            paired_bootstrap(empty)
    with pytest.raises(ValueError, match="same questions"):
        paired_bootstrap([[(1.0, 1)], [(1.0, 1), (0.0, 1)]])


def test_spread_by_hand():
    found = spread([1.0, 2.0, 6.0])
    assert (found.mean, found.deviation, found.lowest, found.highest, found.seeds) == (3.0, math.sqrt(7), 1.0, 6.0, 3)
    assert spread([4.0]).deviation is None
    with pytest.raises(ValueError, match="no values"):
        spread([])
