"""What a trial tells: one JSON object a line, written before anything else hears of it.

    {"time": 1700000000.0, "step": 12, "epoch": 0.5, "metrics": {"loss": 2.1}}

Training depends on nothing but this file. Whoever wants the numbers elsewhere (MLflow, a live table) reads it.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Event:
    """Metrics at a step of a trial; seconds since 1970, optimizer steps, epochs done."""

    time: float
    step: int
    epoch: float
    metrics: Mapping[str, float]


class EventLog:
    """Appends events to a file, each line whole on disk before the call returns."""

    def __init__(self, path: Path, after_step: int | None = None) -> None:
        """Continue the file at `path`, without its events behind `after_step`: a resumed trial tells those again."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [event for event in read_events(path)[0] if after_step is not None and event.step <= after_step]
        partial = path.with_suffix(".partial")
        partial.write_text("".join(_line(event) for event in kept), encoding="utf-8")
        partial.replace(path)

    def write(self, step: int, epoch: float, metrics: Mapping[str, float]) -> None:
        """Append one event."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line(Event(time.time(), step, epoch, metrics)))


def read_events(path: Path, offset: int = 0) -> tuple[list[Event], int]:
    """The events from a byte offset on, and the offset behind the last whole line (a half-written one is left)."""
    if not path.exists():
        return [], 0
    with path.open("rb") as file:
        file.seek(offset)
        text = file.read()
    whole = text[: text.rfind(b"\n") + 1]
    return [Event(**json.loads(line)) for line in whole.splitlines()], offset + len(whole)


def _line(event: Event) -> str:
    return (
        json.dumps({"time": event.time, "step": event.step, "epoch": event.epoch, "metrics": dict(event.metrics)})
        + "\n"
    )
