"""What is wrong with a trial's configuration, or asked for in vain, as far as that can be seen without reading data."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from macsql import corpora
from macsql.config import Config
from macsql.corpora.leakage import suspects, warning
from macsql.errors import UserError
from macsql.factory.prepared import Prepared
from macsql.models import families
from macsql.models.audit import audit_examples, check_ceiling
from macsql.models.codecs import codec
from macsql.training import mixture

LIGER = "no effect: stock liger-kernel has no T5"
SEEDS = 2**32  # numpy takes no larger ones


@dataclass(frozen=True)
class Need:
    """What the values of some keys must be; null passes where the key may be null."""

    holds: Callable[[Any], bool]
    words: str
    keys: tuple[str, ...]


NEEDS = (
    Need(
        lambda value: value >= 1,
        "at least 1 is needed",
        (
            *("generation.batch_size", "generation.max_new_tokens", "generation.num_beams", "generation.limit"),
            *("trainer.per_device_train_batch_size", "trainer.per_device_eval_batch_size"),
            *("trainer.gradient_accumulation_steps", "trainer.save_total_limit", "trainer.early_stopping_patience"),
            *("metrics.workers", "executor.threads"),
        ),
    ),
    Need(
        lambda value: 0 < value < math.inf,
        "a number above 0 is needed",
        (
            *("generation.temperature", "metrics.time_limit", "trainer.learning_rate", "scale.learning_rate_factor"),
            *("trainer.logging_steps", "trainer.eval_steps", "trainer.save_steps"),
        ),
    ),
    Need(
        lambda value: 0 <= value < math.inf,
        "0 or more is needed",
        ("trainer.warmup_steps", "trainer.weight_decay", "trainer.max_grad_norm", "trainer.early_stopping_threshold"),
    ),
    Need(lambda value: 0 <= value < 1, "a share from 0 to below 1 is needed", ("trainer.label_smoothing_factor",)),
    Need(lambda value: 0 <= value < SEEDS, f"a whole number from 0 to {SEEDS - 1} is needed", ("seed",)),
)


def check(config: Config) -> None:
    """Raise UserError for the first thing that a trial would die of."""
    corpora.check(config.data)
    codec(config.codec.name)
    check_ceiling(config.audit.fail_below)
    mixture.check(config.mixture)
    _check_numbers(config)
    _check_trainer(config)
    families.check(config.model)


def _check_numbers(config: Config) -> None:
    given = asdict(config)
    for need in NEEDS:
        for key in need.keys:
            group, _, name = key.rpartition(".")
            value = given[group][name] if group else given[name]
            if value is not None and not need.holds(value):
                raise UserError(f"{key}={value:.12g}: {need.words}.")


def _check_trainer(config: Config) -> None:
    """What the Trainer finds out in the middle of a training, or not at all."""
    trainer = config.trainer
    if not 0 < trainer.num_train_epochs < math.inf and trainer.max_steps <= 0:
        raise UserError(f"trainer.num_train_epochs={trainer.num_train_epochs:.12g}: a number above 0 is needed.")
    if trainer.metric_for_best_model != "eval_loss":
        raise UserError(
            f"trainer.metric_for_best_model={trainer.metric_for_best_model}: evaluation during training measures "
            "eval_loss alone; a sweep may choose by another figure (sweep.metric)."
        )
    if trainer.early_stopping_patience is not None and trainer.eval_strategy == "no":
        raise UserError("trainer.early_stopping_patience counts evaluations, and trainer.eval_strategy=no makes none.")


def examined(config: Config, prepared: Prepared) -> list[str]:
    """A sentence for each thing that training on these examples cannot teach, or that the model may have seen before.

    Raises UserError where an agent's exact match cannot reach audit.fail_below.
    """
    train = prepared.examples("train")
    rows = train + prepared.examples("test")
    report = audit_examples(rows, families.text_of(config, train), config.generation.max_new_tokens)
    report.refuse_below(config.audit.fail_below)
    known = suspects(prepared.about["corpus"], config.model.known_training_data)
    return [*report.warnings(), *map(warning, known)]


def notes(config: Config) -> list[str]:
    """A sentence for each thing that the configuration asks for and that changes nothing, or cannot be meant."""
    factor, lines = config.scale.learning_rate_factor, []
    if config.trainer.use_liger_kernel:
        lines.append(f"trainer.use_liger_kernel=true has {LIGER}.")
    if factor != 1 and not families.made_here(config.model):
        lines.append(
            f"scale.learning_rate_factor={factor:g} multiplies every learning rate, which is meant for random weights "
            "and not for a checkpoint: leave +scale out, or set it to 1."
        )
    return lines
