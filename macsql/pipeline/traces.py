"""What was said about each question as a trace in MLflow: one span for every agent's turn.

traces = Traces(None, Path("mlruns"), "ask")
traces.keep(Pipeline(seats, sandbox, tell=traces.tell).answer(questions, databases))
"""

import time
from collections.abc import Sequence
from pathlib import Path

from macsql.pipeline import shown
from macsql.pipeline.turns import FAILED, Answered, Attempt, Turn
from macsql.records import Agent
from macsql.tracking.traces import Span, keep_traces


class Traces:
    """Notes when an agent is asked, and keeps the turns of answered questions.

    Questions that went through an agent together have its time together: what one of them took cannot be told. With
    `key`, a question whose trace is there under that key is not sent again.
    """

    def __init__(self, uri: str | None, state_dir: Path, experiment: str, key: str = "") -> None:
        self.where, self.key = (uri, state_dir, experiment), key
        self._times: dict[tuple[Agent, int], tuple[int, int]] = {}  # agent, round -> begin, end, in ns

    def tell(self, agent: Agent, number: int, done: int, count: int) -> None:  # noqa: ARG002
        """Hear how far an agent is, from the pipeline."""
        now = time.time_ns()
        begun = now if not done else self._times.get((agent, number), (now, now))[0]
        self._times[agent, number] = (begun, now)

    def keep(self, answers: Sequence[Answered]) -> None:
        """Send a trace for each. Raises UserError where MLflow does not take them."""
        keep_traces(*self.where, [self._trace(answered) for answered in answers], self.key)
        self._times.clear()

    def _trace(self, answered: Answered) -> Span:
        turns = [self._span(turn, attempt) for turn, attempt in shown.turns(answered)]
        now = time.time_ns()
        question, chosen = answered.question, answered.chosen
        ok = chosen is not None and chosen.runs
        inputs = {"question": question.text, "database": question.db_id, "evidence": question.evidence}
        outputs = {"sql": answered.sql, "message": "" if ok else shown.reason(answered)}
        begun, ended = min((span.begin for span in turns), default=now), max((span.end for span in turns), default=now)
        return Span("question", begun, ended, inputs, outputs, {"macsql.question": question.id}, not ok, tuple(turns))

    def _span(self, turn: Turn, attempt: Attempt | None) -> Span:
        now = time.time_ns()
        begun, ended = self._times.get((turn.agent, turn.round), (now, now))
        outputs: dict[str, object] = {"wrote": turn.reply.wrote, "ending": turn.ending.value, "message": turn.message}
        if attempt is not None:
            outputs |= {"sql": attempt.sql, "error": attempt.fault.error if attempt.fault else ""}
        if attempt is not None and attempt.outcome is not None:
            outputs |= {"status": attempt.outcome.status.value, "rows": len(attempt.outcome.rows)}
        tokens = {"read_tokens": turn.reply.read_tokens, "wrote_tokens": turn.reply.wrote_tokens}
        name = f"{turn.agent} {turn.round}" if turn.round else turn.agent
        attributes = {"seat": turn.seat, **tokens}
        return Span(name, begun, ended, {"read": turn.reply.read}, outputs, attributes, turn.ending in FAILED)
