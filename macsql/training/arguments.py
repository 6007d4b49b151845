"""The arguments of transformers' Trainer for a configuration."""

import dataclasses
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainingArguments
from transformers.optimization import get_scheduler

from macsql.config import Config
from macsql.errors import UserError, first_line
from macsql.training.mixture import trainer_sampler
from macsql.training.precision import on_cpu, precision

OWN_KEYS = {"early_stopping_patience", "early_stopping_threshold", "options"}  # not arguments of the Trainer's class
REPORTS = "trials are recorded in MLflow by this project; the Trainer's own reports would end its runs"
UPLOADS = "every checkpoint of every trial would be uploaded: copy the folder `model` of the best one instead"
# Arguments of the Trainer, or their first words, that a trial sets itself or must not have; and why.
REFUSED = {
    "output_dir": "a trial keeps its checkpoints in its own folder: set tracking.state_dir=DIR",
    "seed": "a trial has one seed for everything: write seed=N",
    "data_seed": "the order of the rows is drawn from seed=N and mixture.seed=N",
    "report_to": REPORTS,
    "trackio": REPORTS,
    "project": REPORTS,
    "run_name": "a trial's run is named after its setting",
    "push_to_hub": UPLOADS,
    "hub": UPLOADS,
    "resume_from_checkpoint": "a trial goes on from its last checkpoint by itself",
    "restore_callback_states_from_checkpoint": "a trial needs it to resume, and sets it",
    "logging_nan_inf_filter": "a loss that is not a number ends the trial, and must be seen",
    "save_only_model": "a trial could not go on from such a checkpoint",
    "disable_tqdm": "a trial prints no bars",
    "remove_unused_columns": "the rows hold nothing unused",
    "dataloader_pin_memory": "it is set where there is a GPU",
    "label_names": "the model's family names them",
    "do_train": "a trial always trains",
    "do_eval": "use trainer.eval_strategy",
    "do_predict": "a trial always answers, after training",
    "deepspeed": "a trial trains on one GPU",
    "fsdp": "a trial trains on one GPU",
    "local_rank": "a trial trains on one GPU",
}


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
        if reason := next(
            (reason for name, reason in REFUSED.items() if key == name or key.startswith(name + "_")), ""
        ):
            raise UserError(f"trainer.{key} cannot be set: {reason}.")
    arguments = {key: value for key, value in given.items() if key not in OWN_KEYS} | options
    arguments["learning_rate"] *= config.scale.learning_rate_factor
    arguments["bf16"] = precision(config).bf16
    if arguments["bf16"] and on_cpu(config):
        arguments["use_cpu"] = True  # else the Trainer looks for a GPU that has bf16
    arguments["use_liger_kernel"] = False  # the library's switch knows no T5: macsql.training.trainer uses ours
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
    except (ValueError, TypeError, ImportError) as error:
        raise UserError(f"The Trainer refuses these arguments: {first_line(error)}.") from error


def bind(config: Config) -> None:
    """Make of a configuration whatever the Trainer makes of it before the first step, as far as that needs no data.

    Raises UserError for what a trial would die of: a wrong argument, an optimizer or a schedule that cannot be had.
    """
    arguments = training_arguments(config, Path("unused"))
    trainer_sampler(["decomposer"], dataclasses.replace(config, mixture=dataclasses.replace(config.mixture, rows=None)))
    weights = torch.nn.Linear(1, 1)
    try:
        schedule: Any = arguments.lr_scheduler_kwargs
        kind, given = Trainer.get_optimizer_cls_and_kwargs(arguments, weights)  # type: ignore[arg-type]
        if not {"optim_target_modules", "model"} & {*given}:
            get_scheduler(
                arguments.lr_scheduler_type,
                optimizer=kind(weights.parameters(), **given),
                num_warmup_steps=arguments.get_warmup_steps(10),
                num_training_steps=10,
                scheduler_specific_kwargs=schedule,
            )
    except Exception as error:
        key = f"trainer.optim={config.trainer.optim}, trainer.lr_scheduler_type={config.trainer.lr_scheduler_type}"
        raise UserError(f"No optimizer can be made of {key}: {first_line(error)}.") from error
