"""How far an evaluation is, on stderr: one line on a terminal, else a line for every tenth of an agent's work."""

import sys

from macsql.records import Agent


class Line:
    """What a pipeline tells of its progress."""

    def __init__(self, cell: str) -> None:
        self.cell = cell
        self._told: tuple[Agent, int, int] | None = None
        self._terminal = sys.stderr.isatty()

    def __call__(self, agent: Agent, number: int, done: int, total: int) -> None:
        """`done` of `total` questions of this agent's round have an answer."""
        text = f"{self.cell}: {agent}{f', round {number}' if number else ''}: {done} of {total}"
        tenth = (agent, number, 10 * done // max(total, 1))
        if (agent, number, 10) == self._told:
            return  # the last answer has been told of
        if self._terminal:
            print(f"\r{text:78}", end="\n" if done == total else "", file=sys.stderr, flush=True)
        elif tenth != self._told:
            print(text, file=sys.stderr, flush=True)
        self._told = tenth
