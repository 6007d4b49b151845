"""One Hugging Face fine-tune: arguments, loss, events."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from macsql.config import Config, TrainerConfig
from macsql.errors import UserError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, Seq2SeqTrainer, Seq2SeqTrainingArguments

OWN_KEYS = {"early_stopping_patience", "early_stopping_threshold", "options"}  # not arguments of the Trainer's class


def training_arguments(config: Config, folder: Path) -> "Seq2SeqTrainingArguments":
    """The Trainer's arguments for a configuration; checkpoints go to `folder`.

    The learning rate is the configured one times scale.learning_rate_factor. Raises UserError naming the key that the
    Trainer's class does not take, or the value that it refuses.
    """
    import torch
    from transformers import Seq2SeqTrainingArguments

    given = dataclasses.asdict(config.trainer)
    options = given["options"]
    known = {item.name for item in dataclasses.fields(Seq2SeqTrainingArguments)}
    for key in options:
        if key not in known:
            raise UserError(f"trainer.{key}: transformers' Seq2SeqTrainingArguments has no argument of that name.")
    arguments = {key: value for key, value in given.items() if key not in OWN_KEYS} | options
    arguments["learning_rate"] *= config.scale.learning_rate_factor
    arguments["bf16"] = _bf16(config.trainer, torch.cuda.is_available() and torch.cuda.is_bf16_supported())
    arguments["use_liger_kernel"] = False  # stock Liger knows no T5: the flag is recorded, and said to change nothing
    try:
        return Seq2SeqTrainingArguments(
            output_dir=str(folder),
            seed=config.seed,
            report_to="none",  # the Trainer's own MLflow callback ends runs that are not its own
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=torch.cuda.is_available(),
            **arguments,
        )
    except (ValueError, TypeError) as error:
        raise UserError(f"The Trainer refuses these arguments: {str(error).splitlines()[0]}") from error


def make_trainer(
    config: Config,
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    train: Any,
    evaluation: Any,
    folder: Path,
    on_log: Callable[[int, float, dict[str, float]], None],
) -> "Seq2SeqTrainer":
    """A Trainer over tokenised rows (input_ids, labels), reporting (step, epoch, metrics) to `on_log`."""
    from transformers import DataCollatorForSeq2Seq, EarlyStoppingCallback, Seq2SeqTrainer, TrainerCallback

    class Report(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
            numbers = {key: float(value) for key, value in (logs or {}).items() if isinstance(value, int | float)}
            on_log(state.global_step, float(state.epoch or 0.0), numbers)

    callbacks: list[TrainerCallback] = [Report()]
    if config.trainer.early_stopping_patience is not None:
        callbacks.append(
            EarlyStoppingCallback(config.trainer.early_stopping_patience, config.trainer.early_stopping_threshold)
        )
    return Seq2SeqTrainer(
        model=model,
        args=training_arguments(config, folder),
        train_dataset=train,
        eval_dataset=evaluation,
        processing_class=tokenizer,
        data_collator=DataCollatorForSeq2Seq(tokenizer, model=model, pad_to_multiple_of=8),
        compute_loss_func=token_mean_loss(config.trainer.label_smoothing_factor),
        callbacks=callbacks,
    )


def token_mean_loss(smoothing: float = 0.0) -> Callable[..., "torch.Tensor"]:
    """Cross-entropy summed over the target tokens and divided by the number of them in the whole batch.

    The Trainer hands that number over for all accumulated micro-batches together, so that 8 x 1 equals 4 x 2; T5's own
    mean over each micro-batch makes loss and gradient as many times too large as there are micro-batches.
    """

    def loss(outputs: Any, labels: "torch.Tensor", num_items_in_batch: Any = None) -> "torch.Tensor":
        from torch.nn.functional import cross_entropy

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
