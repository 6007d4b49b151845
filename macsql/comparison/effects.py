"""What each axis of a full factorial sweep does: main effects and interactions, question by question.

A main effect is what one value of an axis gives over its first value, averaged over every value of the other axes. An
interaction is how much that gain changes with the value of a second axis. Both are weighted sums of settings, so each
has the intervals of any other difference (macsql.comparison.paired).
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from macsql.comparison.paired import Difference, paired
from macsql.comparison.settings import TriedSetting

METRICS = ("all/exact_match", "all/execution_accuracy")
MOST = 36  # settings from which on a list of effects is longer than anybody reads


@dataclass(frozen=True)
class Effect(Difference):
    """One main effect or interaction in one figure."""

    change: str  # "agents: brief instead of mac_sql", with " x codec: …" behind it for an interaction


def effects(settings: Sequence[TriedSetting], reference: TriedSetting | None) -> list[Effect]:
    """The effects of a sweep that tried every combination of two axes or more; none of any other sweep.

    The first value of each axis is the reference's, where there is one, else that of the plan's first setting.
    """
    axes = _axes(settings, reference)
    if len(axes) < 2 or not _whole(settings, axes):
        return []
    changes = [(key, value) for key, values in axes.items() for value in values[1:]]
    terms = [[change] for change in changes]
    terms += [list(pair) for pair in itertools.combinations(changes, 2) if pair[0][0] != pair[1][0]]
    found = []
    for term in terms:
        weights = _weights(settings, axes, dict(term))
        words = " x ".join(f"{key.rpartition('.')[2]}: {value} instead of {axes[key][0]}" for key, value in term)
        for metric in METRICS:
            if (pairs := paired(weights, metric)) is not None:
                found.append(Effect(**vars(pairs.worth), change=words))
    return found


def _axes(settings: Sequence[TriedSetting], reference: TriedSetting | None) -> dict[str, list[str]]:
    """Key -> its values as text, for the keys that vary; the reference's value first."""
    axes = {}
    for key in settings[0].values if settings else {}:
        values = [_value(setting, key) for setting in (reference or settings[0], *settings)]
        if len(set(values)) > 1:
            axes[key] = list(dict.fromkeys(values))
    return axes


def _whole(settings: Sequence[TriedSetting], axes: Mapping[str, list[str]]) -> bool:
    """Whether every combination is there, once."""
    tried = {tuple(_value(setting, key) for key in axes) for setting in settings}
    return len(settings) <= MOST and len(tried) == len(settings) and tried == set(itertools.product(*axes.values()))


def _weights(
    settings: Sequence[TriedSetting], axes: Mapping[str, list[str]], term: Mapping[str, str]
) -> list[tuple[TriedSetting, float]]:
    """1 or -1 for each setting that has the new or the first value of every axis in `term`, over the others' values."""
    rest = math.prod(len(values) for key, values in axes.items() if key not in term)
    found = []
    for setting in settings:
        signs = [(_value(setting, key) == new) - (_value(setting, key) == axes[key][0]) for key, new in term.items()]
        if all(signs):
            found.append((setting, math.prod(signs) / rest))
    return found


def _value(setting: TriedSetting, key: str) -> str:
    return str(setting.values.get(key))
