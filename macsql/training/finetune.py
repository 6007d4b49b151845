"""One Hugging Face fine-tune: arguments, loss, events."""

import dataclasses
import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch.nn.functional import cross_entropy
from transformers import (
    DataCollatorForSeq2Seq,
    EarlyStoppingCallback,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
)
from transformers.trainer_pt_utils import LengthGroupedSampler

from macsql.config import Config, TrainerConfig
from macsql.errors import UserError, first_line
from macsql.models import window
from macsql.models.codecs import Codec
from macsql.records import Agent, Example
from macsql.training import mixture
from macsql.trials.checkpoints import LOSS_WINDOW
from macsql.trials.stopping import Diverged, StopRequest

OWN_KEYS = {"early_stopping_patience", "early_stopping_threshold", "options"}  # not arguments of the Trainer's class


def training_arguments(config: Config, folder: Path) -> Seq2SeqTrainingArguments:
    """The Trainer's arguments for a configuration; checkpoints go to `folder`.

    The learning rate is the configured one times scale.learning_rate_factor. Raises UserError naming the key that the
    Trainer's class does not take, or the value that it refuses.
    """
    given = dataclasses.asdict(config.trainer)
    options = given["options"]
    known = {item.name for item in dataclasses.fields(Seq2SeqTrainingArguments)}
    for key in options:
        if key not in known:
            raise UserError(f"trainer.{key}: transformers' Seq2SeqTrainingArguments has no argument of that name.")
    arguments = {key: value for key, value in given.items() if key not in OWN_KEYS} | options
    arguments["learning_rate"] *= config.scale.learning_rate_factor
    arguments["bf16"] = _bf16(config.trainer, torch.cuda.is_available() and torch.cuda.is_bf16_supported())
    arguments["use_liger_kernel"] = False  # stock Liger knows no T5: training.trial.notes says so
    try:
        return Seq2SeqTrainingArguments(
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
        raise UserError(f"The Trainer refuses these arguments: {first_line(error)}.") from error


def tokenised(examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, codec: Codec, config: Config) -> Dataset:
    """Rows of input_ids and labels, both lists of token ids cut to the model's windows, in the examples' order."""
    rows = window.encode_examples(
        tokenizer,
        codec,
        [row.source for row in examples],
        [row.target for row in examples],
        config.model.max_source_length,
        config.model.max_target_length,
    )
    return Dataset.from_dict({"input_ids": [row.input_ids for row in rows], "labels": [row.labels for row in rows]})


class Report(TrainerCallback):
    """Hands losses to `on_log` as (step, epoch, metrics), and stops the training where one is not a finite number.

    A gradient's norm decides nothing and is left out where it is none: in fp16 the first steps overflow by design and
    are skipped, until the scale of the loss is small enough.
    """

    KEPT = ("loss", "grad_norm", "learning_rate", "eval_loss")
    DECIDING = ("loss", "eval_loss")

    def __init__(self, on_log: Callable[[int, float, dict[str, float]], None]) -> None:
        self.tell = on_log

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:  # noqa: ARG002
        """Called by the Trainer for each training loss and each evaluation."""
        found = {name: float(logs[name]) for name in self.KEPT if logs and name in logs}
        kept = {name: value for name, value in found.items() if math.isfinite(value)}
        for name in self.DECIDING:
            if name in found and name not in kept:
                raise Diverged(f"{name} is {found[name]} at step {state.global_step}")
        if kept:
            self.tell(state.global_step, float(state.epoch or 0.0), kept)


class Checkpoints(TrainerCallback):
    """Sees to it that an undisturbed run passes through each checkpoint, and ends the training with one on request.

    An epoch's last step is followed by what the Trainer does between two epochs, evaluation above all; a checkpoint of
    that step is written behind all of it, because a resumed run begins with the next epoch. Where the step itself is
    evaluated a request waits for the next step: the checkpoint could pass for the best one, out of its turn.
    """

    def __init__(self, stop: StopRequest) -> None:
        self.stop = stop
        self.due = False  # a checkpoint is to be written at the epoch's end

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:  # noqa: ARG002
        """Called by the Trainer after each optimizer step; its own wishes are in `control` already."""
        over = control.should_training_stop
        if self.stop.requested and not over and not control.should_evaluate:
            control.should_save = True
        if over or float(state.epoch or 0.0).is_integer():  # on_epoch_end comes next
            self.due, control.should_save = control.should_save, False
        return control

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:  # noqa: ARG002
        """Called by the Trainer after each epoch, and after one that was cut short too."""
        control.should_save = control.should_save or self.due
        self.due = False
        return control

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Called by the Trainer behind each checkpoint. Raises Interrupted: its own end would keep only the best."""
        self.stop.check()


class ByLength(torch.utils.data.Sampler[int]):
    """The Trainer's order by length, drawn from the seed and the epoch alone: a resumed run sees the same rows."""

    def __init__(self, sampler: LengthGroupedSampler, seed: int) -> None:
        self.sampler, self.seed, self.epoch = sampler, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the Trainer before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[int]:
        draw = random.Random(f"{self.seed}/{self.epoch}").getrandbits(63)
        self.sampler.generator = torch.Generator().manual_seed(draw)
        return iter(self.sampler)


class MixtureTrainer(Seq2SeqTrainer):
    """The Trainer, its rows drawn by the mixture of the three agents, and resumed as if it had never stopped."""

    def __init__(self, sampler: torch.utils.data.Sampler[int] | None, **arguments: Any) -> None:
        self.mixture_sampler = sampler
        super().__init__(**arguments)

    def _get_train_sampler(self, *arguments: Any) -> torch.utils.data.Sampler[int] | None:
        if self.mixture_sampler is not None:
            return self.mixture_sampler
        sampler = super()._get_train_sampler(*arguments)
        return ByLength(sampler, self.args.seed) if isinstance(sampler, LengthGroupedSampler) else sampler

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        """About the best checkpoint's weights: those that the model holds under two names are stored under one."""
        model: Any = self.model
        missing = [name for name in load_result.missing_keys if name not in model.all_tied_weights_keys]
        super()._issue_warnings_after_load(load_result._replace(missing_keys=missing))

    def _save_rng_state(self, output_dir: str) -> None:
        """With each checkpoint, before trainer_state.json: the loss since it was last logged, which would be lost."""
        super()._save_rng_state(output_dir)
        since = {"loss": self._tr_loss.item(), "logged": self._globalstep_last_logged}
        (Path(output_dir) / LOSS_WINDOW).write_text(json.dumps(since), encoding="utf-8")

    def _run_epoch(self, *arguments: Any, **given: Any) -> None:
        checkpoint = given["resume_from_checkpoint"]
        if checkpoint is not None and given["epoch"] == given["epochs_trained"]:
            path = Path(checkpoint) / LOSS_WINDOW
            if path.exists():  # earlier versions kept none
                since = json.loads(path.read_text(encoding="utf-8"))
                self._tr_loss += since["loss"]
                self._globalstep_last_logged = since["logged"]
        super()._run_epoch(*arguments, **given)

    def _finalize_training(self, *arguments: Any) -> Any:
        """The Trainer's end without its clearing up: until the model is saved the last checkpoint says how it ended."""
        self.args.save_total_limit = None
        return super()._finalize_training(*arguments)


def make_trainer(
    config: Config,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    train: Dataset,
    evaluation: Dataset,
    agents: Sequence[Agent],
    folder: Path,
    on_log: Callable[[int, float, dict[str, float]], None],
    stop: StopRequest,
) -> Seq2SeqTrainer:
    """A Trainer over tokenised rows; `agents` names the agent of each training row.

    `on_log` gets (step, epoch, metrics); checkpoints go to `folder`; `stop` ends the training at the next step.
    """
    callbacks: list[TrainerCallback] = [Report(on_log), Checkpoints(stop)]
    if config.trainer.early_stopping_patience is not None:
        callbacks.append(
            EarlyStoppingCallback(config.trainer.early_stopping_patience, config.trainer.early_stopping_threshold)
        )
    trainer = MixtureTrainer(
        sampler=mixture_sampler(agents, config),
        model=model,
        args=training_arguments(config, folder),
        train_dataset=train,
        eval_dataset=evaluation,
        processing_class=tokenizer,
        data_collator=DataCollatorForSeq2Seq(tokenizer, model=model, pad_to_multiple_of=8),
        compute_loss_func=token_mean_loss(config.trainer.label_smoothing_factor),
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)  # Report tells what there is to tell
    return trainer


def mixture_sampler(agents: Sequence[Agent], config: Config) -> torch.utils.data.Sampler[int] | None:
    """The mixture's sampler; None where the Trainer's own order by length is asked for, which only `real` allows."""
    trainer = config.trainer
    if trainer.train_sampling_strategy != "random":
        if config.mixture.name != "real" or config.mixture.steps is not None or config.mixture.ratio:
            raise UserError(
                f"trainer.train_sampling_strategy={trainer.train_sampling_strategy} takes every row once, which "
                f"this mixture ({config.mixture.name}) does not: use random."
            )
        return None
    return mixture.sampler(agents, config.mixture, config.seed, trainer.rows_per_step)


def token_mean_loss(smoothing: float = 0.0) -> Callable[..., torch.Tensor]:
    """Cross-entropy summed over the target tokens and divided by the number of them in the whole batch.

    The Trainer hands that number over for all accumulated micro-batches together, so that 8 x 1 equals 4 x 2; T5's own
    mean over each micro-batch makes loss and gradient as many times too large as there are micro-batches.
    """

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        logits = outputs.logits
        total = cross_entropy(
            logits.view(-1, logits.size(-1)).float(),
            labels.view(-1),
            ignore_index=-100,
            reduction="sum",
            label_smoothing=smoothing,
        )
        return total / (num_items_in_batch if num_items_in_batch is not None else labels.ne(-100).sum())

    return loss


def _bf16(trainer: TrainerConfig, supported: bool) -> bool:
    if trainer.bf16.lower() not in {"auto", "true", "false"}:
        raise UserError(f"trainer.bf16={trainer.bf16}: write true, false or auto (where the hardware has it).")
    return supported if trainer.bf16.lower() == "auto" else trainer.bf16.lower() == "true"
