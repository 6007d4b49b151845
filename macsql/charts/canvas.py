"""What every chart is drawn with: elements that escape what they are given, scales with round ticks, axes, marks."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from markupsafe import Markup, escape

# Okabe and Ito (2008): told apart with any colour vision. Their yellow is left out, it is too light on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b07d00", "#56b4e9", "#5a4fcf", "#7f3b08")
FAINT = "#b5bcc6"
INK = "#1f2933"
SHAPES = ("circle", "square", "triangle", "diamond")
LOG_FROM = 8.0  # highest over lowest value from which on an axis is logarithmic
STYLE = (  # what a file of its own needs of the report's style sheet
    "text{font-family:sans-serif;fill:#1f2933}.tick{font-size:11px;fill:#52606d}.title{font-size:12px;fill:#52606d}"
    ".label{font-size:13px}.grid{stroke:#e8ecf0}.axis{stroke:#9aa5b1}.line{fill:none}"
)
SMALLEST = 1e-100  # below it a ratio of two values may not be a number any more; no loss is that small
Attribute = str | float | int | None
Mark = tuple[float, float]  # x, y in values


def element(name: str, *children: object, **attributes: Attribute) -> Markup:
    """An element of SVG or HTML; `_` in an attribute stands for `-`, None leaves it out, numbers get one decimal."""
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_short(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(escape(child) for child in children)
    return Markup(f"<{name}{shown}>{inner}</{name}>" if inner else f"<{name}{shown}/>")


def picture(width: float, height: float, label: str, *children: object, css: str = "chart") -> Markup:
    """A whole chart; `label` is what a screen reader says."""
    box = f"0 0 {_short(width)} {_short(height)}"
    return element("svg", *children, viewBox=box, class_=css, role="img", aria_label=label)


def as_file(drawing: Markup) -> str:
    """A whole chart as an SVG file of its own, on white."""
    found = re.search(r'viewBox="0 0 (\S+) (\S+)"', drawing)
    assert found is not None
    size = f'width="{found[1]}" height="{found[2]}"'
    begin, end, rest = drawing.partition(">")
    background = Markup(f'<rect {size} fill="#ffffff"/>')
    style = element("style", Markup(STYLE))
    return f'{begin} xmlns="http://www.w3.org/2000/svg" {size}{end}{style}{background}{rest}\n'


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high` on pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value, never beyond the axis."""
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(at)
        return self.start + (self.end - self.start) * ((at - low) / (high - low))

    @cached_property
    def ticks(self) -> list[float]:
        """Round values on the axis, about five."""
        if not self.log:
            return _linear_ticks(self.low, self.high)
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for digits in ((1, 2, 5), (1, 3), (1,)):
            found = [digit * 10.0**power for power in decades for digit in digits]
            inside = [value for value in found if self.low <= value <= self.high]
            if len(inside) <= 7:
                break
        return inside if len(inside) > 1 else _linear_ticks(self.low, self.high)


