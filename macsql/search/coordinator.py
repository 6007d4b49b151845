"""Runs a sweep's trials to their end: the one process that talks to the study and decides what runs.

It can die at any moment. What it knows is in the study (which points), in the trials' folders (what came out) and
nowhere else, so the same command takes up where the dead one stopped: a trial that was running goes on from its last
checkpoint, one that has a result is only told to the study.
"""

import dataclasses
import json
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from macsql.config import flatten, to_yaml
from macsql.executors import Executor, Handle
from macsql.search.plan import PlannedTrial, Planner
from macsql.search.publisher import Publisher
from macsql.search.study import Study
from macsql.training.events import read_events
from macsql.training.trial import DIVERGED, EXIT_STOPPED, LIGER, Result, read_result, write_result

TICK = 0.1  # seconds between two looks at the children
LOG_TAIL = 12  # lines of a failed trial's log worth showing


@dataclass
class Running:
    """A trial under way."""

    trial: PlannedTrial
    handle: Handle
    slot: int
    started: float
    attempt: int
    offset: int = 0  # bytes of its events that have been read
    step: int = 0
    epoch: float = 0.0
    latest: dict[str, float] = field(default_factory=dict)
    pruned: bool = False


@dataclass(frozen=True)
class Ended:
    """A trial that has a result."""

    trial: PlannedTrial
    result: Result
    fresh: bool  # this call ran it, or part of it


@dataclass
class Progress:
    """What a display may look at."""

    size: int
    running: list[Running]
    ended: list[Ended]
    problem: str = ""


