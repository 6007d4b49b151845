"""What is wrong with a trial's configuration, or asked for in vain, as far as that can be seen without reading data."""

import math

from macsql import corpora
from macsql.config import Config
from macsql.corpora.leakage import suspects, warning
from macsql.errors import UserError
from macsql.factory.prepared import Prepared
from macsql.models import families
from macsql.models.codecs import codec
from macsql.needs import check_numbers
from macsql.training import mixture
from macsql.training.audit import audit_examples, check_ceiling


def check(config: Config) -> None:
    """Raise UserError for the first thing that a trial would die of."""
    corpora.check(config.data)
    codec(config.codec.name)
    check_ceiling(config.audit.fail_below)
    mixture.check(config.mixture)
    check_numbers(config, "generation", "trainer", "metrics", "executor", "scale", "seed")
    _check_trainer(config)
    families.check(config.model)


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
        lines.append(f"trainer.use_liger_kernel=true has no effect: {families.without_liger(config.model)}.")
    if factor != 1 and not families.made_here(config.model):
        lines.append(
            f"scale.learning_rate_factor={factor:g} multiplies every learning rate, which is meant for random weights "
            "and not for a checkpoint: leave +scale out, or set it to 1."
        )
    return lines
