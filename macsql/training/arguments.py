"""The arguments of transformers' Trainer for a configuration."""

import dataclasses
from pathlib import Path

import torch
from transformers import TrainingArguments

from macsql.config import Config, TrainerConfig
from macsql.errors import UserError

OWN_KEYS = {"early_stopping_patience", "early_stopping_threshold", "options"}  # not arguments of the Trainer's class


def training_arguments(config: Config, folder: Path) -> TrainingArguments:
    """The Trainer's arguments for a configuration; checkpoints go to `folder`.

    The learning rate is the configured one times scale.learning_rate_factor. Raises UserError naming the key that the
    Trainer's class does not take, or the value that it refuses.
    """
    given = dataclasses.asdict(config.trainer)
    options = given["options"]
    known = {item.name for item in dataclasses.fields(TrainingArguments)}
    for key in options:
        if key not in known:
            raise UserError(f"trainer.{key}: transformers' TrainingArguments has no argument of that name.")
    arguments = {key: value for key, value in given.items() if key not in OWN_KEYS} | options
    arguments["learning_rate"] *= config.scale.learning_rate_factor
    arguments["bf16"] = _bf16(config.trainer, torch.cuda.is_available() and torch.cuda.is_bf16_supported())
    arguments["use_liger_kernel"] = False  # stock Liger knows no T5: macsql.training.check.notes says so
    try:
        return TrainingArguments(
            output_dir=str(folder),
            seed=config.seed,
            restore_callback_states_from_checkpoint=True,  # early stopping goes on counting where it was
            logging_nan_inf_filter=False,  # it would tell a loss of 0 where there is none
            report_to="none",  # the Trainer's own MLflow callback ends runs that are not its own
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=torch.cuda.is_available(),
            **arguments,
        )
    except (ValueError, TypeError) as error:
        raise UserError(f"The Trainer refuses these arguments: {str(error).splitlines()[0]}") from error


def _bf16(trainer: TrainerConfig, supported: bool) -> bool:
    if trainer.bf16.lower() not in {"auto", "true", "false"}:
        raise UserError(f"trainer.bf16={trainer.bf16}: write true, false or auto (where the hardware has it).")
    return supported if trainer.bf16.lower() == "auto" else trainer.bf16.lower() == "true"
