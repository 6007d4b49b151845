"""What a trial would die of is refused before the first one: by the sweep, its dry run and the single fine-tune."""

import dataclasses
import math

import pytest
from omegaconf import OmegaConf

from macsql.config import Config
from macsql.errors import UserError
from macsql.needs import NEEDS
from macsql.training.arguments import bind
from macsql.training.check import check


def changed(config: Config, key: str, value: object) -> Config:
    tree = OmegaConf.create(dataclasses.asdict(config))
    OmegaConf.update(tree, key, value, force_add=True)
    made: Config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), tree))  # type: ignore[assignment]
    return made


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *((f"generation.{name}", 0) for name in ("num_beams", "batch_size", "max_new_tokens", "limit", "temperature")),
        *(("generation.temperature", value) for value in (-1, math.nan, math.inf)),
        *(("metrics.time_limit", value) for value in (0, -1, math.nan, math.inf)),
        ("metrics.workers", 0),
        ("executor.threads", 0),
        *(("trainer.label_smoothing_factor", value) for value in (1.5, 1, -0.1, math.nan)),
        *(("seed", value) for value in (-1, 2**32)),
        *(("trainer.learning_rate", value) for value in (0, -1e-3, math.nan, math.inf)),
        ("scale.learning_rate_factor", 0),
        *(("trainer.num_train_epochs", value) for value in (0, -1, math.nan, math.inf)),
        *((f"trainer.{name}", -1) for name in ("warmup_steps", "weight_decay", "max_grad_norm")),
        *((f"trainer.{name}", 0) for name in ("logging_steps", "save_steps", "eval_steps", "save_total_limit")),
        ("trainer.early_stopping_patience", 0),
        ("trainer.per_device_train_batch_size", 0),
        ("trainer.metric_for_best_model", "loss"),
        ("trainer.metric_for_best_model", "eval_accuracy"),
        ("model.max_source_length", 1),
        ("model.pocket.d_model", 0),
    ],
)
def test_a_value_that_a_trial_dies_of(tiny, key, value):
    with pytest.raises(UserError) as error:
        check(changed(tiny, key, value))
    assert str(error.value).startswith(f"{key}={value}: ")
    assert "\n" not in str(error.value)


def test_early_stopping_without_evaluation(tiny):
    config = changed(changed(tiny, "trainer.early_stopping_patience", 2), "trainer.eval_strategy", "no")
    with pytest.raises(UserError, match="early_stopping_patience counts evaluations"):
        check(config)


def test_the_edges_are_taken(tiny):
    for key, value in {
        "generation.limit": None,
        "generation.temperature": 0.01,
        "trainer.label_smoothing_factor": 0.99,
        "trainer.warmup_steps": 0.5,
        "trainer.eval_steps": None,
        "trainer.save_total_limit": None,
        "seed": 2**32 - 1,
    }.items():
        check(changed(tiny, key, value))
    for key, value in {
        "generation.limit": 0,
        "generation.temperature": 0.0,
        "trainer.label_smoothing_factor": 1.0,
        "trainer.warmup_steps": -0.5,
        "trainer.eval_steps": 0,
        "trainer.save_total_limit": 0,
        "seed": 2**32,
    }.items():
        with pytest.raises(UserError, match=f"^{key}="):
            check(changed(tiny, key, value))


def test_every_key_that_is_looked_at_is_there(tiny):
    tree = OmegaConf.create(dataclasses.asdict(tiny))
    for need in NEEDS:
        for key in need.keys:
            assert OmegaConf.select(tree, key, default="absent") != "absent", key


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"report_to": "none"}, "trainer.report_to cannot be set: trials are recorded in MLflow"),
        ({"push_to_hub": True}, "trainer.push_to_hub cannot be set: every checkpoint"),
        ({"hub_model_id": "x"}, "trainer.hub_model_id cannot be set: every checkpoint"),
        ({"output_dir": "x"}, "trainer.output_dir cannot be set"),
        ({"seed": 3}, "trainer.seed cannot be set: .* seed=N"),
        ({"fsdp_config": {}}, "trainer.fsdp_config cannot be set: a trial trains on one GPU"),
        ({"save_only_model": True}, "trainer.save_only_model cannot be set"),
        ({"predict_with_generate": True}, "trainer.predict_with_generate: .* no argument of that name"),
        ({"adam_beta2": "high"}, "trainer.optim=adamw_torch_fused"),
    ],
)
def test_arguments_that_are_not_a_trials_to_set(tiny, changes, words):
    config = dataclasses.replace(tiny, trainer=dataclasses.replace(tiny.trainer, options=changes))
    with pytest.raises(UserError, match=words) as error:
        bind(config)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"optim": "lomo"}, "trainer.optim=lomo, .*lomo"),
        ({"lr_scheduler_type": "cosine_with_min_lr"}, "lr_scheduler_type=cosine_with_min_lr: .*min_lr"),
    ],
)
def test_an_optimizer_or_a_schedule_that_cannot_be_had(tiny, changes, words):
    config = dataclasses.replace(tiny, trainer=dataclasses.replace(tiny.trainer, **changes))
    with pytest.raises(UserError, match=words):
        bind(config)


@pytest.mark.parametrize("optim", ["adamw_torch_fused", "adamw_torch", "adafactor", "sgd", "adagrad", "rmsprop"])
@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant_with_warmup"])
def test_what_can_be_had_is_bound(tiny, optim, schedule):
    trainer = dataclasses.replace(tiny.trainer, optim=optim, lr_scheduler_type=schedule, options={"adam_beta2": 0.98})
    bind(dataclasses.replace(tiny, trainer=trainer))
    with pytest.raises(UserError, match=f"{optim}x is not a valid"):
        bind(dataclasses.replace(tiny, trainer=dataclasses.replace(trainer, optim=f"{optim}x")))
