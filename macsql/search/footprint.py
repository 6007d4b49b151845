"""What one trial takes of memory and disk, by its model's sizes and its configuration, before it begins."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from macsql.config import Config
from macsql.errors import UserError
from macsql.records import Example
from macsql.search.estimate import LETTERS_A_TOKEN, optimizer_steps
from macsql.search.sizes import Sizes
from macsql.system.room import free_disk, free_memory

GIB = 2**30
NUMBER = 4  # bytes in fp32
PROCESS = 700 * 2**20  # bytes of Python with torch, transformers and datasets
# Of them, what trials that are forked from one process have in common. Of a trial of the built-in model (batch 4 or 8,
# trained, evaluated and asked) the kernel says that 210 to 290 MiB are its own, model and rows included, and 380 are
# the process's that it was forked from; a trial of SmolLM2 still has 380 in common after ten minutes.
SHARED = 550 * 2**20
# Numbers that a layer keeps of a token for the way back, in units of the layer's width and of its inner width; and
# copies of the logits: themselves, in fp32, their gradient. Fitted to SmolLM2-135M in fp32 on a CPU: 2 rows of 360
# tokens, 60 of them answer, measured 3.6 GiB, here 3.8; 8 such rows 7.3, here 7.1; 8 rows of 300 + 150 8.6, here 8.7.
OF_WIDTH, OF_INNER, LOGITS = 12.0, 4.0, 3.0


@dataclass(frozen=True)
class Longest:
    """Tokens of the longest prompt and answer that a trial is trained on, about."""

    source: int
    target: int


@dataclass(frozen=True)
class Footprint:
    """Bytes of one trial."""

    weights: int
    gradients: int
    optimizer: int  # AdamW's two moments
    training: int  # what one step holds beside those: activations and logits of its rows
    evaluation: int  # the same of an evaluation's rows
    checkpoints: int  # on disk, as many as lie there at once
    model: int  # on disk at the end

    @property
    def memory(self) -> int:
        """At the trial's peak."""
        held = PROCESS + self.weights + self.optimizer
        return held + max(self.gradients + self.training, self.evaluation)


def longest(examples: Sequence[Example], config: Config) -> Longest:
    """Of the examples, as far as the model's windows let them through."""
    source, target = (
        max((len(text) for text in texts), default=0) // LETTERS_A_TOKEN + 1
        for texts in ([row.source for row in examples], [row.target for row in examples])
    )
    return Longest(min(source, config.model.max_source_length), min(target, config.model.max_target_length))


def footprint(sizes: Sizes, config: Config, rows: Longest, steps: int) -> Footprint:
    """What a trial of so many optimizer steps takes, in fp32 with AdamW; with bf16 a step takes less than this."""
    trainer = config.trainer
    length = rows.source + rows.target

    def step(batch: int, layers: int, logits: float) -> int:
        tokens = batch * length
        states = tokens * layers * (OF_WIDTH * sizes.width + OF_INNER * sizes.inner)
        scores = 2 * batch * layers * sizes.scores * rows.source**2
        return int(NUMBER * (states + scores + logits * batch * (rows.target + 1) * sizes.words))

    state = NUMBER * sizes.trained
    adapters = config.model.lora.r > 0
    kept = NUMBER * (sizes.trained if adapters else sizes.parameters)
    return Footprint(
        weights=NUMBER * (sizes.parameters + (sizes.trained if adapters else 0)),
        gradients=state,
        optimizer=2 * state,
        training=step(trainer.per_device_train_batch_size, sizes.layers, LOGITS),
        evaluation=step(trainer.per_device_eval_batch_size, 1, LOGITS - 1) if trainer.eval_strategy != "no" else 0,
        checkpoints=_checkpoints(config, steps) * (kept + 2 * state),
        model=kept if adapters and not config.model.lora.merge else NUMBER * sizes.parameters,
    )


