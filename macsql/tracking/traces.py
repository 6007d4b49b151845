"""What happened to a question, part by part, as a trace in MLflow."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macsql.errors import UserError, first_line
from macsql.revision import revision
from macsql.tracking.tracker import Tracker


@dataclass(frozen=True)
class Span:
    """A part of what happened to a question; a whole trace where it is the outermost."""

    name: str
    begin: int  # ns since 1970
    end: int
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    attributes: Mapping[str, Any]
    failed: bool = False
    parts: tuple["Span", ...] = ()  # of the outermost alone


def keep_traces(uri: str | None, state_dir: Path, experiment: str, traces: Sequence[Span], key: str = "") -> None:
    """Send traces to MLflow's experiment of that name. Raises UserError where one has not arrived.

    With `key`, a trace whose attribute `macsql.question` one of that key has already is left out.
    """
    os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"  # what has been sent has arrived
    tracker = Tracker(uri, state_dir, experiment)
    from mlflow import set_tracking_uri
    from mlflow.entities import SpanType
    from mlflow.exceptions import MlflowException

    set_tracking_uri(tracker.uri)  # traces know no other way
    client, last = tracker.client, ""
    try:
        there = _traced(tracker, key) if key else set()
        for trace in traces:
            tags = {name: str(value) for name, value in trace.attributes.items()}
            if tags.get("macsql.question") in there:
                continue
            root = client.start_trace(
                trace.name,
                SpanType.CHAIN,
                dict(trace.inputs),
                dict(trace.attributes),
                {**tags, "macsql.code": revision(), "macsql.evaluation": key},
                tracker.experiment_id,
                trace.begin,
            )
            for part in trace.parts:
                span = client.start_span(
                    part.name,
                    root.trace_id,
                    root.span_id,
                    SpanType.AGENT,
                    dict(part.inputs),
                    dict(part.attributes),
                    part.begin,
                )
                status = "ERROR" if part.failed else "OK"
                client.end_span(root.trace_id, span.span_id, dict(part.outputs), None, status, part.end)
            client.end_trace(root.trace_id, dict(trace.outputs), None, "ERROR" if trace.failed else "OK", trace.end)
            last = root.trace_id
        if last:
            client.get_trace(last)  # MLflow only logs what goes wrong on the way
    except MlflowException as error:
        raise UserError(f"MLflow did not take the traces of {len(traces)} questions ({first_line(error)}).") from error


def _traced(tracker: Tracker, key: str) -> set[str]:
    """The questions that have a trace under a key."""
    found: set[str] = set()
    token: str | None = None
    while True:
        page = tracker.client.search_traces(
            [tracker.experiment_id], f"tags.`macsql.evaluation` = '{key}'", 500, page_token=token, include_spans=False
        )
        found |= {trace.info.tags.get("macsql.question", "") for trace in page}
        token = page.token
        if not token:
            return found
