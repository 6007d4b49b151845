"""Runs a sweep's trials to their end: the one process that talks to the study and decides what runs.

It can die at any moment. What it knows is in the study (which settings), in the trials' folders (what came out) and
nowhere else, so the same command takes up where the dead one stopped: a trial that was running goes on from its last
checkpoint, one that is still running is waited for in its own slot, one that has a result is only told to the study.
"""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from macsql.config import to_yaml
from macsql.coordination.finalize import Finalizer
from macsql.coordination.interrupts import Interrupts
from macsql.coordination.monitor import Monitor
from macsql.coordination.progress import Ended, Progress, Running
from macsql.coordination.publisher import Publisher
from macsql.errors import UserError, with_type
from macsql.executors import Executor
from macsql.search.plan import PlannedTrial, Planner
from macsql.search.study import DONE, Entry, Study
from macsql.system.files import write_whole
from macsql.trials.folder import ABOUT, CONFIG, JOBS
from macsql.trials.process import EXIT_STOPPED
from macsql.trials.result import Result, read_result, stamp

TICK = 0.05  # seconds between two looks at the children
LONGEST_PAUSE = 30.0  # seconds before the next attempt to start a trial where none could be started; 1 after the first
MOST_REFUSED = 8  # starts that may fail in a row, a minute and a half of them
RENEWED_EVERY = 60.0  # seconds between two looks whether the study is still this coordinator's
SHOWN_EVERY = 0.1  # seconds between two words to the display


