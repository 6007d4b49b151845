"""What a sweep will cost, before it is paid: steps, time, disk."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from macsql.config import Config
from macsql.records import Agent
from macsql.search.plan import PlannedTrial
from macsql.training import mixture
from macsql.training.trial import read_result

# Sustained multiply-adds x 2 a second and thread in float32 that a plain CPU core gives such small matrices; measured
# runs vary by a factor of three either way, which is why the plan says "about" until a trial has finished.
FLOPS_A_THREAD = 12e9
FLOPS_A_GPU = 20e12
TOKENS_A_ROW = 160  # source and target of a compact example, on average
START_SECONDS = 12.0  # importing torch and transformers, loading


@dataclass(frozen=True)
class Cost:
    """An estimate for a whole sweep."""

    steps: dict[int, int]  # optimizer steps of each trial, by index
    seconds: float  # with the executor's workers
    disk_bytes: int
    measured: int  # finished trials that the time was read from; 0: a guess from the model's size


def optimizer_steps(config: Config, agents: Sequence[Agent]) -> int:
    """How many optimizer steps a trial takes, early stopping aside. `agents` names the agent of each training row."""
    trainer = config.trainer
    if trainer.max_steps > 0:
        return trainer.max_steps
    batch = trainer.per_device_train_batch_size * trainer.gradient_accumulation_steps
    rows = len(mixture.epoch_indices(agents, config.mixture, 0, batch, config.seed))
    return math.ceil(math.ceil(rows / batch) * trainer.num_train_epochs)


def estimate(
    trials: Sequence[PlannedTrial], steps: dict[int, int], parameters: int | None, workers: int, threads: int, gpu: bool
) -> Cost:
    """Time from the trials that have finished, else from the model's size; disk from the model's size."""
    size = parameters or 60_500_000
    missing = []
    rates = []
    for trial in trials:
        result = read_result(trial.folder)
        if result is None or result.status != "FINISHED":
            missing.append(trial)
            continue
        rows = result.steps * trial.config.trainer.per_device_train_batch_size
        rates.append((result.seconds - START_SECONDS) / max(1, rows))
    if rates:
        a_row = max(0.0, sum(rates) / len(rates))
    else:
        speed = FLOPS_A_GPU if gpu else FLOPS_A_THREAD * threads
        a_row = 6 * size * TOKENS_A_ROW / speed
    rows = sum(steps[trial.index] * trial.config.trainer.per_device_train_batch_size for trial in missing)
    seconds = (rows * a_row + START_SECONDS * len(missing)) / max(1, min(workers, len(missing) or 1))
    # a finished trial keeps its model; a running one has up to two checkpoints with AdamW's two moments each
    disk = 4 * size * (len(missing) + 2 * 3 * min(workers, len(missing)))
    return Cost(steps, seconds, disk, len(rates))
