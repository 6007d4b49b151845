"""What came out, for people: ratios with their spread, tables, a picture, and README.md's part between two marks."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.bench.measure import Row
from macsql.charts.canvas import COLOURS, FAINT, Scale, dot, element, number, picture
from macsql.system.files import write_whole

BUSY = 3.0  # load from which on others must have been at work: a bench of ours is one or two processes
BUSY_WORDS = " (others were at work: only the ratios mean something, and little)"
BEGIN, END = "<!-- written by make bench -->", "<!-- end of what is written -->"
PARTS = {
    "a": "the six-trial grid",
    "b": "training",
    "c": "answers",
    "d": "scores",
    "e": "making examples",
    "f": "the coordinator",
    "g": "waiting at a terminal",
}
# Part -> the figure that is compared, and whether more of it is better.
COMPARED = {"a": ("seconds", False), "b": ("tokens_per_second", True), "c": ("answers_per_second", True)}
COMPARED |= {"d": ("pairs_per_second", True)}
# (part, contender that is not ours) -> how many times as fast ours should be: at first, and at last.
GOALS = {
    ("a", "stock_multirun"): (1 / 0.55, 1 / 0.40),
    ("b", "max_length"): (3.0, 4.0),
    ("b", "dynamic"): (1.3, 1.6),
    ("c", "one_by_one"): (5.0, 8.0),
    ("c", "batched"): (1.2, 1.5),
    ("f", "1 at once"): (1 / 0.54, 1 / 0.52),
}
UNITS = {
    "seconds": "s",
    "tokens_per_second": "tokens/s",
    "answers_per_second": "answers/s",
    "pairs_per_second": "pairs/s",
    "peak_megabytes": "MiB",
}


@dataclass(frozen=True)
class Ratio:
    """How many times as fast ours is, or how much memory it takes; round by round, and in the middle."""

    part: str
    case: str
    other: str
    figure: str
    ours: float  # median
    theirs: float
    ratios: tuple[float, ...]
    load: float  # the highest in any round

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return statistics.median(self.ratios)

    @property
    def words(self) -> str:
        """As the table shows it."""
        spread = f" ({min(self.ratios):.2f} to {max(self.ratios):.2f})" if len(self.ratios) > 1 else ""
        return f"{self.median:.2f}{spread}"


def ratios(rows: Sequence[Row]) -> list[Ratio]:
    """Ours beside each of the others: speeds of (a) to (d), memory of (b), two workers beside one."""
    asked = [(part, figure, more, "ours") for part, (figure, more) in COMPARED.items()]
    asked += [("b", "peak_megabytes", True, "ours"), ("f", "seconds", False, "2 at once")]
    found = []
    for part, figure, more, mine in asked:
        told: dict[str, dict[str, dict[int, Row]]] = {}
        for row in rows:
            if (row.part, row.figure) == (part, figure):
                told.setdefault(row.case, {}).setdefault(row.contender, {})[row.round] = row
        for case, contenders in told.items():
            ours = contenders.pop(mine, {})
            for other, theirs in contenders.items():
                both = sorted(ours.keys() & theirs.keys())
                if both:
                    found.append(
                        _ratio((part, case, other, figure), [ours[n] for n in both], [theirs[n] for n in both], more)
                    )
    return found


def _ratio(names: tuple[str, str, str, str], ours: list[Row], theirs: list[Row], more: bool) -> Ratio:
    """`more`: more is better for a speed; for memory it says that the ratio is ours over theirs."""
    part, case, other, figure = names
    each = [a.value / b.value if more else b.value / a.value for a, b in zip(ours, theirs, strict=True)]
    mine, yours = (statistics.median(row.value for row in told) for told in (ours, theirs))
    return Ratio(part, case, other, figure, mine, yours, tuple(each), max(row.load for row in (*ours, *theirs)))


def tables(rows: Sequence[Row]) -> list[str]:
    """The tables, as Markdown."""
    lines = [
        "| part | case | beside | ours | theirs | times as fast | goal |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    memory = ["| case | beside | ours, MiB | theirs, MiB | ours / theirs |", "| --- | --- | --- | --- | --- |"]
    for one in ratios(rows):
        unit = UNITS[one.figure]
        if one.figure == "peak_megabytes":
            memory.append(f"| {one.case} | {one.other} | {one.ours:.0f} | {one.theirs:.0f} | {one.words} |")
            continue
        goal = GOALS.get((one.part, one.other))
        goals = "" if goal is None else f"{goal[0]:.2f}, then {goal[1]:.2f}"
        lines.append(
            f"| {one.part} {PARTS[one.part]} | {one.case} | {one.other} | {number(one.ours)} {unit} | "
            f"{number(one.theirs)} {unit} | {one.words} | {goals} |"
        )
    alone = ["| part | case | figure | median (lowest to highest) |", "| --- | --- | --- | --- |"]
    for (part, case, figure), values in _alone(rows).items():
        middle, low, high = statistics.median(values), min(values), max(values)
        alone.append(
            f"| {part} {PARTS[part]} | {case} | {figure} | {number(middle)} ({number(low)} to {number(high)}) |"
        )
    shown = [lines, ["", "Peak memory of the whole process, or on a GPU of what torch allocated:", "", *memory]]
    shown.append(["", "Without a counterpart:", "", *alone])
    return [line for table, least in zip(shown, (2, 6, 5), strict=True) if len(table) > least for line in table]


def _alone(rows: Iterable[Row]) -> dict[tuple[str, str, str], list[float]]:
    told: dict[tuple[str, str, str], list[float]] = {}
    for row in rows:
        mine = row.contender == "ours" and row.part in "efg" and not row.figure.startswith("process")
        if mine and row.figure not in {"questions"}:
            told.setdefault((row.part, row.case, row.figure), []).append(row.value)
    return told


def measured(rows: Sequence[Row]) -> list[str]:
    """Under which conditions, a line for each part."""
    lines = []
    for part in sorted({row.part for row in rows}):
        mine = [row for row in rows if row.part == part]
        loads = [row.load for row in mine]
        one = max(mine, key=lambda row: row.day)
        codes = ", ".join(sorted({row.code for row in mine}))
        turns = len({row.round for row in mine})
        busy = min(loads) > BUSY
        lines.append(
            f"- {part}: {turns} round{'s' if turns > 1 else ''}, {one.machine}, {one.day}, code {codes}; load before a "
            f"measurement {min(loads):.1f} to {max(loads):.1f}{BUSY_WORDS if busy else ''}."
        )
    return lines


def drawn(rows: Sequence[Row]) -> str | None:
    """The picture: how many times as fast, each round a dot; None where nothing is compared."""
    found = [one for one in ratios(rows) if one.figure != "peak_megabytes"]
    if not found:
        return None
    left, right, row_height, top = 300, 740, 24, 34
    values = [1.0, *(value for one in found for value in one.ratios)]
    x = Scale(min(0.5, min(values) * 0.9), max(values) * 1.15, left, right, log=True)
    bottom = top + row_height * len(found)
    parts = [element("text", "times as fast as", x=12, y=20, class_="title")]
    for tick in x.ticks:
        at = x(tick)
        dark = FAINT if tick != 1 else "#1f2933"
        parts.append(
            element("line", x1=at, x2=at, y1=top, y2=bottom, stroke=dark, stroke_width=1 if tick == 1 else 0.5)
        )
        parts.append(element("text", number(tick), x=at, y=bottom + 16, class_="tick", text_anchor="middle"))
    for place, one in enumerate(found):
        y = top + row_height * (place + 0.5)
        colour = COLOURS[sorted(PARTS).index(one.part) % len(COLOURS)]
        label = f"{one.part}  {one.case} / {one.other.replace('_', ' ')}"
        parts.append(element("text", label, x=left - 10, y=y + 4, class_="tick", text_anchor="end"))
        ends = {"x1": x(min(one.ratios)), "x2": x(max(one.ratios))}
        parts.append(element("line", **ends, y1=y, y2=y, stroke=colour, stroke_width=2))
        parts += [dot(x(value), y, colour, size=3.0, tip=f"{value:.2f}") for value in one.ratios]
        if goal := GOALS.get((one.part, one.other)):
            parts.append(dot(x(goal[0]), y, FAINT, "diamond", 4.5, f"goal {goal[0]:.2f}"))
    style = element("style", ".tick{font:12px sans-serif;fill:#1f2933}.title{font:bold 13px sans-serif;fill:#1f2933}")
    back = element("rect", x=0, y=0, width=760, height=bottom + 28, fill="#ffffff")
    drawing = picture(760, bottom + 28, "How many times as fast, by part and case", style, back, *parts)
    return str(drawing).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)


def publish(folder: Path, rows: Sequence[Row]) -> None:
    """Write bench.svg, and the tables into README.md between its marks."""
    drawing = drawn(rows)
    if drawing is not None:
        write_whole(folder / "bench.svg", drawing + "\n")
    page = folder / "README.md"
    text = page.read_text(encoding="utf-8") if page.exists() else f"{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    shown = ["![how many times as fast](bench.svg)", ""] if drawing is not None else []
    written = "\n".join([BEGIN, *shown, *tables(rows), "", "Measured:", "", *measured(rows), END])
    write_whole(page, before + written + after)
