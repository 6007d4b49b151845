"""What Optuna plots of a study, drawn from the trials: history, parallel coordinates, importance of each axis."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from macsql.charts.canvas import (
    FAINT,
    INK,
    Plot,
    Scale,
    dot,
    element,
    number,
    picture,
    scale,
    shortened,
)
from macsql.comparison.experiment import MeasuredTrial
from macsql.search.space import Range, Space

FEW = 16  # trials up to which each place has its number
RAMP = ((0.0, (0, 66, 118)), (0.5, (84, 150, 185)), (1.0, (205, 205, 205)))  # best to worst: dark to pale


@dataclass(frozen=True)
class Objective:
    """What the sweep optimises."""

    metric: str
    minimize: bool


def history(reports: Sequence[MeasuredTrial], objective: Objective) -> Markup | None:
    """The objective of each trial by its place in the plan, and the best one so far; None where none has it."""
    told = [(report.trial.index + 1, value) for report in reports if (value := value_of(report, objective)) is not None]
    if not told:
        return None
    places = [report.trial.index + 1 for report in reports]
    plot = Plot(scale(places, 56, 740, log=False), scale([value for _, value in told], 250, 30))
    choose = min if objective.minimize else max
    best: list[tuple[float, float]] = []
    for place, value in told:
        if best:
            best.append((place, best[-1][1]))
        best.append((place, choose(value, best[-1][1]) if best else value))
    missing = [report for report in reports if value_of(report, objective) is None]
    crosses = [_cross(plot.x(report.trial.index + 1), 250 - 6, report) for report in missing]
    ticks = places if len(places) <= FEW else [tick for tick in plot.x.ticks if tick in places]
    words = f"{objective.metric}{' (log scale)' if plot.y.log else ''}"
    axes = plot.axes("trial, by its place in the plan", words, ticks)
    marks = [plot.line(best, "#d55e00", 2), plot.dots(told, "#0072b2", size=3.6), *crosses]
    return picture(760, 292, f"{objective.metric} of {len(told)} trials and the best so far", axes, *marks)


def parallel(reports: Sequence[MeasuredTrial], objective: Objective, space: Space) -> Markup | None:
    """A line per trial through its axes to its objective; None where fewer than two trials have one."""
    told = [(report, value) for report in reports if (value := value_of(report, objective)) is not None]
    keys = varied([report.trial.setting for report, _ in told])
    if len(told) < 2 or not keys:
        return None
    top, bottom, left, right = 44.0, 270.0, 70.0, 690.0
    gap = (right - left) / len(keys)
    values = [value for _, value in told]
    last = scale(values, *((top, bottom) if objective.minimize else (bottom, top)))
    axes = [_axis(key, [report.trial.setting[key] for report, _ in told], space, top, bottom) for key in keys]
    ranked = sorted(told, key=lambda item: item[1], reverse=objective.minimize)  # the best is drawn last
    lines = []
    for rank, (report, value) in enumerate(ranked):
        heights = [axis.height(report.trial.setting[key]) for key, axis in zip(keys, axes, strict=True)] + [last(value)]
        points = " ".join(f"{left + place * gap:.1f},{height:.1f}" for place, height in enumerate(heights))
        is_best = rank == len(ranked) - 1
        colour = "#d55e00" if is_best else _ramp(1 - rank / (len(ranked) - 1))
        title = element("title", f"{report.trial.label}: {number(value)}")
        lines.append(
            element("polyline", title, points=points, class_="line", stroke=colour, stroke_width=3 if is_best else 1.5)
        )
    drawn = [_axis_marks(axis, left + place * gap, top, bottom) for place, axis in enumerate(axes)]
    ticks = [(number(tick), last(tick)) for tick in last.ticks]
    drawn.append(_axis_marks(_Axis(objective.metric, tuple(ticks), {}, None), right, top, bottom))
    return picture(760, 300, f"{len(told)} trials by axis, and their {objective.metric}", *lines, *drawn)


def importance(shares: Mapping[str, float]) -> Markup | None:
    """A bar for each axis: the share of the objective's variance that goes with it; None without any."""
    if not shares:
        return None
    rows, width = [], Scale(0, 1, 250, 690)
    for place, (key, share) in enumerate(shares.items()):
        y = 12.0 + 30 * place
        name = element("text", shortened(short(key), 36), x=240, y=y + 14, class_="label", text_anchor="end")
        back = element("rect", x=250, y=y, width=440, height=20, fill="#eef1f4")
        bar = element("rect", x=250, y=y, width=width(share) - 250, height=20, fill="#0072b2")
        text = element("text", f"{share:.0%}", x=width(share) + 6, y=y + 14, class_="label")
        rows += [back, bar, name, text]
    return picture(760, 20 + 30 * len(shares), "Importance of each axis", *rows)


