"""The tables that an evaluation prints."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from macsql.comparison.evaluated import Evaluated
from macsql.comparison.statistics import Interval, exact_interval
from macsql.evaluation.matrix import Worth
from macsql.evaluation.scoring import Scores
from macsql.records import AGENTS

SHOWN = {  # agent -> the figures of its row in the scoreboard
    "selector": ("readable", "table_recall", "column_recall", "column_precision", "answerable"),
    "decomposer": ("readable", "steps_run", "execution_accuracy", "spider_em"),
    "refiner": ("runs", "fix_rate", "break_rate", "unchanged", "execution_accuracy"),
}


def end_to_end(cells: Sequence[Evaluated], protocols: Sequence[str]) -> Table:
    """A row per set of seats: percent of full marks, in brackets the 95 % interval of a share of right answers."""
    table = Table(*AGENTS, *protocols, title="End to end, percent of full marks over the questions with a verdict")
    for cell in cells:
        shares = [_percent(cell, protocol) for protocol in protocols]
        table.add_row(*(cell.seats[agent] for agent in AGENTS), *shares)
    return table


def scoreboard(scores: Scores) -> Table:
    """A row per agent of the configured seats."""
    table = Table("agent", "asked", "figures", "turns", title="Agent by agent, in the configured seats")
    for agent in AGENTS:
        told = scores.agents
        figures = [f"{name} {value:.3f}" for name in SHOWN[agent] if (value := told.get(f"{agent}/{name}")) is not None]
        turns = {name: value for name, value in told.items() if name.startswith(f"{agent}/turns/")}
        ends = [f"{name.rpartition('/')[2].replace('_', ' ')} {value:.0f}" for name, value in turns.items()]
        table.add_row(agent, f"{told.get(f'{agent}/count', 0):.0f}", ", ".join(figures), ", ".join(ends))
    return table


def matrix(rows: Sequence[Worth], protocol: str) -> Table:
    """A row per agent: points that it gains over an empty seat, and that it loses against the gold SQL."""
    table = Table(
        "agent", "gains", "loses", "questions", title=f"What each agent is worth: points of {protocol}, 95 % intervals"
    )
    for row in rows:
        table.add_row(row.agent, _points(row.gains), _points(row.loses), str(row.questions))
    return table


def outcomes(scores: Scores) -> str:
    """What became of the answers, in words with their numbers."""
    counts: dict[str, int] = {}
    for verdict in scores.verdicts:
        counts[verdict.outcome] = counts.get(verdict.outcome, 0) + 1
    return ", ".join(f"{word} {count}" for word, count in sorted(counts.items(), key=lambda item: -item[1]))


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


def _points(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    return f"{100 * interval.value:+.1f} ({100 * interval.low:+.1f} to {100 * interval.high:+.1f})"
