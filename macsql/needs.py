"""What the numbers of a configuration must be; each command checks the groups that it uses, before any cost."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from macsql.config import AUTO, Config
from macsql.errors import UserError

SEEDS = 2**32  # numpy takes no larger ones


@dataclass(frozen=True)
class Need:
    """What the values of some keys must be; null passes where the key may be null."""

    holds: Callable[[Any], bool]
    words: str
    keys: tuple[str, ...]


def _threads(value: Any) -> bool:
    return value == AUTO or (str(value).isdecimal() and int(value) >= 1)


NEEDS = (
    Need(
        lambda value: value >= 1,
        "at least 1 is needed",
        (
            *("generation.batch_size", "generation.max_new_tokens", "generation.num_beams", "generation.limit"),
            *("trainer.per_device_train_batch_size", "trainer.per_device_eval_batch_size"),
            *("trainer.gradient_accumulation_steps", "trainer.save_total_limit", "trainer.early_stopping_patience"),
            "metrics.workers",
        ),
    ),
    Need(_threads, "at least 1, or auto, is needed", ("executor.threads",)),
    Need(
        lambda value: 0 < value < math.inf,
        "a number above 0 is needed",
        (
            *("generation.temperature", "metrics.time_limit", "trainer.learning_rate", "scale.learning_rate_factor"),
            *("trainer.logging_steps", "trainer.eval_steps", "trainer.save_steps"),
        ),
    ),
    Need(
        lambda value: 0 <= value < math.inf,
        "0 or more is needed",
        ("trainer.warmup_steps", "trainer.weight_decay", "trainer.max_grad_norm", "trainer.early_stopping_threshold"),
    ),
    Need(lambda value: 0 <= value < 1, "a share from 0 to below 1 is needed", ("trainer.label_smoothing_factor",)),
    Need(lambda value: 0 <= value < SEEDS, f"a whole number from 0 to {SEEDS - 1} is needed", ("seed",)),
)


def check_numbers(config: Config, *groups: str) -> None:
    """Raise UserError for the first number of these groups (or keys outside of groups) that cannot be meant."""
    given = asdict(config)
    for need in NEEDS:
        for key in need.keys:
            group, _, name = key.rpartition(".")
            if (group or name) not in groups:
                continue
            value = given[group][name] if group else given[name]
            if value is not None and not need.holds(value):
                told = value if isinstance(value, str) else f"{value:.12g}"
                raise UserError(f"{key}={told}: {need.words}.")
    if "generation" in groups and config.generation.guided and config.generation.num_beams < 2:
        raise UserError(
            "generation.guided=true takes one of several beams: generation.num_beams of 2 or more is needed."
        )