def value_of(report: MeasuredTrial, objective: Objective) -> float | None:
    """A finished trial's objective, where it has one that is a number."""
    if report.trial.result is None or not report.trial.finished:
        return None
    value = report.trial.result.metrics.get(objective.metric)
    return value if value is not None and math.isfinite(value) else None


def varied(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys that all settings name and that are not the same in all, in the order of the first."""
    keys = [key for key in (settings[0] if settings else {}) if all(key in setting for setting in settings)]
    return [key for key in keys if len({str(setting[key]) for setting in settings}) > 1]


def short(key: str) -> str:
    """A key's own name, without its group."""
    return key.rpartition(".")[2]


@dataclass(frozen=True)
class _Axis:
    """One upright axis of parallel coordinates: where words stand, or where numbers lie."""

    title: str
    ticks: tuple[tuple[str, float], ...]
    places: Mapping[str, float]
    numbers: Scale | None

    def height(self, value: Any) -> float:
        return self.numbers(float(value)) if self.numbers else self.places[str(value)]


def _axis(key: str, values: Sequence[Any], space: Space, top: float, bottom: float) -> _Axis:
    axis = space.get(key)
    if isinstance(axis, Range):
        numbers = Scale(axis.low, axis.high, bottom, top, axis.log)
        return _Axis(short(key), tuple((number(tick), numbers(tick)) for tick in numbers.ticks), {}, numbers)
    words = list(dict.fromkeys(str(value) for value in _in_order(values)))
    room = (bottom - top) / max(1, len(words))
    places = {word: bottom - room * (place + 0.5) for place, word in enumerate(words)}
    return _Axis(short(key), tuple(places.items()), places, None)


def _in_order(values: Sequence[Any]) -> list[Any]:
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return sorted(values)
    return list(values)


def _axis_marks(axis: _Axis, x: float, top: float, bottom: float) -> Markup:
    parts = [element("line", x1=x, x2=x, y1=top - 6, y2=bottom + 6, class_="axis")]
    title = element("title", axis.title)
    parts.append(
        element("text", title, shortened(axis.title, 30), x=x, y=top - 18, class_="title", text_anchor="middle")
    )
    for word, y in axis.ticks:
        shown = shortened(word, 18)
        parts.append(dot(x, y, INK, size=2))
        parts.append(element("text", element("title", word), shown, x=x + 7, y=y + 4, class_="tick halo"))
    return Markup("").join(parts)


def _cross(x: float, y: float, report: MeasuredTrial) -> Markup:
    reason = report.trial.result.reason if report.trial.result else ""
    title = element("title", f"{report.trial.label}: {report.trial.state} {reason}")
    path = f"M{x - 4:.1f},{y - 4:.1f}l8,8m0,-8l-8,8"
    return element("path", title, d=path, stroke=INK if report.trial.result else FAINT, stroke_width=2, fill="none")


def _ramp(share: float) -> str:
    for (low, first), (high, second) in itertools.pairwise(RAMP):
        if share <= high:
            at = (share - low) / (high - low)
            return "#" + "".join(f"{round(a + (b - a) * at):02x}" for a, b in zip(first, second, strict=True))
    return FAINT
