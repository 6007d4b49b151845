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
STYLE = (  # what a file of its own needs of the report's style sheet
    "text{font-family:sans-serif;fill:#1f2933}.tick{font-size:11px;fill:#52606d}.title{font-size:12px;fill:#52606d}"
    ".label{font-size:13px}.grid{stroke:#e8ecf0}.axis{stroke:#9aa5b1}.line{fill:none}"
)


def learning_curve(settings: Sequence[TriedSetting]) -> Markup | None:
    """A line per figure, with exact 95 % intervals over the questions; None where anything but the rows varies.

    A point is the mean over a setting's seeds.
    """
    tried = sorted((one for one in settings if one.values.get(ROWS)), key=_rows)
    if len(tried) < 2 or any({*one.values} != {ROWS} for one in settings):
        return None
    drawn = {metric: points for metric in METRICS if len(points := curve(tried, metric)) > 1}
    if not drawn:
        return None
    plot = Plot(scale(map(_rows, tried), LEFT, RIGHT, log=True), Scale(0, 1, BOTTOM, TOP))
    marks: list[Markup] = []
    for place, points in enumerate(drawn.values()):
        colour, shape = COLOURS[place], SHAPES[place]
        line = [(rows, share.value) for rows, share in points]
        marks += [_whisker(plot, rows, share, colour) for rows, share in points]
        marks += [plot.line(line, colour), plot.dots(line, colour, shape)]
    ends = {metric: plot.y(points[-1][1].value) for metric, points in drawn.items()}
    for (metric, y), colour in zip(_apart(ends).items(), COLOURS, strict=False):
        marks.append(element("text", title(metric), x=RIGHT + 10, y=y + 4, class_="label", fill=colour))
    axes = plot.axes("training rows (log scale)", "share of the test answers", list(map(_rows, tried)))
    said = "; ".join(
        f"{title(metric)} {', '.join(f'{share.value:.2f} at {rows:g}' for rows, share in points)}"
        for metric, points in drawn.items()
    )
    return picture(WIDTH, HEIGHT, f"Learning curve: {said}", axes, *marks)


def curve(settings: Sequence[TriedSetting], metric: str) -> list[tuple[float, Interval]]:
    """(training rows, share with its interval) of each setting that has the figure, in their order."""
    points = []
    for one in settings:
        found, answers = one.figure(metric), len(chosen(one.shown.verdicts, metric))
        if found is not None and answers:
            ends = exact_interval(round(found.mean * answers), answers)
            points.append((_rows(one), Interval(found.mean, ends.low, ends.high)))
    return points


def as_file(drawing: Markup) -> str:
    """The drawing as an SVG file of its own, on white."""
    background = element("rect", width=WIDTH, height=HEIGHT, fill="#ffffff")
    begin, end, rest = drawing.partition(">")
    style = element("style", Markup(STYLE))
    return (
        f'{begin} xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}"{end}{style}{background}{rest}\n'
    )


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
