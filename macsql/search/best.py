"""Which of a sweep's settings is the best: one rule for MLflow's tags and for every report."""

from collections.abc import Hashable, Iterable
from statistics import fmean
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


def best_on_average(values: Iterable[tuple[Key, float]], sign: int) -> Key | None:
    """The key with the best mean of its values, of equal ones the first; None without any.

    A value per seed: the mean keeps one lucky seed from naming the best. `sign`: 1 where lower is better, else -1
    (SweepConfig.sign). What is shown of the best is its first seed, whatever that gave.
    """
    groups: dict[Key, list[float]] = {}
    for key, value in values:
        groups.setdefault(key, []).append(value)
    return min(groups, key=lambda key: sign * fmean(groups[key]), default=None)
