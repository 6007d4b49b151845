"""Batches of like length: the same rows, less padding, and an order that favours no length."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macsql.config import MixtureConfig
from macsql.records import AGENTS
from macsql.training.grouping import grouped, length, padding_share, steps_sorted
from macsql.training.mixture import MIXTURES, epoch_indices

sizes = st.lists(st.integers(1, 300), min_size=1, max_size=400)


@given(sizes, st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_the_rows_stay_and_the_last_batch_alone_is_not_full(lengths, batch, seed):
    rows = [number for number in range(len(lengths)) for _ in range(1 + number % 2)]  # some of them twice
    order = grouped(rows, lengths, batch, random.Random(seed))
    assert Counter(order) == Counter(rows)
    assert order == grouped(list(rows), tuple(lengths), batch, random.Random(seed))


def test_batches_are_of_like_length():
    lengths = random.Random(0).choices(range(20, 400), k=1000)
    order = grouped(range(1000), lengths, 8, random.Random(0))
    spread = [max(found) - min(found) for found in of_batches(order, lengths, 8)]
    assert sorted(spread)[len(spread) // 2] < 15
    assert sorted(max(found) - min(found) for found in of_batches(range(1000), lengths, 8))[62] > 200


def test_no_length_has_a_place_of_its_own():
    """Neither in the order of the batches nor in the last one, whose rows count for more."""
    lengths = list(range(1001))
    first, last = [], []
    for seed in range(300):
        draw = random.Random(seed)
        order = grouped(draw.sample(range(1001), 1001), lengths, 8, draw)
        first.append(lengths[order[0]])
        last.append(lengths[order[-1]])
    for found in (first, last):
        assert 400 < sum(found) / 300 < 600


@pytest.mark.parametrize("name", MIXTURES)
@pytest.mark.parametrize("steps", [None, 30])
@pytest.mark.parametrize("resample", [False, True])
def test_an_epoch_takes_the_same_rows_in_either_order(name, steps, resample):
    draw = random.Random(1)
    agents = draw.choices(AGENTS, (5, 3, 1), k=200)
    lengths = draw.choices(range(5, 90), k=200)
    cfg = MixtureConfig(name, temperature=2.0, steps=steps, resample=resample, ratio={"selector": 2, "refiner": 1})
    for epoch in range(3):
        plain = epoch_indices(agents, cfg, epoch, 4, seed=7)
        order = epoch_indices(agents, cfg, epoch, 4, 7, lengths)
        assert sorted(order) == sorted(plain)
        assert order == epoch_indices(agents, cfg, epoch, 4, 7, lengths)
        assert order not in (plain, epoch_indices(agents, cfg, epoch + 1, 4, 7, lengths))
        assert order != epoch_indices(agents, cfg, epoch, 4, 8, lengths)


@pytest.mark.parametrize("batch", [1, 3, 4, 100])
@pytest.mark.parametrize("multiple", [1, 8])
def test_padding_is_what_a_collator_puts_in(batch, multiple):
    rows = [
        {"input_ids": [1] * a, "labels": [1] * b} for a, b in ((3, 2), (10, 1), (4, 4), (5, 2), (3, 3), (9, 9), (1, 1))
    ]
    order = [0, 1, 2, 3, 6, 5, 4, 0]
    positions = real = 0
    for start in range(0, len(order), batch):
        found = [rows[number] for number in order[start : start + batch]]
        for name in ("input_ids", "labels"):
            longest = max(len(row[name]) for row in found)
            positions += len(found) * (longest + -longest % multiple)
            real += sum(len(row[name]) for row in found)
    assert padding_share(order, rows, batch, multiple) == pytest.approx(1 - real / positions)
    assert length(rows[0]) == 5


def test_a_step_with_micro_batches_keeps_its_rows():
    lengths = random.Random(0).choices(range(20, 400), k=30)
    order = steps_sorted(range(30), lengths, 8)
    for start in range(0, 30, 8):
        step = order[start : start + 8]
        assert sorted(step) == list(range(start, min(30, start + 8)))
        assert [lengths[row] for row in step] == sorted((lengths[row] for row in step), reverse=True)


def of_batches(order, lengths, batch):
    return [[lengths[row] for row in order[start : start + batch]] for start in range(0, len(order), batch)]
