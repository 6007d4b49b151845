"""Main effects and interactions of a full factorial, against sums worked out by hand."""

import itertools

import pytest
from hand_made import verdicts

from macsql.comparison.experiment import compare
from macsql.report.readme import BEGIN, END, write_results

RIGHT = {  # questions of 20 that each setting gets right
    ("mac_sql", "verbatim"): 2,
    ("mac_sql", "marks"): 4,
    ("mac_sql", "tokens"): 3,
    ("brief", "verbatim"): 10,
    ("brief", "marks"): 16,
    ("brief", "tokens"): 12,
}


def factorial(sweeps, seeds=1, left_out=()):
    plan = [point for point in RIGHT if point not in left_out]
    for place, ((style, codec), seed) in enumerate(itertools.product(plan, range(seeds))):
        right = verdicts(set(range(RIGHT[style, codec] + seed)))
        sweeps.trial("representation", place, {"agents": style, "codec": codec}, right, repeat=seed)
    return compare("representation", sweeps.state)


def test_each_effect_is_its_sum_over_the_settings(sweeps):
    found = {(effect.change, effect.metric): effect for effect in factorial(sweeps).effects}
    style, marks = "agents: brief instead of mac_sql", "codec: marks instead of verbatim"
    tokens = "codec: tokens instead of verbatim"
    changes = (style, marks, tokens, f"{style} x {marks}", f"{style} x {tokens}")
    assert [change for change, _ in found][::2] == list(changes)
    by_hand = (  # in questions of 20
        (10 - 2 + 16 - 4 + 12 - 3) / 3,
        (4 - 2 + 16 - 10) / 2,
        (3 - 2 + 12 - 10) / 2,
        (16 - 10) - (4 - 2),
        (12 - 10) - (3 - 2),
    )
    for metric in ("all/exact_match", "all/execution_accuracy"):
        told = [found[change, metric] for change in changes]
        assert [effect.difference.value for effect in told] == pytest.approx([count / 20 for count in by_hand])
        assert {effect.questions for effect in told} == {20}
        assert all(effect.difference.low <= effect.difference.value <= effect.difference.high for effect in told)
    assert found[style, "all/execution_accuracy"].direction == 1
    assert found[f"{style} x {tokens}", "all/exact_match"].direction == 0  # one question of 20


def test_seeds_have_their_interval_too(sweeps):
    first, *_ = factorial(sweeps, seeds=3).effects
    assert (first.seeds, len(first.by_seed)) == (3, 3)
    assert first.over_seeds.low == pytest.approx(29 / 60)  # each seed adds a question to every setting
    assert first.over_seeds.high == pytest.approx(29 / 60)


def test_a_sweep_that_lacks_a_combination_or_an_axis_has_no_effects(sweeps, balance):
    assert factorial(sweeps, left_out=[("brief", "tokens")]).effects == ()
    assert compare("balance", balance.state).effects == ()


def test_the_effects_stand_in_the_readme(sweeps, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"{BEGIN}\n{END}\n")
    text = write_results(factorial(sweeps), readme).read_text()
    assert "| effect | figure | difference | 95 % (bootstrap) |" in text
    assert "| codec: marks instead of verbatim | EX, all agents | +0.200 | " in text
