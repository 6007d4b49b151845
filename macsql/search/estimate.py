"""What a sweep will cost, before it is paid: steps and time. macsql.search.footprint has memory and disk."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from macsql.config import Config, ModelConfig, from_yaml
from macsql.errors import UserError
from macsql.records import Agent, Example
from macsql.training import mixture
from macsql.trials.folder import CONFIG, RESULT
from macsql.trials.result import Result, read_result

# Sustained multiply-adds x 2 a second and thread in float32 that a plain CPU core gives such small matrices; measured
# runs vary by a factor of three either way, which is why the plan says "about" until a trial has finished.
FLOPS_A_THREAD = 25e9
FLOPS_A_GPU = 20e12
TOKENS_A_ROW = 160  # source and target together, where the examples have not been looked at
LETTERS_A_TOKEN = 4  # about, for every tokenizer of the house
START_SECONDS = 12.0  # importing torch and transformers, loading
MEASURED = 30  # finished trials that an estimate reads at most; more do not make it better


@dataclass(frozen=True)
class Workload:
    """What one trial has to do."""

    steps: int  # optimizer steps
    rows: int  # training rows of one step
    parameters: int = 0  # of its model; 0: as many as the sweep's largest


@dataclass(frozen=True)
class Finished:
    """A trial that has finished: what its last attempt had to do and how long that took."""

    work: Workload
    result: Result


@dataclass(frozen=True)
class Cost:
    """An estimate for a whole sweep."""

    steps: dict[int, int]  # optimizer steps of each trial, by index
    seconds: float  # with the executor's workers
    measured: int  # finished trials that the time was read from; 0: a guess from the model's size


def optimizer_steps(config: Config, agents: Sequence[Agent]) -> int:
    """How many optimizer steps a trial takes, early stopping aside. `agents` names the agent of each training row."""
    trainer = config.trainer
    if trainer.max_steps > 0:
        return trainer.max_steps
    batch = trainer.rows_per_step
    rows = len(mixture.epoch_indices(agents, config.mixture, 0, batch, config.seed))
    return math.ceil(math.ceil(rows / batch) * trainer.num_train_epochs)


def finished(state_dir: Path, name: str, planned: Mapping[int, str] = {}) -> dict[int, Finished | None]:
    """Place in the plan -> a sweep's finished trial; None for those behind the first MEASURED, which only count.

    `planned` names the folders of places whose trials are known: another one there is of a study that is gone.
    """
    found: dict[int, Finished | None] = {}
    for path in sorted((state_dir / "trials").glob(f"{name}-*/{RESULT}")):
        match = re.fullmatch(re.escape(name) + r"-(\d+)-[0-9a-f]{8}", path.parent.name)
        if match is None or planned.get(int(match[1]), path.parent.name) != path.parent.name:
            continue
        result = read_result(path.parent)
        if result is None or result.status == "FAILED":
            continue
        told: Finished | None = None
        if result.status == "FINISHED" and sum(item is not None for item in found.values()) < MEASURED:
            try:
                config = from_yaml((path.parent / CONFIG).read_text(encoding="utf-8"))
            except UserError:  # an earlier version's, with other words: of no sweep of this one
                continue
            told = Finished(Workload(result.timed_steps, config.trainer.rows_per_step, size_of(config.model)), result)
        found[int(match[1])] = told
    return found


def size_of(model: ModelConfig) -> int:
    """About how many parameters a model has; 0 where that cannot be told, as of a folder that is gone."""
    from macsql.models.families import parameters

    try:
        return parameters(model) or 0
    except (UserError, KeyError):
        return 0


def tokens_a_row(examples: Sequence[Example]) -> float:
    """About how many tokens an example's source and target have together, from the first few hundred."""
    looked_at = examples[:: max(1, len(examples) // 300)]
    letters = sum(len(row.source) + len(row.target) for row in looked_at)
    return letters / LETTERS_A_TOKEN / max(1, len(looked_at))


def estimate(
    trials: Mapping[int, Workload],
    done: Mapping[int, Finished | None],
    parameters: int | None,
    workers: int,
    threads: int,
    gpu: bool,
    tokens: float = TOKENS_A_ROW,
) -> Cost:
    """Time from the trials that have finished, else from the model's size.

    A finished trial tells how long a row of training takes for each parameter and how long everything else does
    (loading, generating, scoring); the median of each is what the missing ones are expected to take. `tokens`: of
    source and target of a row.
    """
    size = parameters or 60_500_000
    missing = [work for index, work in trials.items() if index not in done]
    timed = [item for item in done.values() if item is not None and item.work.steps]
    # one that was resumed near its end tells little of how long a step takes
    measured = [item for item in timed if item.work.steps == item.result.steps] or timed
    if measured:
        a_weight = median(
            _train_seconds(item) / (item.work.steps * item.work.rows * (item.work.parameters or size))
            for item in measured
        )
        fixed = median(item.result.seconds - _train_seconds(item) for item in measured)
    else:
        a_weight = 6 * tokens / (FLOPS_A_GPU if gpu else FLOPS_A_THREAD * threads)
        fixed = START_SECONDS
    alone = [work.steps * work.rows * (work.parameters or size) * a_weight + fixed for work in missing]
    steps = {index: work.steps for index, work in trials.items()}
    return Cost(steps, side_by_side(alone, workers), len(measured))


def side_by_side(seconds: Sequence[float], workers: int) -> float:
    """How long trials of these lengths take, as many at once as there are workers; the last ones run with fewer."""
    return max([sum(seconds) / max(1, workers), *seconds]) if seconds else 0.0


def _train_seconds(item: Finished) -> float:
    return item.result.parts.get("train", item.result.seconds)
