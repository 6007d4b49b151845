"""The tables of an evaluation end to end: every set of seats, agent by agent, what each agent is worth, question by
question."""

from collections.abc import Mapping, Sequence

from macsql.comparison.evaluated import Evaluated
from macsql.comparison.figures import WHOSE
from macsql.comparison.statistics import exact_interval
from macsql.evaluation.cells import BASE
from macsql.evaluation.matrix import Change, Worth
from macsql.evaluation.scoring import Scores
from macsql.protocols.bench import Score
from macsql.records import AGENTS, Question
from macsql.report.table import Cell, Column, Nature, Row, Table, figure, text

SHOWN = {  # agent -> the figures of its row in the scoreboard
    "selector": ("readable", "table_recall", "column_recall", "column_precision", "answerable"),
    "decomposer": ("readable", "steps_run", "execution_accuracy", "spider_em"),
    "refiner": ("runs", "fix_rate", "break_rate", "unchanged", "execution_accuracy"),
}
WORTH = (
    "Gains: the seat as configured minus nobody in it; loses: the gold SQL in it minus the seat as configured; in "
    "points, over the same questions. In brackets the 95 % interval over the questions (bootstrap), and the questions "
    "that the first or the second of the two alone gets right. p: McNemar's exact test, adjusted for all tests of this "
    "table (Holm); from 0.05 on the two are not told apart."
)


def cells_table(cells: Sequence[Evaluated], protocols: Sequence[str]) -> Table:
    """A row per set of seats: percent of full marks, in brackets the 95 % interval of a share of right answers."""
    columns = [
        Column(agent, WHOSE[agent], Nature.TEXT if place else Nature.LABEL) for place, agent in enumerate(AGENTS)
    ]
    columns += [Column(protocol, protocol) for protocol in protocols]
    rows = [
        Row((*(text(cell.seats[agent]) for agent in AGENTS), *(text(_percent(cell, name)) for name in protocols)))
        for cell in cells
    ]
    return Table(
        "cells", "End to end, percent of full marks over the questions with a verdict", tuple(columns), tuple(rows)
    )


def scoreboard(scores: Scores) -> Table:
    """A row per agent of the configured seats."""
    columns = (
        Column("agent", "agent", Nature.LABEL),
        Column("asked", "asked"),
        Column("figures", "figures", Nature.TEXT),
        Column("turns", "turns", Nature.TEXT),
    )
    told, rows = scores.agents, []
    for agent in AGENTS:
        figures = [f"{name} {value:.3f}" for name in SHOWN[agent] if (value := told.get(f"{agent}/{name}")) is not None]
        turns = {name: value for name, value in told.items() if name.startswith(f"{agent}/turns/")}
        ends = [f"{name.rpartition('/')[2].replace('_', ' ')} {value:.0f}" for name, value in turns.items()]
        asked = figure(int(told.get(f"{agent}/count", 0)))
        rows.append(Row((text(WHOSE[agent]), asked, text(", ".join(figures) or "-"), text(", ".join(ends) or "-"))))
    return Table("agents", "Agent by agent, in the configured seats", columns, tuple(rows))


def worth_table(worths: Sequence[Worth], protocol: str) -> Table:
    """A row per agent: points that it gains over an empty seat, and that it loses against the gold SQL."""
    columns = (
        Column("agent", "agent", Nature.LABEL),
        Column("gains", "gains", Nature.TEXT),
        Column("p_gains", "p"),
        Column("loses", "loses", Nature.TEXT),
        Column("p_loses", "p"),
        Column("questions", "questions"),
    )
    rows = [
        Row((text(WHOSE[one.agent]), *_change(one.gains), *_change(one.loses), figure(_asked(one)))) for one in worths
    ]
    return Table("worth", f"What each agent is worth, in points of {protocol}", columns, tuple(rows), WORTH)


def questions_table(questions: Sequence[Question], scores: Mapping[str, Sequence[Score]]) -> Table:
    """A row per question: full marks (1), none (0) or a part under every set of seats; nothing without a verdict."""
    columns = (Column("id", "id", Nature.LABEL), *(Column(cell, cell) for cell in scores))
    rows = [
        Row((text(question.id), *(Cell(_mark(found[place])) for found in scores.values())))
        for place, question in enumerate(questions)
    ]
    return Table("questions", "Question by question", columns, tuple(rows))


def read_marks(rows: Sequence[Mapping[str, str]]) -> dict[str, list[Score]]:
    """The scores of every cell from the lines of a file that `questions_table` became."""
    cells = [name for name in rows[0] if name != "id"] if rows else [BASE]
    return {cell: [Score(float(row[cell]) if row[cell] else None) for row in rows] for cell in cells}


def outcomes(scores: Scores) -> str:
    """What became of the answers, in words with their numbers."""
    counts: dict[str, int] = {}
    for verdict in scores.verdicts:
        counts[verdict.outcome] = counts.get(verdict.outcome, 0) + 1
    return ", ".join(f"{word} {count}" for word, count in sorted(counts.items(), key=lambda item: -item[1]))


def _mark(score: Score) -> int | float | None:
    if score.value is None or isinstance(score.value, bool):
        return None if score.value is None else int(score.value)
    return score.value


def _percent(cell: Evaluated, protocol: str) -> str:
    share: Mapping[str, float] = cell.scores
    if protocol not in share:
        return "-"
    judged = cell.judged[protocol]
    right = share[protocol] * judged
    if abs(right - round(right)) > 1e-6 or not 0 <= right <= judged:
        return f"{100 * share[protocol]:.1f}"
    interval = exact_interval(round(right), judged)
    return f"{100 * interval.value:.1f} ({100 * interval.low:.0f}-{100 * interval.high:.0f})"


def _change(change: Change | None) -> tuple[Cell, Cell]:
    if change is None:
        return text("-"), Cell(None)
    points = change.points
    if not change.better and not change.worse:  # the questions drawn anew would say "0 to 0", which nobody knows
        return text("+0.0 (no question differs)"), text("1")
    words = f"{100 * points.value:+.1f} ({100 * points.low:+.1f} to {100 * points.high:+.1f}; "
    return text(f"{words}{change.better} : {change.worse})"), text(f"{change.p:.2g}")


def _asked(worth: Worth) -> int:
    return max(change.questions for change in (worth.gains, worth.loses) if change is not None)
