"""Which rows an epoch takes: shares, sizes, determinism, and the Trainer's view of it."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macsql.config import MixtureConfig
from macsql.errors import UserError
from macsql.records import AGENTS
from macsql.training.mixture import MIXTURES, check, epoch_indices, sampler

POSTER = {"decomposer": 2029, "selector": 1009, "refiner": 337}


def rows_of(counts: dict[str, int]) -> list:
    agents = [agent for agent, count in counts.items() for _ in range(count)]
    random.Random(0).shuffle(agents)
    return agents


def shares(agents: list, indices: list[int]) -> dict[str, int]:
    return dict(Counter(agents[index] for index in indices))


@pytest.mark.parametrize(
    ("cfg", "expected"),
    [
        (MixtureConfig("real"), POSTER),
        (MixtureConfig("undersample"), {"decomposer": 337, "selector": 337, "refiner": 337}),
        (MixtureConfig("oversample"), {"decomposer": 2029, "selector": 2029, "refiner": 2029}),
        (MixtureConfig("temperature", temperature=1.0), POSTER),
        # 3375 * sqrt(count) / (sqrt(2029) + sqrt(1009) + sqrt(337)) = 1597.46, 1126.51, 651.03
        (MixtureConfig("temperature", temperature=2.0), {"decomposer": 1597, "selector": 1127, "refiner": 651}),
        (
            MixtureConfig("temperature", temperature=float("inf")),
            {"decomposer": 1125, "selector": 1125, "refiner": 1125},
        ),
        (MixtureConfig("matched"), {"decomposer": 1125, "selector": 1126, "refiner": 1125}),  # 844 steps of 4 rows
        (MixtureConfig("real", steps=844), {"decomposer": 2030, "selector": 1009, "refiner": 337}),
        (MixtureConfig("undersample", steps=844), {"decomposer": 1125, "selector": 1126, "refiner": 1125}),
        (MixtureConfig("real", steps=10), {"decomposer": 24, "selector": 12, "refiner": 4}),
    ],
)
def test_shares_on_the_posters_counts(cfg, expected):
    agents = rows_of(POSTER)
    assert shares(agents, epoch_indices(agents, cfg, 0, batch_size=4)) == expected


counts = st.dictionaries(st.sampled_from(AGENTS), st.integers(1, 60), min_size=1)
configs = st.builds(
    MixtureConfig,
    name=st.sampled_from(MIXTURES),
    temperature=st.floats(0.01, 1e6),
    resample=st.booleans(),
    steps=st.none() | st.integers(1, 50),
    seed=st.integers(0, 3),
)


@given(counts, configs, st.integers(0, 4), st.integers(1, 8))
@settings(max_examples=300, deadline=None)
def test_an_epoch_is_even_deterministic_and_of_constant_length(sizes, cfg, epoch, batch_size):
    agents = rows_of(sizes)
    indices = epoch_indices(agents, cfg, epoch, batch_size)
    assert indices == epoch_indices(list(agents), replace(cfg), epoch, batch_size)
    assert len(indices) == len(epoch_indices(agents, cfg, epoch + 1, batch_size))
    if cfg.steps is not None:
        assert len(indices) == cfg.steps * batch_size
    times = Counter(indices)
    assert set(times) <= set(range(len(agents)))
    for agent in sizes:
        taken = [times[row] for row, name in enumerate(agents) if name == agent]
        if cfg.name == "undersample":  # rows outside the pool are not there at all
            taken = sorted(taken)[-min(sizes.values()) :]
        assert max(taken) - min(taken) <= 1


def test_order_changes_with_the_epoch_and_the_seeds():
    agents = rows_of({"selector": 30, "decomposer": 50})
    cfg = MixtureConfig("real")
    orders = [
        epoch_indices(agents, cfg, 0),
        epoch_indices(agents, cfg, 1),
        epoch_indices(agents, cfg, 0, seed=1),
        epoch_indices(agents, replace(cfg, seed=1), 0),
    ]
    assert len(set(map(tuple, orders))) == 4
    assert all(sorted(order) == list(range(80)) for order in orders)


def test_resampling_draws_anew_and_else_the_same_rows_stay():
    agents = rows_of({"selector": 200, "decomposer": 50})
    once = [set(epoch_indices(agents, MixtureConfig("undersample"), epoch)) for epoch in range(3)]
    anew = [set(epoch_indices(agents, MixtureConfig("undersample", resample=True), epoch)) for epoch in range(3)]
    assert once[0] == once[1] == once[2]
    assert anew[0] != anew[1] != anew[2]
    assert {len(rows) for rows in once + anew} == {100}


def test_trials_with_other_seeds_train_on_the_same_rows():
    agents = rows_of({"selector": 200, "decomposer": 50})
    cfg = MixtureConfig("undersample")
    assert set(epoch_indices(agents, cfg, 0, seed=1)) == set(epoch_indices(agents, cfg, 0, seed=2))


def test_known_draw():
    """The same rows on every machine and in every version of the code: this is what a seed promises."""
    agents = ["selector"] * 5 + ["decomposer"] * 3
    assert epoch_indices(agents, MixtureConfig("undersample"), 0) == [5, 1, 6, 7, 4, 0]


def test_matched_takes_as_many_steps_as_real():
    agents = rows_of(POSTER)
    for batch_size in (1, 4, 7, 8):
        real, matched = (epoch_indices(agents, MixtureConfig(name), 0, batch_size) for name in ("real", "matched"))
        assert -(-len(real) // batch_size) == len(matched) // batch_size
        assert len(matched) % batch_size == 0


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        (MixtureConfig("balanced"), "'balanced'.*real, undersample, oversample, temperature, matched"),
        (MixtureConfig("temperature", temperature=0.0), "temperature=0.0.*above 0"),
        (MixtureConfig("temperature", temperature=float("nan")), "temperature=nan"),
        (MixtureConfig("temperature", temperature=-2.0), "temperature=-2.0"),
        (MixtureConfig("real", steps=0), "steps=0.*at least 1"),
    ],
)
def test_nonsense_is_refused_in_one_sentence(cfg, message):
    for refused in (lambda: check(cfg), lambda: epoch_indices(["selector"], cfg, 0, 4)):
        with pytest.raises(UserError, match=message) as error:
            refused()
        assert "\n" not in str(error.value)


def test_no_rows_and_no_batch_size_are_refused():
    with pytest.raises(UserError, match="no training examples"):
        epoch_indices([], MixtureConfig("real"), 0)
    with pytest.raises(UserError, match="batch size"):
        epoch_indices(["selector"], MixtureConfig("matched"), 0)


def test_an_agent_without_rows_takes_no_part():
    agents = rows_of({"selector": 4, "refiner": 2})
    assert shares(agents, epoch_indices(agents, MixtureConfig("undersample"), 0)) == {"selector": 2, "refiner": 2}


def test_the_trainer_gets_the_epochs_rows(tmp_path):
    """A real Trainer over two epochs, and one resumed after the first, see the rows of epoch_indices in their order."""
    import torch
    from transformers import Trainer, TrainingArguments

    agents = rows_of({"selector": 6, "decomposer": 3})
    cfg = MixtureConfig("undersample", resample=True)

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.seen: list[int] = []

        def forward(self, row):
            self.seen += row.tolist()
            return {"loss": (self.weight * row.float().mean()).sum()}

    class Mixed(Trainer):
        def _get_train_sampler(self, *_):
            return sampler(agents, cfg, 5, 2)

    def seen(resume: str | None) -> list[int]:
        model = Model()
        arguments = TrainingArguments(
            output_dir=str(tmp_path), num_train_epochs=2, per_device_train_batch_size=2, save_strategy="epoch",
            report_to="none", disable_tqdm=True, remove_unused_columns=False, use_cpu=True, logging_strategy="no",
        )  # fmt: skip
        rows = [{"row": number} for number in range(len(agents))]
        Mixed(model=model, args=arguments, train_dataset=rows).train(resume_from_checkpoint=resume)
        return model.seen

    first, second = (epoch_indices(agents, cfg, epoch, 2, seed=5) for epoch in (0, 1))
    assert seen(None) == first + second
    assert seen(str(tmp_path / "checkpoint-3")) == second
