"""What is wrong with a trial's configuration, or asked for in vain, as far as that can be seen without reading data."""

import math

from macsql import corpora
from macsql.config import Config
from macsql.corpora.leakage import suspects, warning
from macsql.errors import UserError
from macsql.factory.prepared import Prepared
from macsql.models import families, liger
from macsql.models.codecs import codec
from macsql.needs import check_numbers
from macsql.training import mixture
from macsql.training.audit import audit_examples, check_ceiling

SLOW = 3e-4  # a learning rate below which random weights need many times the steps that anybody waits for


def check(config: Config) -> None:
    """Raise UserError for the first thing that a trial would die of."""
    corpora.check(config.data)
    codec(config.codec.name)
    check_ceiling(config.audit.fail_below)
    mixture.check(config.mixture)
    check_numbers(config, "generation", "trainer", "metrics", "executor", "scale", "seed")
    _check_trainer(config)
    families.check_files(config.model)
    _check_liger(config)


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


def _check_liger(config: Config) -> None:
    """What can be known before a trial; where trials run on other machines, whether those have a GPU cannot."""
    asked = config.trainer.use_liger_kernel.lower()
    if asked not in liger.CHOICES:
        raise UserError(
            f"trainer.use_liger_kernel={config.trainer.use_liger_kernel}: write true, false or auto (where it can run)."
        )
    if asked == "true" and (config.executor.name == "local" or not families.liger_parts(config.model)):
        liger_parts(config)


def liger_parts(config: Config) -> tuple[str, ...]:
    """What liger-kernel replaces in a training in this process, in words; nothing where it is not used.

    Raises UserError where trainer.use_liger_kernel=true and it cannot be used.
    """
    parts, reason = _liger(config)
    if reason and config.trainer.use_liger_kernel.lower() == "true":
        raise UserError(f"trainer.use_liger_kernel=true: {reason}. Write auto to use it where it can run, or false.")
    return parts


def _liger(config: Config) -> tuple[tuple[str, ...], str]:
    """(what is replaced, why nothing is); both are empty where nothing is asked for."""
    if config.trainer.use_liger_kernel.lower() == "false":
        return (), ""
    parts = families.liger_parts(config.model)
    if config.trainer.options.get("use_cpu"):
        return (), "trainer.use_cpu trains on a CPU"
    if config.model.lora.r and codec(config.codec.name).added_tokens:
        return (), f"the new tokens of codec={config.codec.name} are trained beside adapters, in a layer of their own"
    reason = liger.missing() if parts else "liger-kernel has no patch for a model of this type that is of use here"
    return ((), reason) if reason else (parts, "")


def examined(config: Config, prepared: Prepared) -> list[str]:
    """A sentence for each thing that training on these examples cannot teach, or that the model may have seen before.

    Raises UserError where an agent's exact match cannot reach audit.fail_below.
    """
    train = prepared.examples("train")
    text, rows = families.text_of(config, train), train + prepared.examples("test")
    report = audit_examples(rows, text, config.generation.max_new_tokens, config.model.name)
    report.refuse_below(config.audit.fail_below)
    known = suspects(prepared.about["corpus"], config.model.known_training_data)
    return [*report.warnings(), *map(warning, known)]


def uses(config: Config) -> list[str]:
    """A sentence for what a training in this process does that its configuration leaves to the machine."""
    parts = _liger(config)[0]
    return [f"liger-kernel is used: {', '.join(parts)}."] if parts else []


def notes(config: Config, here: bool = True) -> list[str]:
    """A sentence for each thing that the configuration asks for and that changes nothing, or cannot be meant.

    `here` is false where the trial will run on another machine.
    """
    factor, lines = config.scale.learning_rate_factor, []
    if families.made_here(config.model) and factor * config.trainer.learning_rate < SLOW:
        lines.append(
            f"model={config.model.name} starts from random weights, which learn next to nothing at "
            f"trainer.learning_rate={factor * config.trainer.learning_rate:g}: add +scale=pocket, which multiplies it."
        )
    if here and (reason := _liger(config)[1]):
        lines.append(f"trainer.use_liger_kernel={config.trainer.use_liger_kernel} has no effect: {reason}.")
    if factor != 1 and not families.made_here(config.model):
        lines.append(
            f"scale.learning_rate_factor={factor:g} multiplies every learning rate, which is meant for random weights "
            "and not for a checkpoint: leave +scale out, or set it to 1."
        )
    return lines
