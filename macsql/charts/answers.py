"""Small charts that stand in tables: a difference with its interval, and what became of an agent's answers."""

from collections.abc import Sequence

from markupsafe import Markup

from macsql.charts.canvas import COLOURS, FAINT, INK, Scale, element, picture
from macsql.comparison.generation import AgentAnswers
from macsql.comparison.statistics import Interval
from macsql.metrics.taxonomy import AnswerOutcome

RIGHT, OTHER = "#009e73", "#dde2e8"
WIDTH = 520.0
PALE = (OTHER, "#56b4e9", "#cc79a7")  # colours that dark figures stand on
WORDS = 5  # kinds of failure with a colour of their own, the most frequent ones; the rest is one piece


def interval_bar(found: Interval, reach: float) -> Markup:
    """A difference and its interval on an axis from -`reach` to `reach`."""
    place = Scale(-reach, reach, 4, 136)
    low, high, value, zero = place(found.low), place(found.high), place(found.value), place(0)
    colour = INK if found.low <= 0 <= found.high else "#0072b2" if found.value > 0 else "#d55e00"
    return picture(
        140,
        16,
        f"{found.value:+.3f}, from {found.low:+.3f} to {found.high:+.3f}",
        element("line", x1=zero, x2=zero, y1=0, y2=16, stroke=FAINT, stroke_width=1),
        element("line", x1=low, x2=high, y1=8, y2=8, stroke=colour, stroke_width=2),
        element("circle", cx=value, cy=8, r=3.4, fill=colour),
        css="bar",
    )


def failure_colours(rows: Sequence[AgentAnswers]) -> dict[str, str]:
    """The most frequent kinds of failure over all agents -> colour."""
    counts: dict[str, int] = {}
    for row in rows:
        for word, count in row.notes:
            counts[word] = counts.get(word, 0) + count
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    palette = [colour for colour in COLOURS if colour != RIGHT]
    return dict(zip(ranked[:WORDS], palette, strict=False))


def answers_bar(row: AgentAnswers, colours: dict[str, str]) -> Markup:
    """An agent's answers as one bar: right ones first, then each kind of failure."""
    pieces = [(AnswerOutcome.RIGHT.value, row.correct, RIGHT)]
    pieces += [(word, count, colours[word]) for word, count in row.notes if word in colours]
    rest = [(word, count) for word, count in row.notes if word not in colours]
    if rest:
        words = ", ".join(f"{word} {count}" for word, count in rest)
        pieces.append((words, sum(count for _, count in rest), OTHER))
    total = sum(count for _, count, _ in pieces) or 1
    marks, x = [], 0.0
    for word, count, colour in pieces:
        width = WIDTH * count / total
        marks.append(
            element("rect", element("title", f"{word}: {count}"), x=x, y=0, width=width, height=22, fill=colour)
        )
        if width > 20:
            css = "in-bar" if colour in PALE else "in-bar light"
            marks.append(element("text", str(count), x=x + width / 2, y=15, class_=css))
        x += width
    words = ", ".join(f"{word} {count}" for word, count, _ in pieces)
    return picture(WIDTH, 22, words, *marks, css="answers")