class Coordinator:
    """Runs what is missing of a study.

    `executor` makes the executor, once and only where something is left to run; `prepared` gives the folder of
    examples for a trial's configuration, `tags` what its run and its folder say of data, model and machine.
    """

    def __init__(
        self,
        study: Study,
        planner: Planner,
        executor: Callable[[], Executor],
        publisher: Publisher,
        prepared: Callable[[PlannedTrial], Path],
        tags: Callable[[PlannedTrial], dict[str, str]],
        show: Callable[[Progress], None],
        interrupts: Interrupts,
    ) -> None:
        self.study, self.planner, self.make_executor, self.publisher = study, planner, executor, publisher
        self.prepared, self.tags, self.show, self.interrupts = prepared, tags, show, interrupts
        objectives = planner.config.sweep.objectives
        self.monitor = Monitor(study, objectives[0])
        self.finalizer = Finalizer(study, publisher, tags, objectives)
        self.running: list[Running] = []
        self.waiting: list[int] = []  # places of the plan that are still to be run, in this order
        self.attempts: dict[int, int] = {}
        self._shown = 0.0
        self._renewed = time.monotonic()
        self._pause, self._resting_until, self._refused = 0.0, 0.0, 0  # after starts that failed

    @cached_property
    def executor(self) -> Executor:
        """Where the trials run."""
        return self.make_executor()

    def run(self) -> list[Ended]:
        """Run until every planned trial has ended or somebody interrupts; returns what ended, by place in the plan."""
        try:
            self._stop_what_is_no_longer_planned()
            for index in range(self.study.size):
                self._take_up(index)
            while self.running or (self.waiting and not self.interrupts.count):
                while self._room():
                    self._start(self.waiting.pop(0))
                    self._show(now=True)  # a short trial may be over before the next look
                self._pass_interrupts_on()
                ended = self._look()
                self._show()
                if time.monotonic() - self._renewed > RENEWED_EVERY:
                    self._renewed = time.monotonic()
                    self.study.renew()
                if not ended:
                    time.sleep(TICK)
        finally:
            for running in self.running:  # something has broken here: what they have done so far is kept
                if running.handle is not None and not running.asked:  # a second word would end it at once
                    with suppress(Exception):
                        running.handle.stop()
            self._leave()
            if "executor" in self.__dict__:
                self.executor.close()
        self._show(now=True)
        return self.finalizer.ended

    def _room(self) -> bool:
        """Whether a trial is to be started now."""
        if not self.waiting or self.interrupts.count or time.monotonic() < self._resting_until:
            return False
        return len(self.running) < self.executor.slots

    def _stop_what_is_no_longer_planned(self) -> None:
        """A smaller plan leaves trials behind whose jobs may be queued, or at work on other machines."""
        size = self.study.size
        for entry in self.study.entries():
            if entry.index < size or entry.state != "RUNNING":
                continue
            folder = self.planner.trial(entry.index, entry.setting, entry.repeat).folder
            if (folder / JOBS).is_dir():
                with suppress(UserError):  # the queue is not to be had here
                    handle = self.executor.adopt(folder)
                    if handle is not None:
                        handle.stop()

    def _take_up(self, index: int) -> None:
        """See how an earlier call left a trial: to be run, still at work, or ended, told to the study or not."""
        entry = self.study.entry(index)
        if entry is None or entry.state == "FAIL":
            self.waiting.append(index)
            return
        trial = self.planner.trial(index, entry.setting, entry.repeat)
        if trial.folder.is_dir() and not _about(trial.folder):  # half written, at a power cut
            with suppress(OSError):
                self._written(entry)
        if entry.state == "COMPLETE":
            self.finalizer.known(trial, entry.values)
            return
        result = read_result(trial.folder)
        if entry.state == "PRUNED" and result is not None and result.pruned:
            self.finalizer.pruned(Running(trial, None), fresh=False)
            return
        running = Running(trial, None) if entry.state == "RUNNING" else self.monitor.as_it_was_pruned(trial)
        running.handle = self.executor.adopt(trial.folder)
        if running.handle is not None:
            running.slot = self._free_slot()
            self.running.append(running)
            self.finalizer.publish(trial, "RUNNING")
        elif running.pruned:
            self.finalizer.pruned(running, fresh=False)
        elif result is not None and result.status == "FINISHED":
            self._finished(running, result, fresh=False)
        else:
            self.waiting.append(index)

    def _start(self, index: int) -> None:
        entry = self.study.propose(index)
        trial = self.planner.trial(index, entry.setting, entry.repeat)
        attempt = self.attempts[index] = self.attempts.get(index, 0) + 1
        running = Running(trial, None, self._free_slot(), attempt, stamp(trial.folder))
        try:
            self._written(entry)
            running.handle = self.executor.start(trial.folder, running.slot)
        except UserError:
            raise
        except Exception as error:  # no memory for a process, no room on a disk, no answer from a queue
            reason = with_type(error)
            self._failed(running, Result("FAILED", {}, f"it could not be started ({reason})"))
            # What keeps one trial from starting may keep them all: the rest of the plan is not thrown after it.
            self._refused += 1
            if self._refused >= MOST_REFUSED:
                raise UserError(
                    f"No trial could be started, {self._refused} times in a row ({reason}): "
                    "mend that, and the same command goes on from here."
                ) from error
            self._pause = min(LONGEST_PAUSE, 2 * self._pause or 1.0)
            self._resting_until = time.monotonic() + self._pause
            return
        self._pause, self._refused = 0.0, 0
        self.running.append(running)
        self.finalizer.publish(trial, "RUNNING")

    def _written(self, entry: Entry) -> None:
        """Make a trial's folder ready for a process to run it."""
        trial = self.planner.trial(entry.index, entry.setting, entry.repeat)
        folder, prepared = trial.folder, str(self.prepared(trial).resolve())
        known = _about(folder).get("prepared", prepared)
        if Path(known).name != Path(prepared).name:  # named by their content; the state directory may have been moved
            raise UserError(
                f"{folder} was trained on other data, in a study that is gone: remove the folder, "
                "or give this sweep its own name with sweep.name=NAME."
            )
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / CONFIG, to_yaml(trial.config))
        about = {
            "sweep": self.study.name,
            "index": trial.index,
            "setting": trial.setting,
            "repeat": trial.repeat,
            "label": trial.label,
            "prepared": prepared,
            "command": self.planner.command,
            "tags": self.tags(trial),
        }
        write_whole(folder / ABOUT, json.dumps(about, indent=1))

    def _free_slot(self) -> int:
        taken = {running.slot for running in self.running}
        return next(slot for slot in range(len(taken) + 1) if slot not in taken)

    def _pass_interrupts_on(self) -> None:
        for running in self.running:
            if running.handle is None or running.asked >= self.interrupts.count:
                continue
            running.asked = self.interrupts.count
            if running.asked == 1:
                running.handle.stop()
            else:
                running.handle.kill()

    def _look(self) -> bool:
        """Hear the children and see to those that have ended; whether there were any."""
        any_ended = False
        for running in list(self.running):
            code = running.handle.poll() if running.handle is not None else None
            self.monitor.hear(running)  # after the look, so that an ended one has been heard to its end
            if code is None:
                continue
            any_ended = True
            self.running.remove(running)
            folder = running.trial.folder
            result = read_result(folder) if stamp(folder) != running.before or code == 0 else None
            if running.pruned:
                self.finalizer.pruned(running, fresh=True)
            elif result is not None and result.status == "FINISHED":
                self._finished(running, result, fresh=True)
            elif self.interrupts.count:
                self.waiting.append(running.trial.index)  # the study keeps it RUNNING: the next call goes on with it
            else:
                self._failed(running, result or Result("FAILED", {}, _death(code)))
        return any_ended

    def _finished(self, running: Running, result: Result, fresh: bool) -> None:
        """Close a trial that has done its work, unless a pruner that was not there to see it would have stopped it."""
        self.monitor.hear(running)
        if running.pruned:
            self.finalizer.pruned(running, fresh)
        else:
            self.finalizer.finished(running.trial, result, fresh)

    def _failed(self, running: Running, result: Result) -> None:
        retry = running.attempt <= self.planner.config.sweep.max_retries and not result.diverged
        if retry:
            self.waiting.insert(0, running.trial.index)
        else:
            self.finalizer.failed(running.trial, result, result.reason, fresh=True)

    def _leave(self) -> None:
        """What will not go on in this call, be it stopped or no longer planned, must not look as if it were running."""
        for entry in self.study.entries():
            if entry.index not in self.finalizer.closed:
                trial = self.planner.trial(entry.index, entry.setting, entry.repeat)
                result = read_result(trial.folder) if entry.state in DONE else None
                other = "FAILED" if entry.state == "FAIL" else "KILLED"
                self.finalizer.publish(trial, result.status if result is not None else other)

    def _show(self, now: bool = False) -> None:
        if now or time.monotonic() - self._shown >= SHOWN_EVERY:
            self._shown = time.monotonic()
            self.show(Progress(self.study.size, self.running, self.finalizer.ended, self.publisher.problem))


def _about(folder: Path) -> dict[str, Any]:
    """What is written down of a trial; nothing where that is missing or, after a power cut, half there."""
    try:
        return json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def _death(code: int) -> str:
    if code == EXIT_STOPPED:
        return "the trial's process was asked to stop by somebody else"
    return f"the trial's process was ended by signal {-code}" if code < 0 else f"the trial's process exited with {code}"
