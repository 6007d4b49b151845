"""The seat matrix in one picture: each seat empty, and with the gold SQL in it, against the seats as configured."""

from collections.abc import Sequence

from markupsafe import Markup

from macsql.charts.canvas import COLOURS, FAINT, INK, Scale, dot, element, number, picture
from macsql.comparison.figures import WHOSE
from macsql.comparison.statistics import Interval
from macsql.evaluation.matrix import Worth

WIDTH, LEFT, RIGHT, TOP, LINE = 760, 210, 730, 52, 30
STEPS = (5, 10, 20, 25, 50)  # points between two marks of the axis
PLACES = 6  # of them to each side, at most
NOBODY, GOLD = COLOURS[1], COLOURS[0]


def seats_chart(worths: Sequence[Worth], protocol: str, whole: float) -> Markup:
    """Two rows per agent, each with its 95 % interval; `whole` is the share of the seats as configured.

    A pale mark: the two sets of seats are not told apart.
    """
    rows: list[tuple[str, Interval, str, bool]] = []
    for one in worths:
        name = WHOSE[one.agent]
        if one.gains is not None:
            points = Interval(-one.gains.points.value, -one.gains.points.high, -one.gains.points.low)
            rows.append((f"{name}: nobody", points, NOBODY, one.gains.told_apart))
        if one.loses is not None:
            rows.append((f"{name}: the gold SQL", one.loses.points, GOLD, one.loses.told_apart))
    reach = max([0.05, *(abs(end) for _, points, _, _ in rows for end in (points.low, points.high))])
    step = next((step for step in STEPS if 100 * reach <= PLACES * step), STEPS[-1]) / 100
    x = Scale(-reach * 1.08, reach * 1.08, LEFT, RIGHT)
    bottom = TOP + LINE * len(rows)
    heading = f"Points of {protocol} against the seats as configured ({100 * whole:.1f}); 95 % intervals"
    marks = [element("text", heading, x=12, y=20, class_="title")]
    for place in range(-int(reach / step), int(reach / step) + 1):
        at, zero = x(place * step), place == 0
        line: dict[str, str | float] = {"x1": at, "x2": at, "y1": TOP - 12, "y2": bottom}
        line |= {"stroke": INK if zero else FAINT, "stroke_width": 1.4 if zero else 0.5}
        marks.append(element("line", **line))
        tick = f"{'+' if place > 0 else ''}{number(100 * place * step)}"
        marks.append(element("text", tick, x=at, y=bottom + 16, class_="tick", text_anchor="middle"))
    for place, (name, points, colour, apart) in enumerate(rows):
        y, pale = TOP + LINE * (place + 0.5), None if apart else "0.4"
        said = f"{100 * points.value:+.1f} ({100 * points.low:+.1f} to {100 * points.high:+.1f})"
        marks.append(element("text", name, x=LEFT - 12, y=y + 4, class_="tick", text_anchor="end"))
        ends = {"x1": x(points.low), "x2": x(points.high), "y1": y, "y2": y}
        whisker = element("line", element("title", said), **ends, stroke=colour, stroke_width=2.4)
        marks.append(element("g", whisker, dot(x(points.value), y, colour, size=4.2, tip=said), opacity=pale))
    foot = "Pale: not told apart from the seats as configured (McNemar, Holm, 5 %)"
    marks.append(element("text", foot, x=12, y=bottom + 38, class_="tick"))
    label = "; ".join(f"{name} {100 * points.value:+.1f}" for name, points, _, _ in rows)
    return picture(WIDTH, bottom + 50, f"{heading}: {label}", *marks)