class Coordinator:
    """Runs what is missing of a study. `prepared` gives the folder of examples for a trial's configuration."""

    def __init__(
        self,
        study: Study,
        planner: Planner,
        executor: Executor,
        publisher: Publisher,
        prepared: Callable[[PlannedTrial], Path],
        tags: dict[str, str],
        show: Callable[[Progress], None],
    ) -> None:
        self.study, self.planner, self.executor, self.publisher = study, planner, executor, publisher
        self.prepared, self.tags, self.show = prepared, tags, show
        self.config = planner.config
        self.running: list[Running] = []
        self.ended: dict[int, Ended] = {}
        self.attempts: dict[int, int] = {}
        self.interrupts = 0

    def run(self) -> list[Ended]:
        """Run until every planned trial has ended or somebody interrupts; returns what ended, by place in the plan."""
        before = {number: signal.signal(number, self._interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            waiting = self._take_stock()
            while self.running or (waiting and not self.interrupts):
                while waiting and not self.interrupts and len(self.running) < self.executor.slots:
                    self._start(waiting.pop(0))
                self._look(waiting)
                self.show(self._progress())
                time.sleep(TICK)
        finally:
            for running in self.running:
                running.handle.kill()
            for number, handler in before.items():
                signal.signal(number, handler)
        self.show(self._progress())
        return [self.ended[index] for index in sorted(self.ended)]

    def _take_stock(self) -> list[int]:
        """Close what has ended without the study knowing; the places of the plan that are still to be run."""
        waiting = []
        for index in range(self.study.size):
            entry = self.study.entry(index)
            if entry is None or entry.state == "FAIL":
                waiting.append(index)
                continue
            trial = self.planner.trial(index, entry.point, entry.repeat)
            result = read_result(trial.folder)
            if result is None and entry.state == "COMPLETE":
                result = Result("FINISHED", dict(zip(self.config.sweep.metric, entry.values, strict=False)))
            if result is None or (entry.state == "RUNNING" and result.status != "FINISHED"):
                waiting.append(index)
                continue
            if entry.state == "RUNNING":
                self._close(trial, result, fresh=False)
            else:
                self.ended[index] = Ended(trial, result, fresh=False)
                self._publish(trial, result.status)
        return waiting

    def _start(self, index: int) -> None:
        entry = self.study.propose(index)
        trial = self.planner.trial(index, entry.point, entry.repeat)
        folder = trial.folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "result.json").unlink(missing_ok=True)  # of a failed attempt
        (folder / "config.yaml").write_text(to_yaml(trial.config), encoding="utf-8")
        about = {
            "sweep": self.study.name,
            "index": index,
            "point": trial.point,
            "repeat": trial.repeat,
            "label": trial.label,
            "prepared": str(self.prepared(trial).resolve()),
            "command": self.planner.command,
            "tags": self.tags,
        }
        (folder / "trial.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
        self.attempts[index] = self.attempts.get(index, 0) + 1
        slot = min(set(range(self.executor.slots)) - {running.slot for running in self.running})
        handle = self.executor.start(folder, slot)
        self.running.append(Running(trial, handle, slot, time.monotonic(), self.attempts[index]))
        self._publish(trial, "RUNNING")

    def _look(self, waiting: list[int]) -> None:
        for running in list(self.running):
            code = running.handle.poll()
            self._hear(running)
            if code is None:
                continue
            self.running.remove(running)
            result = read_result(running.trial.folder)
            if running.pruned:
                result = result or Result("KILLED", running.latest, "pruned", steps=running.step)
                write_result(running.trial.folder, result)
                self._close(running.trial, result, fresh=True, pruned=True)
            elif result is not None and result.status == "FINISHED":
                self._close(running.trial, result, fresh=True)
            elif self.interrupts or code == EXIT_STOPPED:
                self._publish(running.trial, "KILLED")  # the study keeps it RUNNING: the next call goes on with it
            else:
                result = result or Result("FAILED", {}, _death(code))
                self._failed(running, result, waiting)

    def _hear(self, running: Running) -> None:
        events, running.offset = read_events(running.trial.folder / "events.jsonl", running.offset)
        objective = self.config.sweep.metric[0]
        for event in events:
            running.step, running.epoch = event.step, event.epoch
            running.latest.update(event.metrics)
            if (
                objective in event.metrics
                and not running.pruned
                and self.study.report(running.trial.index, event.step, event.metrics[objective])
            ):
                running.pruned = True
                running.handle.stop()

    def _failed(self, running: Running, result: Result, waiting: list[int]) -> None:
        trial = running.trial
        if running.attempt <= self.config.sweep.max_retries and not result.reason.startswith(DIVERGED):
            waiting.insert(0, trial.index)
            return
        tail = "\n".join((trial.folder / "log.txt").read_text(errors="replace").splitlines()[-LOG_TAIL:])
        result = dataclasses.replace(result, reason=result.reason or tail)
        write_result(trial.folder, result)
        self._close(trial, result, fresh=True)

    def _close(self, trial: PlannedTrial, result: Result, fresh: bool, pruned: bool = False) -> None:
        values = self._values(result) if result.status == "FINISHED" else None
        if result.status == "FINISHED" and values is None:
            missing = [name for name in self.config.sweep.metric if name not in result.metrics]
            result = Result(
                "FAILED", result.metrics, f"sweep.metric {', '.join(missing)} was not measured by this trial"
            )
            write_result(trial.folder, result)
        self.study.finish(trial.index, values, pruned)
        self.ended[trial.index] = Ended(trial, result, fresh)
        self._publish(trial, result.status)

    def _values(self, result: Result) -> Sequence[float] | None:
        names = self.config.sweep.metric
        return [result.metrics[name] for name in names] if all(name in result.metrics for name in names) else None

    def _publish(self, trial: PlannedTrial, status: str) -> None:
        tags = {
            **self.tags,
            "macsql.index": str(trial.index),
            "macsql.label": trial.label,
            "macsql.repeat": str(trial.repeat),
            "macsql.point": json.dumps(trial.point),
        }
        self.publisher.tell(trial.folder, status, parameters(trial), tags)

    def _progress(self) -> Progress:
        ended = [self.ended[index] for index in sorted(self.ended)]
        return Progress(self.study.size, self.running, ended, self.publisher.problem)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.interrupts += 1
        for running in self.running:
            if self.interrupts == 1:
                running.handle.stop()
            else:
                running.handle.kill()


def parameters(trial: PlannedTrial) -> dict[str, Any]:
    """The resolved configuration for MLflow's parameters, with the rate that the Trainer really gets."""
    config = trial.config
    rate = config.trainer.learning_rate * config.scale.learning_rate_factor
    liger = {"liger": LIGER} if config.trainer.use_liger_kernel else {}
    return {**flatten(config), "effective_learning_rate": rate, **liger}


def _death(code: int) -> str:
    return f"the trial's process was ended by signal {-code}" if code < 0 else f"the trial's process exited with {code}"
