"""A sweep's settings, each with its trials, which differ in nothing but their seed."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from macsql.comparison.collect import StoredTrial
from macsql.comparison.published import Part, matches
from macsql.comparison.statistics import Spread, spread
from macsql.search.best import best_on_average
from macsql.search.objectives import SAME_TARGETS, differing


@dataclass(frozen=True)
class TriedSetting:
    """A setting of a sweep with its finished trials, by seed."""

    label: str
    values: dict[str, Any]  # key -> value
    trials: tuple[StoredTrial, ...]
    by_seed: tuple[dict[str, float], ...]  # the figures of each trial

    @property
    def repeats(self) -> list[int]:
        """Which of its seeds have finished."""
        return [trial.repeat for trial in self.trials]

    @property
    def shown(self) -> StoredTrial:
        """The trial whose answers stand for the setting's: its first seed, whatever that gave."""
        return min(self.trials, key=lambda trial: trial.repeat)

    @property
    def objective(self) -> float | None:
        """The sweep's first objective, as a mean over the seeds; None where no seed has it."""
        metric = self.trials[0].config.sweep.objectives[0]
        results = [trial.result.metrics for trial in self.trials if trial.result is not None]
        told = [metrics[metric] for metrics in results if metric in metrics]
        return fmean(told) if told else None

    @property
    def steps(self) -> int:
        """Optimizer steps of a training, as a mean over the seeds."""
        return round(fmean(trial.result.steps for trial in self.trials if trial.result is not None))

    def figure(self, metric: str) -> Spread | None:
        """A figure over the seeds that have it; None where none has."""
        values = [found[metric] for found in self.by_seed if metric in found]
        return spread(values) if values else None


def settings(told: Iterable[tuple[StoredTrial, dict[str, float]]]) -> list[TriedSetting]:
    """The settings that have a finished trial, in the order of the plan, of its trials with their figures."""
    groups: dict[str, list[tuple[StoredTrial, dict[str, float]]]] = {}
    for trial, figures in told:
        if trial.finished:
            groups.setdefault(json.dumps(trial.setting, sort_keys=True), []).append((trial, figures))
    found = []
    for group in groups.values():
        trials, by_seed = zip(*group, strict=True)
        found.append(TriedSetting(label(trials[0].setting), trials[0].setting, trials, by_seed))
    return found


def best_of(settings: Iterable[TriedSetting]) -> TriedSetting | None:
    """The setting with the best first objective of its sweep, by the mean over its seeds; of equal ones the first."""
    told = [(setting, value) for setting in settings if (value := setting.objective) is not None]
    if not told:
        return None
    sign = told[0][0].trials[0].config.sweep.sign()
    place = best_on_average(((place, value) for place, (_, value) in enumerate(told)), sign)
    return None if place is None else told[place][0]


def label(setting: Part) -> str:
    """What a person tells a setting by; "the one setting" where a sweep has but one."""
    return " ".join(f"{key.rpartition('.')[2]}={value}" for key, value in setting.items()) or "the one setting"


def find(settings: Iterable[TriedSetting], part: Part) -> TriedSetting | None:
    """The best of the settings that agree with part of a setting, by the sweep's first objective."""
    found = [setting for setting in settings if matches(part, setting.values)]
    return best_of(found) or next(iter(found), None)


def losses_comparable(settings: Sequence[TriedSetting]) -> bool:
    """Whether evaluation losses of the settings are of the same targets in the same tokens."""
    return not _differ(settings, SAME_TARGETS)


def mixtures_differ(settings: Sequence[TriedSetting]) -> bool:
    """Whether the settings are trained on different rows."""
    return _differ(settings, ("mixture.",))


def _differ(settings: Sequence[TriedSetting], prefixes: tuple[str, ...]) -> bool:
    return bool(differing([setting.trials[0].config for setting in settings], prefixes))
