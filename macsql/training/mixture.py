"""How the examples of the three agents are balanced in training: which rows an epoch takes, and in which order.

    real          every row once
    undersample   as many rows of each agent as the smallest has
    oversample    as many rows of each agent as the largest has, rows of the others repeated
    temperature   as many rows as there are, an agent's share proportional to count ** (1 / temperature)
                  (Raffel et al., 2020, section 3.5.2, without their limit on an agent's size)
    matched       equal shares in as many optimizer steps as `real` takes: settings that differ in balance alone

`steps` sets the optimizer steps of an epoch for any of them, so that all settings do the same work; rows are then
repeated or left out, the shares stay. An agent without rows takes no part. `ratio` thins the rows beforehand, so
that data whose agents are equal can stand for data whose agents are not; the same rows are kept for every mixture.
`rows` thins them further, to a number: those of a smaller number are among those of a larger one.
The evaluation set is never touched by a mixture. `trainer.train_sampling_strategy=group_by_length` changes the order
of an epoch's rows alone.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from macsql.config import Config, MixtureConfig
from macsql.errors import UserError
from macsql.factory.thinning import draw, random_of, thinned
from macsql.records import AGENTS, Agent
from macsql.training.grouping import grouped, steps_sorted

if TYPE_CHECKING:
    from torch.utils.data import Sampler

MIXTURES = ("real", "undersample", "oversample", "temperature", "matched")
ORDERS = ("random", "group_by_length")  # of trainer.train_sampling_strategy, those that every mixture has


def check(cfg: MixtureConfig) -> None:
    """Raise UserError for a mixture that cannot be, before any data is read."""
    if cfg.name not in MIXTURES:
        raise UserError(f"Unknown mixture.name {cfg.name!r}: choose one of {', '.join(MIXTURES)}.")
    if not cfg.temperature > 0:  # nan is not greater either
        raise UserError(
            f"mixture.temperature={cfg.temperature} is not a temperature: write a number above 0 (1 is real)."
        )
    if unknown := [agent for agent in cfg.ratio if agent not in AGENTS]:
        raise UserError(f"mixture.ratio names {unknown[0]!r}: the agents are {', '.join(AGENTS)}.")
    if bad := [agent for agent, parts in cfg.ratio.items() if not (parts > 0 and math.isfinite(parts))]:
        raise UserError(f"mixture.ratio.{bad[0]}={cfg.ratio[bad[0]]} is not a part: write a number above 0.")
    if cfg.rows is not None and cfg.rows < 1:
        raise UserError(f"mixture.rows={cfg.rows}: a training has at least 1 row (null: all there are).")
    if cfg.steps is not None and cfg.steps < 1:
        raise UserError(
            f"mixture.steps={cfg.steps}: an epoch has at least 1 optimizer step (null: what the rows give)."
        )


def epoch_indices(
    agents: Sequence[Agent],
    cfg: MixtureConfig,
    epoch: int,
    batch_size: int | None = None,
    seed: int = 0,
    lengths: Sequence[int] | None = None,
) -> list[int]:
    """Row numbers that an epoch takes, in training order; where `lengths` has each row's, rows of like length together.

    `agents` names the agent of each row; `batch_size` is rows an optimizer step (needed for `steps`, `matched`,
    `lengths`).
    Which rows are drawn depends on `cfg.seed`, and on the epoch where `cfg.resample`; their order on the trial's `seed`
    and the epoch too. Every epoch has the same length, and of an agent's rows none is taken twice before all are taken.
    Raises UserError for a bad configuration or where there are no rows.
    """
    check(cfg)
    pools = _pools(agents)
    if not pools:
        raise UserError("There are no training examples to mix: no agent has a row.")
    pools = thinned(pools, cfg)
    key = f"{cfg.seed}/{epoch if cfg.resample else 'once'}"
    if cfg.name == "undersample":
        smallest = min(map(len, pools.values()))
        pools = {agent: draw(rows, smallest, f"{key}/pool/{agent}") for agent, rows in pools.items()}
    counts = _shares(_weights(cfg, pools), _size(cfg, pools, batch_size))
    taken = [row for agent, rows in pools.items() for row in draw(rows, counts[agent], f"{key}/rows/{agent}")]
    random_of(f"{cfg.seed}/{seed}/{epoch}/order").shuffle(taken)
    if lengths is None or batch_size is None:
        return taken
    return grouped(taken, lengths, batch_size, random_of(f"{cfg.seed}/{seed}/{epoch}/lengths"))


def sampler(
    agents: Sequence[Agent],
    cfg: MixtureConfig,
    seed: int,
    batch_size: int,
    lengths: Sequence[int] | None = None,
    arrange: Callable[[list[int]], list[int]] = list,
) -> "Sampler[int]":
    """`epoch_indices`, arranged, for a DataLoader. The Trainer calls `set_epoch`: a resumed run sees the same rows."""
    from torch.utils.data import Sampler

    class MixtureSampler(Sampler[int]):
        def __init__(self) -> None:
            self.epoch = 0
            self.length = len(epoch_indices(agents, cfg, 0, batch_size, seed))

        def set_epoch(self, epoch: int) -> None:
            self.epoch = epoch

        def __len__(self) -> int:
            return self.length

        def __iter__(self) -> Iterator[int]:
            return iter(arrange(epoch_indices(agents, cfg, self.epoch, batch_size, seed, lengths)))

    return MixtureSampler()


def trainer_sampler(
    agents: Sequence[Agent], config: Config, lengths: Sequence[int] | None = None
) -> "Sampler[int] | None":
    """The mixture's sampler; None where an order of the Trainer's own is asked for, which only `real` allows.

    `lengths` has each row's: for group_by_length, and to sort the rows of a step of several micro-batches.
    """
    trainer = config.trainer
    if trainer.train_sampling_strategy not in ORDERS:
        chosen = config.mixture
        if chosen.name != "real" or chosen.ratio or chosen.steps is not None or chosen.rows is not None:
            raise UserError(
                f"trainer.train_sampling_strategy={trainer.train_sampling_strategy} takes every row once, which "
                f"this mixture ({chosen.name}) does not: use {' or '.join(ORDERS)}."
            )
        return None
    by_length = lengths if trainer.train_sampling_strategy == "group_by_length" else None
    size = trainer.rows_per_step
    if lengths is None or trainer.gradient_accumulation_steps == 1:
        return sampler(agents, config.mixture, config.seed, size, by_length)
    return sampler(agents, config.mixture, config.seed, size, by_length, lambda rows: steps_sorted(rows, lengths, size))


def _pools(agents: Sequence[Agent]) -> dict[Agent, list[int]]:
    rows: dict[Agent, list[int]] = {agent: [] for agent in AGENTS}
    for number, agent in enumerate(agents):
        rows[agent].append(number)
    return {agent: numbers for agent, numbers in rows.items() if numbers}


def _weights(cfg: MixtureConfig, pools: Mapping[Agent, Sequence[int]]) -> dict[Agent, float]:
    if cfg.name == "real":
        return {agent: len(rows) for agent, rows in pools.items()}
    if cfg.name == "temperature":
        largest = max(map(len, pools.values()))  # as shares of the largest no power can overflow
        return {agent: math.pow(len(rows) / largest, 1 / cfg.temperature) for agent, rows in pools.items()}
    return dict.fromkeys(pools, 1.0)


def _size(cfg: MixtureConfig, pools: Mapping[Agent, Sequence[int]], batch_size: int | None) -> int:
    total = sum(map(len, pools.values()))
    if cfg.steps is not None or cfg.name == "matched":
        if batch_size is None or batch_size < 1:
            raise UserError(f"mixture={cfg.name} counts optimizer steps and needs a batch size of at least 1.")
        return (cfg.steps if cfg.steps is not None else -(-total // batch_size)) * batch_size
    if cfg.name == "oversample":
        return max(map(len, pools.values())) * len(pools)
    return total  # of the undersampled pools, where they are


def _shares(weights: Mapping[Agent, float], total: int) -> dict[Agent, int]:
    """Whole numbers that add up to `total`, by largest remainder; of equal remainders the earlier agent wins."""
    scale = total / sum(weights.values())
    exact = {agent: weight * scale for agent, weight in weights.items()}
    counts = {agent: math.floor(value + 1e-9) for agent, value in exact.items()}
    by_remainder = sorted(weights, key=lambda agent: counts[agent] - exact[agent])
    for agent in by_remainder[: total - sum(counts.values())]:
        counts[agent] += 1
    return counts
