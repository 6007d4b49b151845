"""Runs a sweep's trials to their end: the one process that talks to the study and decides what runs.

It can die at any moment. What it knows is in the study (which points), in the trials' folders (what came out) and
nowhere else, so the same command takes up where the dead one stopped: a trial that was running goes on from its last
checkpoint, one that has a result is only told to the study.
"""

import dataclasses
import json
import math
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from macsql.config import flatten, to_yaml
from macsql.errors import UserError
from macsql.executors import Executor, Handle
from macsql.file_lock import HOST
from macsql.search.interrupts import Interrupts
from macsql.search.plan import PlannedTrial, Planner
from macsql.search.publisher import Publisher
from macsql.search.study import DONE, Study
from macsql.training.events import read_events
from macsql.training.process import EXIT_STOPPED, lock_of
from macsql.training.result import DIVERGED, PRUNED, Result, read_result, write_result, write_whole

TICK = 0.05  # seconds between two looks at the children
SHOWN_EVERY = 0.1  # seconds between two words to the display
ORPHAN_PATIENCE = 60.0  # seconds that a trial of a dead coordinator has to write its checkpoint


@dataclass
class Running:
    """A trial under way."""

    trial: PlannedTrial
    handle: Handle | None  # None: it has ended, and only its events are heard
    slot: int = 0
    attempt: int = 1
    before: int = 0  # what result.json was when it started, so that an earlier attempt's is not taken for its own
    offset: int = 0  # bytes of its events that have been read
    step: int = 0
    epoch: float = 0.0
    latest: dict[str, float] = field(default_factory=dict)
    evaluations: list[int] = field(default_factory=list)  # steps at which the objective was told
    pruned: bool = False
    asked: int = 0  # interrupts that it has been told of


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
        interrupts: Interrupts,
    ) -> None:
        self.study, self.planner, self.executor, self.publisher = study, planner, executor, publisher
        self.prepared, self.tags, self.show, self.interrupts = prepared, tags, show, interrupts
        self.config = planner.config
        self.running: list[Running] = []
        self.ended: dict[int, Ended] = {}
        self.attempts: dict[int, int] = {}
        self._shown = 0.0
        self._told: dict[int, tuple[Mapping[str, Any], Mapping[str, str]]] = {}  # index -> parameters, tags

    def run(self) -> list[Ended]:
        """Run until every planned trial has ended or somebody interrupts; returns what ended, by place in the plan."""
        waiting: list[int] = []
        try:
            waiting = self._take_stock()
            while self.running or (waiting and not self.interrupts.count):
                while waiting and not self.interrupts.count and len(self.running) < self.executor.slots:
                    self._start(waiting.pop(0))
                    self._show(now=True)  # a short trial may be over before the next look
                self._pass_interrupts_on()
                ended = self._look(waiting)
                self._show()
                if not ended:
                    time.sleep(TICK)
        finally:
            for running in self.running:
                if running.handle is not None:
                    running.handle.kill()
            for index in waiting + [running.trial.index for running in self.running]:
                self._leave(index)
        self._show(now=True)
        return self._ended()

    def _take_stock(self) -> list[int]:
        """Close what has ended without the study knowing; the places of the plan that are still to be run."""
        waiting = []
        for index in range(self.study.size):
            entry = self.study.entry(index)
            if entry is None or entry.state == "FAIL":
                waiting.append(index)
                continue
            trial = self.planner.trial(index, entry.point, entry.repeat)
            if entry.state == "RUNNING" and not self._wait_for_orphan(trial.folder):
                waiting.append(index)  # interrupted while waiting
                continue
            result = read_result(trial.folder)
            if entry.state == "PRUNED":
                self._end_pruned(self._as_it_was_pruned(trial), fresh=False)
            elif entry.state == "COMPLETE":
                values = dict(zip(self.config.sweep.objectives, entry.values, strict=False))
                self._record(trial, result or Result("FINISHED", values), fresh=False)
            elif result is None or result.status != "FINISHED":
                waiting.append(index)
            else:
                self._finished(Running(trial, None), result, fresh=False)
        return waiting

    def _wait_for_orphan(self, folder: Path) -> bool:
        """Wait until no process of a dead coordinator is at work in the folder; False when interrupted meanwhile.

        The kernel has asked it to stop when its parent died. One that does not within a minute is ended: whatever it
        was at, its last checkpoint is whole.
        """
        lock, until = lock_of(folder), time.monotonic() + ORPHAN_PATIENCE
        while not lock.free():
            if self.interrupts.count:
                return False
            process, host = lock.holder()
            if time.monotonic() > until and host == HOST:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(TICK)
        return True

    def _start(self, index: int) -> None:
        entry = self.study.propose(index)
        trial = self.planner.trial(index, entry.point, entry.repeat)
        folder, attempt = trial.folder, self.attempts.get(index, 0) + 1
        prepared = str(self.prepared(trial).resolve())
        if (folder / "trial.json").exists() and _about(folder).get("prepared") != prepared:
            raise UserError(
                f"{folder} was trained on other data, in a study that is gone: remove the folder, "
                "or give this sweep its own name with sweep.name=NAME."
            )
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "config.yaml", to_yaml(trial.config))
        about = {
            "sweep": self.study.name,
            "index": index,
            "point": trial.point,
            "repeat": trial.repeat,
            "label": trial.label,
            "prepared": prepared,
            "command": self.planner.command,
            "tags": self.tags,
        }
        write_whole(folder / "trial.json", json.dumps(about, indent=1))
        self.attempts[index] = attempt
        slot = min(set(range(self.executor.slots)) - {running.slot for running in self.running})
        before = _stamp(folder)
        handle = self.executor.start(folder, slot)
        self.running.append(Running(trial, handle, slot, attempt, before))
        self._publish(trial, "RUNNING")

    def _pass_interrupts_on(self) -> None:
        for running in self.running:
            if running.handle is None or running.asked >= self.interrupts.count:
                continue
            running.asked = self.interrupts.count
            if running.asked == 1:
                running.handle.stop()
            else:
                running.handle.kill()

    def _look(self, waiting: list[int]) -> bool:
        """Hear the children and see to those that have ended; whether there were any."""
        any_ended = False
        for running in list(self.running):
            code = running.handle.poll() if running.handle is not None else None
            self._hear(running)  # after the look, so that an ended one has been heard to its end
            if code is None:
                continue
            any_ended = True
            self.running.remove(running)
            folder = running.trial.folder
            result = read_result(folder) if _stamp(folder) != running.before or code == 0 else None
            if running.pruned:
                self._end_pruned(running, fresh=True)
            elif result is not None and result.status == "FINISHED":
                self._finished(running, result, fresh=True)
            elif self.interrupts.count:
                waiting.append(running.trial.index)  # the study keeps it RUNNING: the next call goes on with it
            else:
                self._failed(running, result or Result("FAILED", {}, _death(code)), waiting)
        return any_ended

    def _hear(self, running: Running) -> None:
        events, running.offset = read_events(running.trial.folder / "events.jsonl", running.offset)
        objective = self.config.sweep.objectives[0]
        for event in events:
            if running.pruned:
                return  # what it told after the decision is chance
            running.step, running.epoch = event.step, event.epoch
            running.latest.update(event.metrics)
            if objective not in event.metrics:
                continue
            if event.step not in running.evaluations:
                running.evaluations.append(event.step)
            place = running.evaluations.index(event.step) + 1
            if self.study.report(running.trial.index, place, event.metrics[objective]):
                self._prune(running)

    def _prune(self, running: Running) -> None:
        """Stop a trial for good. The study hears of it first: whatever is killed from here on, the decision stands."""
        running.pruned = True
        self.study.finish(running.trial.index, None, pruned=True)
        if running.handle is not None:
            running.handle.stop()

    def _as_it_was_pruned(self, trial: PlannedTrial) -> Running:
        """A trial at the evaluation after which it was pruned, in a call that died before writing that down."""
        running, told = Running(trial, None, pruned=True), self.study.reported(trial.index)
        for event in read_events(trial.folder / "events.jsonl")[0]:
            running.step = event.step
            running.latest.update(event.metrics)
            told -= self.config.sweep.objectives[0] in event.metrics
            if told == 0:
                break
        return running

    def _end_pruned(self, running: Running, fresh: bool) -> None:
        folder, objective = running.trial.folder, self.config.sweep.objectives[0]
        result = read_result(folder)
        if result is None or not result.pruned:
            if not fresh:
                self._wait_for_orphan(folder)
            value = running.latest.get(objective)
            reason = f"{PRUNED}: others had a better {objective} by then" + (
                "" if value is None else f" than {value:.4g}"
            )
            result = Result("KILLED", running.latest, reason, running.step)
            folder.mkdir(parents=True, exist_ok=True)
            write_result(folder, result)
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        self._record(running.trial, result, fresh)

    def _finished(self, running: Running, result: Result, fresh: bool) -> None:
        """Close a trial that has done its work, unless a pruner that was not there to see it would have stopped it."""
        self._hear(running)
        if running.pruned:
            self._end_pruned(running, fresh)
            return
        names = self.config.sweep.objectives
        missing = [name for name in names if name not in result.metrics]
        odd = [name for name in names if name in result.metrics and not math.isfinite(result.metrics[name])]
        if missing:
            self._close_failed(
                running.trial, result, f"sweep.metric {', '.join(missing)} was not measured by it", fresh
            )
        elif odd:
            self._close_failed(running.trial, result, f"{DIVERGED}: {', '.join(odd)} is not a number", fresh)
        else:
            shutil.rmtree(running.trial.folder / "checkpoints", ignore_errors=True)  # where its process died before
            self.study.finish(running.trial.index, [result.metrics[name] for name in names])
            self._record(running.trial, result, fresh)

    def _failed(self, running: Running, result: Result, waiting: list[int]) -> None:
        retry = running.attempt <= self.config.sweep.max_retries and not result.reason.startswith(DIVERGED)
        if retry:
            waiting.insert(0, running.trial.index)
        else:
            self._close_failed(running.trial, result, result.reason, fresh=True)

    def _close_failed(self, trial: PlannedTrial, result: Result, reason: str, fresh: bool) -> None:
        result = dataclasses.replace(result, status="FAILED", reason=reason)
        write_result(trial.folder, result)
        self.study.finish(trial.index, None)
        self._record(trial, result, fresh)

    def _record(self, trial: PlannedTrial, result: Result, fresh: bool) -> None:
        self.ended[trial.index] = Ended(trial, result, fresh)
        self._publish(trial, result.status)

    def _leave(self, index: int) -> None:
        """What is begun and will not go on in this call must not look as if it were running."""
        entry = self.study.entry(index)
        if entry is not None and entry.state not in DONE:
            trial = self.planner.trial(index, entry.point, entry.repeat)
            self._publish(trial, "FAILED" if entry.state == "FAIL" else "KILLED")

    def _publish(self, trial: PlannedTrial, status: str) -> None:
        if not (trial.folder / "trial.json").exists():
            return  # killed between its proposal and its folder, or the folder has been taken away
        if trial.index not in self._told:
            tags = {
                **self.tags,
                "macsql.index": str(trial.index),
                "macsql.label": trial.label,
                "macsql.repeat": str(trial.repeat),
                "macsql.point": json.dumps(trial.point),
            }
            self._told[trial.index] = parameters(trial), tags
        self.publisher.tell(trial.folder, status, *self._told[trial.index])

    def _show(self, now: bool = False) -> None:
        if now or time.monotonic() - self._shown >= SHOWN_EVERY:
            self._shown = time.monotonic()
            self.show(Progress(self.study.size, self.running, self._ended(), self.publisher.problem))

    def _ended(self) -> list[Ended]:
        return [self.ended[index] for index in sorted(self.ended)]


def parameters(trial: PlannedTrial) -> dict[str, Any]:
    """The resolved configuration for MLflow's parameters, with the rate that the Trainer really gets."""
    from macsql.training.trial import LIGER

    config = trial.config
    rate = config.trainer.learning_rate * config.scale.learning_rate_factor
    liger = {"liger": LIGER} if config.trainer.use_liger_kernel else {}
    return {**flatten(config), "effective_learning_rate": rate, **liger}


def log_tail(folder: Path, lines: int) -> list[str]:
    """The last lines of what a trial printed."""
    try:
        return (folder / "log.txt").read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []


def _about(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "trial.json").read_text(encoding="utf-8"))


def _stamp(folder: Path) -> int:
    """Changes with every result.json that is put into the folder; 0 without one."""
    path = folder / "result.json"
    return path.stat().st_mtime_ns if path.exists() else 0


def _death(code: int) -> str:
    if code == EXIT_STOPPED:
        return "the trial's process was asked to stop by somebody else"
    return f"the trial's process was ended by signal {-code}" if code < 0 else f"the trial's process exited with {code}"
