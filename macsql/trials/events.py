"""What a trial tells: one JSON object per line, written before anything else hears of it.

    {"time": 1700000000.0, "step": 12, "epoch": 0.5, "metrics": {"loss": 2.1}}
    {"time": 1700000100.0, "back_to": 10}

Training depends on nothing but this file. Whoever wants the numbers elsewhere (MLflow, a live table) reads it. It only
ever grows, so that a reader's offset holds however often the trial is killed: a resumed trial says how far back it
went, and tells the steps behind that again.
"""

import json
import os
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
    """Appends events to a file; each line is flushed to the operating system before the call returns.

    So a killed process loses none of them; a power cut may lose the last ones.
    """

    def __init__(self, path: Path, after_step: int | None = None) -> None:
        """Continue the file at `path` behind `after_step`; None: from the start, whatever has been told before."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            _cut_half_a_line(path)
            if path.stat().st_size:
                self._append({"time": time.time(), "back_to": -1 if after_step is None else after_step})
        else:
            path.touch()

    def write(self, step: int, epoch: float, metrics: Mapping[str, float]) -> None:
        """Append one event."""
        self._append({"time": time.time(), "step": step, "epoch": epoch, "metrics": dict(metrics)})

    def _append(self, line: Mapping[str, object]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def read_events(path: Path, offset: int = 0) -> tuple[list[Event], int]:
    """The events from a byte offset on, and the offset behind the last whole line (a half-written one is left).

    Of steps that were told again after a resume only the later telling is there, as far as both lie behind the offset.
    """
    if not path.exists():
        return [], 0
    with path.open("rb") as file:
        file.seek(offset)
        text = file.read()
    whole = text[: text.rfind(b"\n") + 1]
    events: list[Event] = []
    for line in whole.splitlines():
        entry = json.loads(line)
        if "back_to" in entry:
            events = [event for event in events if event.step <= entry["back_to"]]
        else:
            events.append(Event(**entry))
    return events, offset + len(whole)


def _cut_half_a_line(path: Path) -> None:
    """Take away what a kill left of a line; no reader has taken it for one."""
    text = path.read_bytes()
    whole = text.rfind(b"\n") + 1
    if whole < len(text):
        os.truncate(path, whole)
