"""What each agent is worth: the seat matrix read row by row, question by question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from macsql.comparison.statistics import Interval, paired_bootstrap
from macsql.evaluation.cells import BASE
from macsql.protocols.bench import Score
from macsql.records import AGENTS, Agent


@dataclass(frozen=True)
class Worth:
    """One agent's seat: points of the main protocol, in shares, with 95 % intervals over the questions."""

    agent: Agent
    gains: Interval | None  # the configured seat minus nobody; None where it is not in the matrix
    loses: Interval | None  # the oracle minus the configured seat
    questions: int  # judged in both


def worths(scores: Mapping[str, Sequence[Score]]) -> list[Worth]:
    """Each agent's worth from the scores of every cell, by its name, over the same questions in the same order.

    One at a time: the other two seats are as configured, so that the points need not add up.
    """
    rows = []
    for agent in AGENTS:
        gains, first = _difference(scores[BASE], scores.get(f"{agent} none"))
        loses, second = _difference(scores.get(f"{agent} oracle"), scores[BASE])
        if gains is not None or loses is not None:
            rows.append(Worth(agent, gains, loses, max(first, second)))
    return rows


def _difference(one: Sequence[Score] | None, other: Sequence[Score] | None) -> tuple[Interval | None, int]:
    if one is None or other is None:
        return None, 0
    units = [
        (float(a.value) - float(b.value), 1)
        for a, b in zip(one, other, strict=True)
        if a.value is not None and b.value is not None
    ]
    return (paired_bootstrap([units]), len(units)) if units else (None, 0)