def scale(values: Iterable[float], start: float, end: float, log: bool | None = None, room: float = 0.04) -> Scale:
    """The scale that shows all finite values; `log` None: where they are positive and spread over a factor of 8."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    if log is None:
        log = low > SMALLEST and high / low >= LOG_FROM
    if log and low > SMALLEST:
        factor = (high / low) ** room if high > low else 1.1
        return Scale(low / factor, high * factor, start, end, True)
    margin = (high - low) * room or abs(high) * 0.1 or 0.5
    return Scale(low - margin, high + margin, start, end)


@dataclass(frozen=True)
class Plot:
    """A drawing area with its two scales; y grows upwards."""

    x: Scale
    y: Scale

    def axes(self, x_title: str, y_title: str, x_ticks: Sequence[float] | None = None) -> Markup:
        """Grid, ticks with their numbers, titles."""
        left, right, bottom, top = self.x.start, self.x.end, self.y.start, self.y.end
        parts = []
        for tick in self.y.ticks:
            at = self.y(tick)
            parts.append(element("line", x1=left, x2=right, y1=at, y2=at, class_="grid"))
            parts.append(element("text", number(tick), x=left - 6, y=at + 3.5, class_="tick", text_anchor="end"))
        for tick in self.x.ticks if x_ticks is None else x_ticks:
            at = self.x(tick)
            parts.append(element("line", x1=at, x2=at, y1=bottom, y2=bottom + 4, class_="axis"))
            parts.append(element("text", number(tick), x=at, y=bottom + 16, class_="tick", text_anchor="middle"))
        parts.append(element("line", x1=left, x2=right, y1=bottom, y2=bottom, class_="axis"))
        if x_title:
            middle = (left + right) / 2
            parts.append(element("text", x_title, x=middle, y=bottom + 32, class_="title", text_anchor="middle"))
        if y_title:
            parts.append(element("text", y_title, x=left, y=top - 8, class_="title"))
        return Markup("").join(parts)

    def line(self, points: Iterable[Mark], colour: str, width: float = 2, dash: str | None = None) -> Markup:
        """A line through points; what is not a finite number breaks nothing, it is left out."""
        kept = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        if len(kept) < 2:
            return Markup("")
        path = " ".join(f"{_short(self.x(x))},{_short(self.y(y))}" for x, y in kept)
        return element("polyline", points=path, class_="line", stroke=colour, stroke_width=width, stroke_dasharray=dash)

    def dots(self, points: Iterable[Mark], colour: str, shape: str = "circle", size: float = 3.2) -> Markup:
        """A mark at every point, with its value as a tooltip."""
        return Markup("").join(
            dot(self.x(x), self.y(y), colour, shape, size, number(y))
            for x, y in points
            if math.isfinite(x) and math.isfinite(y)
        )

    def level(self, value: float, colour: str, dash: str = "2 3") -> Markup:
        """A line across at one value."""
        at = self.y(value)
        ends = {"x1": self.x.start, "x2": self.x.end, "y1": at, "y2": at}
        return element("line", **ends, class_="line", stroke=colour, stroke_width=1.4, stroke_dasharray=dash)


def dot(x: float, y: float, colour: str, shape: str = "circle", size: float = 3.2, tip: str = "") -> Markup:
    """A mark at a pixel."""
    title = element("title", tip) if tip else ""
    if shape == "square":
        side = 1.8 * size
        return element("rect", title, x=x - side / 2, y=y - side / 2, width=side, height=side, fill=colour)
    if shape in ("triangle", "diamond"):
        reach = 1.25 * size
        corners = [(x, y - reach), (x + reach, y), (x, y + reach), (x - reach, y)]
        if shape == "triangle":
            corners = [(x, y - reach), (x + reach, y + reach * 0.8), (x - reach, y + reach * 0.8)]
        return element("polygon", title, points=" ".join(f"{_short(a)},{_short(b)}" for a, b in corners), fill=colour)
    return element("circle", title, cx=x, cy=y, r=size, fill=colour)


def swatch(colour: str, shape: str | None = "circle", dash: str | None = None, width: float = 2) -> Markup:
    """A piece of a line as a legend shows it."""
    line = element("line", x1=1, x2=25, y1=6, y2=6, stroke=colour, stroke_width=width, stroke_dasharray=dash)
    mark = dot(13, 6, colour, shape) if shape else ""
    return element("svg", line, mark, viewBox="0 0 26 12", width=26, height=12, class_="swatch", aria_hidden="true")


def thinned(points: Sequence[Mark], most: int) -> list[Mark]:
    """At most `most` points that keep the picture: the lowest and the highest of each stretch, in their order."""
    if len(points) <= most:
        return list(points)
    stretch = math.ceil(2 * len(points) / most)
    kept: list[Mark] = []
    for begin in range(0, len(points), stretch):
        part = points[begin : begin + stretch]
        ends = {min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1])}
        kept += sorted(ends)
    return kept


def number(value: float) -> str:
    """A number as an axis shows it."""
    if value and (abs(value) < 1e-3 or abs(value) >= 1e6):
        return f"{value:.2g}".replace("e-0", "e-").replace("e+0", "e")
    return f"{value:.4g}"


def shortened(text: str, most: int) -> str:
    """A text that is at most `most` characters long."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _linear_ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    found = [float(f"{place * step:.12g}") for place in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return [min(max(tick, low), high) for tick in found]  # rounding may have put the first or the last one outside


def _short(value: Attribute) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
