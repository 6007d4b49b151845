"""transformers' Trainer as every family is trained with it: its rows drawn by the mixture, resumed to the bit."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback
from transformers import Trainer as LibraryTrainer

from macsql.config import Config
from macsql.models.loss import loss_of
from macsql.models.model import Trainable
from macsql.models.token_rows import token_rows
from macsql.records import Example
from macsql.training import mixture
from macsql.training.arguments import training_arguments
from macsql.training.callbacks import Checkpoints, Memory, Report
from macsql.training.check import liger_parts
from macsql.training.grouping import length, padding_share
from macsql.trials.checkpoints import LOSS_WINDOW
from macsql.trials.stopping import StopRequest


class Trainer(LibraryTrainer):
    """The library's Trainer with the family's loss and the mixture's rows, resumed as if it had never stopped."""

    def __init__(
        self, family: Trainable, smoothing: float, sampler: torch.utils.data.Sampler[int] | None, **arguments: Any
    ) -> None:
        self.family, self.smoothing, self.mixture_sampler = family, smoothing, sampler
        # Its presence makes the Trainer count the target tokens of all micro-batches and leave the division to us.
        super().__init__(compute_loss_func=family.loss, **arguments)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The family's loss, in training and in evaluation."""
        loss, outputs = loss_of(self.family, model, inputs, num_items_in_batch, self.smoothing)
        return (loss, outputs) if return_outputs else loss

    def padding_share(self) -> float | None:
        """The share of the first epoch's positions that hold padding; None where the Trainer orders the rows."""
        if self.mixture_sampler is None:
            return None
        rows: Any = self.train_dataset
        multiple = getattr(self.data_collator, "pad_to_multiple_of", None) or 1
        return padding_share(list(self.mixture_sampler), list(rows), self.args.per_device_train_batch_size, multiple)

    def evaluate(self, *arguments: Any, **given: Any) -> dict[str, float]:
        """The library's evaluation, in which a last batch that is not full counts as much as a full one.

        Its Seq2SeqTrainer counts so, and every evaluation loss published here was measured so.
        """
        self.gather_function = self.accelerator.gather
        return super().evaluate(*arguments, **given)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """With each checkpoint and with the model: the card that lets the folder be asked wherever it is copied to."""
        super()._save(output_dir, state_dict)
        self.family.card.write(Path(output_dir or str(self.args.output_dir)))

    def _get_train_sampler(self, *arguments: Any) -> torch.utils.data.Sampler[int] | None:
        if self.mixture_sampler is not None:
            return self.mixture_sampler
        return super()._get_train_sampler(*arguments)

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
    model: Trainable,
    train: Sequence[Example],
    evaluation: Sequence[Example],
    folder: Path,
    on_log: Callable[[int, float, dict[str, float]], None],
    stop: StopRequest,
) -> Trainer:
    """A Trainer of the model over examples.

    `on_log` gets (step, epoch, metrics); checkpoints go to `folder`; `stop` ends the training at the next step.
    """
    if liger_parts(config):
        model.use_liger()
    state = Path(config.tracking.state_dir)
    rows = token_rows(train, model, state)
    lengths = [length(row) for row in rows]
    callbacks: list[TrainerCallback] = [Report(on_log), Checkpoints(stop), Memory()]
    if config.trainer.early_stopping_patience is not None:
        callbacks.append(
            EarlyStoppingCallback(config.trainer.early_stopping_patience, config.trainer.early_stopping_threshold)
        )
    trainer = Trainer(
        family=model,
        smoothing=config.trainer.label_smoothing_factor,
        sampler=mixture.trainer_sampler([row.agent for row in train], config, lengths),
        model=model.network,
        args=training_arguments(config, folder),
        train_dataset=rows,
        eval_dataset=token_rows(evaluation, model, state),
        processing_class=model.text.tokenizer,
        data_collator=model.collator(),
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)  # Report tells what there is to tell
    return trainer
