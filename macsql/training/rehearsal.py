"""A fine-tune in small: what still dies of a configuration that has passed every check dies here, in seconds."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from macsql.config import Config
from macsql.records import Example
from macsql.trials.stopping import StopRequest

ROWS = 2  # of training and of evaluation
TOKENS = 2  # of the answer
OF_A_GPU = ("fp16", "bf16", "tf32", "torch_compile", "half_precision")  # arguments that a CPU may refuse


def rehearse(config: Config, train: Sequence[Example], evaluation: Sequence[Example], fingerprint: str) -> float:
    """Build tokenizer, model and Trainer, take two steps, evaluate and answer once, on this machine's CPU.

    Returns the seconds of the second step per row; a larger batch takes less per row. Leaves nothing behind. Raises
    whatever a trial would raise.
    """
    from macsql.models.decoding import predict
    from macsql.models.families import model_of, text_of
    from macsql.training import stages
    from macsql.training.trainer import make_trainer

    stages.begin(config)
    config = _in_small(config)
    model = model_of(config, text_of(config, train), fingerprint)
    with TemporaryDirectory() as folder:
        rows, judged = train[:ROWS], evaluation[:ROWS]
        trainer = make_trainer(config, model, rows, judged, Path(folder), lambda *_: None, StopRequest())
        trainer.create_optimizer_and_scheduler(num_training_steps=ROWS)
        step: Any = trainer.training_step
        optimizer: Any = trainer.optimizer
        batch = next(iter(trainer.get_train_dataloader()))
        for _ in range(2):  # the first one sets up what the others find there
            began = time.perf_counter()
            step(trainer.model, dict(batch))
            optimizer.step()
            optimizer.zero_grad()
        seconds = time.perf_counter() - began
        trainer.evaluate()
        predict(model, rows[:1], config.generation)
    return seconds / len(rows)


def _in_small(config: Config) -> Config:
    options = {key: value for key, value in config.trainer.options.items() if not key.startswith(OF_A_GPU)}
    trainer = dataclasses.replace(
        config.trainer,
        per_device_train_batch_size=ROWS,
        per_device_eval_batch_size=ROWS,
        gradient_accumulation_steps=1,
        bf16="false",
        use_liger_kernel="false",
        options={**options, "use_cpu": True},
    )
    generation = dataclasses.replace(config.generation, max_new_tokens=TOKENS, batch_size=1)
    mixture = dataclasses.replace(config.mixture, rows=None)
    return dataclasses.replace(config, trainer=trainer, generation=generation, mixture=mixture)
