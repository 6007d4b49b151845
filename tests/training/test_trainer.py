"""The Trainer's arguments and the loss."""

import dataclasses
import math
from typing import Any

import pytest
import torch
from transformers import TrainerState

from macsql.errors import UserError
from macsql.factory.prepared import prepare
from macsql.models.families import model_of, text_of
from macsql.training.arguments import training_arguments
from macsql.training.callbacks import Report
from macsql.training.trainer import make_trainer
from macsql.trials.stopping import Diverged, StopRequest


def test_a_last_batch_counts_as_much_as_a_full_one(tiny, tmp_path):
    """As in Seq2SeqTrainer: a weighing by rows would put every evaluation loss beside those published here out."""
    config = dataclasses.replace(tiny, trainer=dataclasses.replace(tiny.trainer, per_device_eval_batch_size=4))
    train = prepare(config).examples("train")
    rows = [train[0]] * 4 + [max(train, key=lambda row: len(row.target))]  # of another loss than the four
    model = model_of(config, text_of(config, train), "")
    trainer = make_trainer(config, model, train, rows, tmp_path, lambda *_: None, StopRequest())
    full, rest = (trainer.evaluate(trainer.eval_dataset.select(part))["eval_loss"] for part in (range(4), [4]))
    assert trainer.evaluate()["eval_loss"] == pytest.approx((full + rest) / 2, rel=1e-6)
    assert abs(full - rest) > 1e-3


def test_the_factor_of_the_scale_reaches_the_trainer(tiny, tmp_path):
    scaled = dataclasses.replace(tiny, scale=dataclasses.replace(tiny.scale, learning_rate_factor=60))
    assert training_arguments(scaled, tmp_path).learning_rate == pytest.approx(60 * tiny.trainer.learning_rate)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"options": {"lerning": 1}}, "trainer.lerning"),
        ({"bf16": "maybe"}, "trainer.bf16=maybe"),
        ({"optim": "nope"}, "nope"),
        ({"lr_scheduler_type": "nope"}, "nope"),
        ({"eval_strategy": "steps", "save_strategy": "epoch"}, "Trainer refuses"),
    ],
)
def test_arguments_that_the_trainer_does_not_take(tiny, tmp_path, change, words):
    config = dataclasses.replace(tiny, trainer=dataclasses.replace(tiny.trainer, **change))
    with pytest.raises(UserError, match=words):
        training_arguments(config, tmp_path)


def test_other_arguments_of_the_trainer_go_through(tiny, tmp_path):
    config = dataclasses.replace(tiny, trainer=dataclasses.replace(tiny.trainer, options={"adam_beta2": 0.98}))
    assert training_arguments(config, tmp_path).adam_beta2 == 0.98


def test_the_pocket_model_is_the_same_for_the_same_seed(tiny):
    text = text_of(tiny, prepare(tiny).examples("train"))
    made: list[Any] = [model_of(dataclasses.replace(tiny, seed=seed), text, "").network for seed in (3, 3, 4)]
    first, again, other = made
    assert torch.equal(first.shared.weight, again.shared.weight)
    assert not torch.equal(first.shared.weight, other.shared.weight)


@pytest.mark.parametrize(
    ("logs", "kept"),
    [
        ({"loss": 2.5, "grad_norm": math.inf, "learning_rate": 0.1}, {"loss": 2.5, "learning_rate": 0.1}),
        ({"loss": 2.5, "grad_norm": math.nan}, {"loss": 2.5}),
        ({"eval_loss": 2.0, "eval_runtime": 3.0}, {"eval_loss": 2.0}),
        ({"train_runtime": 3.0}, None),
    ],
)
def test_a_gradient_that_overflows_is_left_out(logs, kept):
    """In fp16 the first steps do, until the scale of the loss fits."""
    told = []
    Report(lambda *event: told.append(event[2])).on_log(None, TrainerState(), None, logs)
    assert told == ([] if kept is None else [kept])


@pytest.mark.parametrize("name", ["loss", "eval_loss"])
def test_a_loss_that_is_no_number_is_named(name):
    with pytest.raises(Diverged, match=f"^{name} is nan at step 7$"):
        Report(lambda *_: None).on_log(None, TrainerState(global_step=7), None, {name: math.nan, "grad_norm": 1.0})


@pytest.mark.parametrize(("free", "often"), [(0, True), (2**60, False)])
def test_memory_is_given_back_where_it_grows_scarce(tiny, tmp_path, monkeypatch, free, often):
    """After each micro-batch, so that the next one finds room; nothing is computed otherwise for it."""
    given = []
    monkeypatch.setattr("macsql.training.callbacks.free_memory", lambda: free)
    monkeypatch.setattr("macsql.training.callbacks.give_back", lambda: given.append(1))
    train = prepare(tiny).examples("train")
    few = dataclasses.replace(tiny.trainer, gradient_accumulation_steps=2, options={"max_steps": 3, "use_cpu": True})
    config = dataclasses.replace(tiny, trainer=few)
    model = model_of(config, text_of(config, train), "")
    trainer = make_trainer(config, model, train, train, tmp_path, lambda *_: None, StopRequest())
    trainer.train()
    assert trainer.state.global_step == 3
    assert (len(given) >= 2 * 3) if often else not given


def test_the_trainer_gets_batches_of_like_length(tiny, tmp_path):
    """Whatever the mixture; of the Trainer's own orders nothing is said."""
    train = prepare(tiny).examples("train")
    model = model_of(tiny, text_of(tiny, train), "")

    def made(order, mixture="undersample"):
        trainer = dataclasses.replace(tiny.trainer, train_sampling_strategy=order)
        config = dataclasses.replace(tiny, trainer=trainer, mixture=dataclasses.replace(tiny.mixture, name=mixture))
        return make_trainer(config, model, train, train, tmp_path, lambda *_: None, StopRequest())

    micro = dataclasses.replace(
        tiny, trainer=dataclasses.replace(tiny.trainer, per_device_train_batch_size=2, gradient_accumulation_steps=4)
    )
    sorted_steps = make_trainer(micro, model, train, train, tmp_path, lambda *_: None, StopRequest())
    assert sorted_steps.padding_share() < made("random", "real").padding_share() * 0.7
    plain, grouped = made("random"), made("group_by_length")
    assert sum(grouped.padding_share() < plain.padding_share() * share for share in (1, 0.7)) == 2
    assert len(list(grouped.get_train_dataloader())) == len(list(plain.get_train_dataloader()))
    assert made("sequential", "real").padding_share() is None
    with pytest.raises(UserError, match=r"takes every row once.*use random or group_by_length\.$"):
        made("sequential")
