"""How many answers are right, against the number of rows that a training had."""

from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

from macsql.charts.canvas import COLOURS, INK, SHAPES, Plot, Scale, element, picture, scale
from macsql.comparison.figures import chosen, title
from macsql.comparison.settings import TriedSetting
from macsql.comparison.statistics import Interval, exact_interval

ROWS = "mixture.rows"
METRICS = ("decomposer/execution_accuracy", "decomposer/exact_match", "selector/accuracy", "refiner/execution_accuracy")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 360, 56, 560, 30, 318
NEAREST = 15  # pixels between the names of two lines


def learning_curve(settings: Sequence[TriedSetting]) -> Markup | None:
    """A line per figure with exact 95 % intervals over the questions, or per setting where more than the rows varies.

    In the second case it is the first figure that has any points. A point is the mean over a setting's seeds. None
    where the rows do not vary.
    """
    drawn, heading = _lines(settings)
    if not drawn:
        return None
    places = sorted({rows for points in drawn.values() for rows, _ in points})
    plot = Plot(scale(places, LEFT, RIGHT, log=True), Scale(0, 1, BOTTOM, TOP))
    marks: list[Markup] = []
    for place, points in enumerate(drawn.values()):
        colour, shape = COLOURS[place % len(COLOURS)], SHAPES[place % len(SHAPES)]
        line = [(rows, share.value) for rows, share in points]
        marks += [_whisker(plot, rows, share, colour) for rows, share in points]
        marks += [plot.line(line, colour), plot.dots(line, colour, shape)]
    ends = {name: plot.y(points[-1][1].value) for name, points in drawn.items()}
    apart = _apart(ends)
    for place, name in enumerate(drawn):
        colour = COLOURS[place % len(COLOURS)]
        marks.append(element("text", name, x=RIGHT + 10, y=apart[name] + 4, class_="label", fill=colour))
    axes = plot.axes("training rows (log scale)", heading, places)
    said = "; ".join(
        f"{name} {', '.join(f'{share.value:.2f} at {rows:g}' for rows, share in points)}"
        for name, points in drawn.items()
    )
    return picture(WIDTH, HEIGHT, f"Learning curve: {said}", axes, *marks)


def _lines(settings: Sequence[TriedSetting]) -> tuple[dict[str, list[tuple[float, Interval]]], str]:
    """The name of each line -> its points, and what they are shares of; no lines where the rows do not vary."""
    if not all(one.values.get(ROWS) for one in settings):
        return {}, ""
    by_rest: dict[str, list[TriedSetting]] = {}
    for one in sorted(settings, key=_rows):
        by_rest.setdefault(_rest(one), []).append(one)
    if any(len(tried) < 2 for tried in by_rest.values()):
        return {}, ""
    for metric in METRICS if len(by_rest) > 1 else ():
        curves = {name: points for name, tried in by_rest.items() if len(points := curve(tried, metric)) > 1}
        if curves:
            return curves, f"{title(metric)}, share of the test answers"
    tried = next(iter(by_rest.values()), [])
    figures = {title(metric): points for metric in METRICS if len(points := curve(tried, metric)) > 1}
    return (figures if len(by_rest) == 1 else {}), "share of the test answers"


def _rest(setting: TriedSetting) -> str:
    """What a setting is called beside others with as many rows: its other values."""
    return ", ".join(
        f"{value:g}" if isinstance(value, float) else str(value) for key, value in setting.values.items() if key != ROWS
    )


def curve(settings: Sequence[TriedSetting], metric: str) -> list[tuple[float, Interval]]:
    """(training rows, share with its interval) of each setting that has the figure, in their order."""
    points = []
    for one in settings:
        found, answers = one.figure(metric), len(chosen(one.shown.verdicts, metric))
        if found is not None and answers:
            ends = exact_interval(round(found.mean * answers), answers)
            points.append((_rows(one), Interval(found.mean, ends.low, ends.high)))
    return points


def _rows(setting: TriedSetting) -> float:
    return float(setting.values[ROWS])


def _whisker(plot: Plot, rows: float, share: Interval, colour: str) -> Markup:
    at = plot.x(rows)
    tip = element("title", f"{share.value:.3f} ({share.low:.3f} to {share.high:.3f})")
    ends = {"x1": at, "x2": at, "y1": plot.y(share.low), "y2": plot.y(share.high)}
    return element("line", tip, **ends, stroke=colour or INK, stroke_width=1.2, opacity="0.5")


def _apart(places: dict[str, float]) -> dict[str, float]:
    """The same heights in the same order, far enough from each other for words."""
    order = sorted(places, key=lambda key: places[key])
    found = dict(places)
    for above, below in pairwise(order):
        found[below] = max(found[below], found[above] + NEAREST)
    return found
