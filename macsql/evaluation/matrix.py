"""What each agent is worth: the seat matrix read row by row, question by question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from macsql.comparison.statistics import Interval, holm, mcnemar, paired_bootstrap
from macsql.evaluation.cells import BASE
from macsql.protocols.bench import Score
from macsql.records import AGENTS, Agent

LEVEL = 0.05  # below which two sets of seats are told apart


@dataclass(frozen=True)
class Change:
    """One set of seats minus another, over the questions that both were judged on."""

    points: Interval  # in shares of the main protocol, 95 %, questions drawn anew
    better: int  # questions that the first alone gets right
    worse: int
    questions: int
    p: float  # McNemar's exact test, adjusted for the tests of one matrix (Holm)

    @property
    def told_apart(self) -> bool:
        """Whether a difference of 0 is ruled out, at 5 %."""
        return self.p < LEVEL


@dataclass(frozen=True)
class Worth:
    """One agent's seat; the other two are as configured, so that the points need not add up."""

    agent: Agent
    gains: Change | None  # the configured seat minus nobody; None where it is not in the matrix
    loses: Change | None  # the gold SQL minus the configured seat


def worths(scores: Mapping[str, Sequence[Score]]) -> list[Worth]:
    """Each agent's worth from the scores of every cell, by its name, over the same questions in the same order."""
    changes = {
        (agent, who): change
        for agent in AGENTS
        for who, pair in (
            ("none", (scores.get(BASE), scores.get(f"{agent} none"))),
            ("oracle", (scores.get(f"{agent} oracle"), scores.get(BASE))),
        )
        if (change := _change(*pair)) is not None
    }
    adjusted = holm([change.p for change in changes.values()])
    changes = {key: replace(change, p=p) for (key, change), p in zip(changes.items(), adjusted, strict=True)}
    return [
        Worth(agent, changes.get((agent, "none")), changes.get((agent, "oracle")))
        for agent in AGENTS
        if any(named == agent for named, _ in changes)
    ]


def _change(one: Sequence[Score] | None, other: Sequence[Score] | None) -> Change | None:
    """None where a cell is missing or no question was judged in both."""
    if one is None or other is None:
        return None
    units = [
        (float(a.value) - float(b.value), 1)
        for a, b in zip(one, other, strict=True)
        if a.value is not None and b.value is not None
    ]
    if not units:
        return None
    better, worse = (sum(sign * difference > 0 for difference, _ in units) for sign in (1, -1))
    return Change(paired_bootstrap([units]), better, worse, len(units), mcnemar(better, worse))
