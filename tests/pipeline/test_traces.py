"""A question's turns as a trace in MLflow."""

from pathlib import Path
from typing import Any

import pytest
from teaching import SQL

from macsql.config import GenerationConfig, SeatsConfig
from macsql.database.sandbox import Sandbox
from macsql.errors import UserError
from macsql.pipeline.asking import Asker
from macsql.pipeline.pipeline import Pipeline
from macsql.pipeline.seating import Seating
from macsql.pipeline.seats import Nobody
from macsql.pipeline.traces import Traces
from macsql.records import AGENTS, Question
from macsql.tracking.tracker import Tracker


def kept(state: Path, experiment: str) -> list[Any]:
    tracker = Tracker(None, state, experiment)
    return list(tracker.client.search_traces([tracker.experiment_id]))


def test_a_question_is_a_trace_with_a_span_for_each_agent(taught, ferries, tmp_path):
    config = SeatsConfig(model=str(taught))
    with Sandbox(1) as sandbox:
        seats = Seating(config, GenerationConfig(), tmp_path).whole()
        Asker(seats, sandbox, traces=Traces(None, tmp_path, "ask")).ask(ferries, "which vessels are there?")
    [trace] = kept(tmp_path, "ask")
    whole, *turns = sorted(trace.data.spans, key=lambda span: span.parent_id is not None)
    assert whole.inputs == {"question": "which vessels are there?", "database": "ferries", "evidence": ""}
    assert whole.outputs == {"sql": SQL, "message": ""}
    assert {span.name for span in turns} == {"selector", "decomposer"}
    assert {span.parent_id for span in turns} == {whole.span_id}
    decomposer = next(span for span in turns if span.name == "decomposer")
    assert "which vessels are there?" in decomposer.inputs["read"]
    assert (decomposer.outputs["sql"], decomposer.outputs["rows"]) == (SQL, 4)
    assert whole.start_time_ns <= decomposer.start_time_ns <= decomposer.end_time_ns <= whole.end_time_ns
    assert str(trace.info.state).endswith("OK")


def test_under_a_key_a_question_is_kept_once_and_a_failure_is_told(ferries, sandbox, tmp_path):
    questions = [Question(f"q/{number}", ferries.id, "how many?", "") for number in range(3)]
    for asked in (questions[:2], questions, questions):  # killed in between, and again
        traces = Traces(None, tmp_path, "evaluate", "a/b")
        pipeline = Pipeline(dict.fromkeys(AGENTS, Nobody()), sandbox, tell=traces.tell)
        traces.keep(pipeline.answer(asked, {ferries.id: ferries}))
    found = kept(tmp_path, "evaluate")
    assert sorted(trace.info.tags["macsql.question"] for trace in found) == ["q/0", "q/1", "q/2"]
    assert all(str(trace.info.state).endswith("ERROR") for trace in found)


def test_a_database_of_runs_that_is_none_is_one_sentence(tmp_path):
    traces = Traces("http://127.0.0.1:1", tmp_path, "ask")
    with pytest.raises(UserError, match=r"tracking\.uri=http://127\.0\.0\.1:1: MLflow cannot be used there"):
        traces.keep([])