def check_memory(trials: Sequence[tuple[Config, Footprint]], workers: int, forks: bool = False) -> str:
    """A sentence for the plan on the memory of the largest trials, `workers` at a time; `forks`: from one process.

    Raises UserError where they do not fit into what is free on this machine, with the figures and what would help.
    """
    at_once = sorted(trials, key=lambda trial: trial[1].memory, reverse=True)[: max(0, workers)]
    if not at_once:
        return ""
    config, largest = at_once[0]
    shared = SHARED if forks and len(at_once) > 1 else 0
    needed, free = shared + sum(each.memory - shared for _, each in at_once), free_memory()
    trained = largest.gradients + largest.optimizer
    parts = (
        f"weights {shown(largest.weights)}, gradients and Adam {shown(trained)}, "
        f"a step's rows {shown(max(largest.training, largest.evaluation))}, the process {shown(PROCESS - shared)}"
    )
    several = f"{len(at_once)} trials at a time need" if len(at_once) > 1 else "a trial needs"
    common = f"; {shown(shared)} is common to all" if shared else ""
    alone = f"{shown(largest.memory - shared)} the largest: " if len(at_once) > 1 else ""
    each = f" ({alone}{parts}{common})"
    said = f"{several} about {shown(needed)} of memory{each}, and {shown(free)} are free"
    if needed > free:
        raise UserError(f"{said[0].upper()}{said[1:]}: {_less(config, largest, len(at_once))}.")
    return f"Memory: {said}."


def check_disk(trials: Sequence[Footprint], workers: int, state_dir: Path) -> int:
    """Bytes of disk that trials which are still to run take at most, `workers` at a time.

    Raises UserError where they do not fit into what is free, with the figures and what would help.
    """
    busy = sorted((trial.checkpoints for trial in trials), reverse=True)[:workers]
    needed, free = sum(trial.model for trial in trials) + sum(busy), free_disk(state_dir)
    if needed > free:
        raise UserError(
            f"The trials need about {shown(needed)} of disk ({shown(needed - sum(busy))} for their models, "
            f"{shown(sum(busy))} for the checkpoints of those at work), and {shown(free)} are free in "
            f"{state_dir}: make room, name another disk with tracking.state_dir=DIR, set trainer.save_total_limit=1, "
            "or train adapters alone with model.lora.r=16 model.lora.merge=false."
        )
    return needed


def check_room(config: Config, examples: Sequence[Example]) -> list[str]:
    """The same for one fine-tune on these training examples: sentences on what it takes, or UserError."""
    from macsql.search.sizes import sizes
    from macsql.training.precision import on_cpu

    steps = optimizer_steps(config, [row.agent for row in examples])
    known = sizes(config.model)
    found = footprint(known, config, longest(examples, config), steps)
    disk = f"Disk: up to {shown(check_disk([found], 1, Path(config.tracking.state_dir)))}."
    size = f"Model {config.model.name}: {known}, {steps} optimizer steps."
    return [size, check_memory([(config, found)], 1), disk] if on_cpu(config) else [size, disk]


def _checkpoints(config: Config, steps: int) -> int:
    """How many lie on disk at once, at most: those that are kept, and the one that is being written."""
    trainer = config.trainer
    if trainer.save_strategy == "no":
        return 1  # that of a stop
    by_steps = trainer.save_steps if trainer.save_steps >= 1 else max(1.0, trainer.save_steps * steps)
    saves = steps / by_steps if trainer.save_strategy == "steps" else trainer.num_train_epochs
    limit = trainer.save_total_limit
    kept = math.inf if limit is None else limit + (limit == 1 and trainer.load_best_model_at_end)
    return int(min(max(1, math.ceil(saves)), kept)) + 1


def _less(config: Config, largest: Footprint, workers: int) -> str:
    """What takes less memory, of what this configuration leaves to choose."""
    trainer, ways = config.trainer, []
    batch, times = trainer.per_device_train_batch_size, trainer.gradient_accumulation_steps
    if workers > 1:
        ways.append(f"executor.workers={workers - 1}")
    if batch > 1 and largest.training > largest.memory / 5:
        half = batch // 2
        ways.append(
            f"trainer.per_device_train_batch_size={half} trainer.gradient_accumulation_steps={batch * times // half}"
        )
    if trainer.per_device_eval_batch_size > 1 and largest.evaluation > largest.gradients + largest.training:
        ways.append(f"trainer.per_device_eval_batch_size={max(1, trainer.per_device_eval_batch_size // 4)}")
    if not config.model.lora.r and largest.gradients + largest.optimizer > largest.memory / 5:
        ways.append("model.lora.r=16")
    return f"try {', or '.join([*ways, 'a smaller model'])}"


def shown(size: int) -> str:
    """Bytes as a sentence says them."""
    return f"{size / GIB:.1f} GiB" if size >= GIB / 10 else f"{size / 2**20:.0f} MiB"
