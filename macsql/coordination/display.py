"""What a person sees of a running sweep: a live table on a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping
from textwrap import wrap
from typing import Literal

from rich.console import Console
from rich.live import Live
from rich.table import Table

from macsql.coordination.progress import Ended, Progress, Running
from macsql.system.streams import say
from macsql.trials.process import lock_of

PLAIN_INTERVAL = 20.0  # seconds between two lines about a running trial
FRAME = 8  # lines of the live table that are no trials: title, heading, borders, how many more there are
BETWEEN = 19  # letters of a line that are its borders
SHOWN_ENDED = 12  # rows of ended trials in the live table; a sweep of a thousand stays readable


class Display:
    """Call it with the sweep's progress as often as you like; use it as a context manager."""

    def __init__(self, total_steps: Mapping[int, int], objective: str, console: Console | None = None) -> None:
        """`total_steps`: optimizer steps of each planned trial, by index, as far as known."""
        self.total_steps, self.objective = total_steps, objective
        self.console = console or Console()
        self.live = Live(console=self.console, refresh_per_second=4) if self.console.is_terminal else None
        self.said: set[tuple[int, int]] = set()
        self.over: set[int] = set()
        self.first = True
        self.last_line = time.monotonic()

    def __enter__(self) -> "Display":
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()

    def __call__(self, progress: Progress) -> None:
        """Show the sweep as it is now."""
        if self.live:
            self.live.update(self._table(progress))
        else:
            self._lines(progress)

    def _lines(self, progress: Progress) -> None:
        for ended in progress.ended:
            if ended.trial.index not in self.over:
                self.over.add(ended.trial.index)
                if not self.first or ended.fresh:
                    say(f"{self._name(progress, ended.trial.index)} {ended.trial.label}: {self._outcome(ended)}")
        self.first = False
        for running in progress.running:
            mark = (running.trial.index, running.attempt)
            if mark not in self.said:
                self.said.add(mark)
                say(f"{self._name(progress, running.trial.index)} {running.trial.label}: {_began(running)}")
        if time.monotonic() - self.last_line > PLAIN_INTERVAL:
            self.last_line = time.monotonic()
            for running in progress.running:
                say(f"{self._name(progress, running.trial.index)} {running.trial.label}: {self._doing(running)}")
            if progress.problem:
                say(f"MLflow does not answer ({progress.problem}); trials go on, the missing records are sent later")

    def _table(self, progress: Progress) -> Table:
        """What runs first, then what has ended, the last of the plan first, as far as the terminal is high."""
        table = Table(title=f"{len(progress.ended)} of {progress.size} trials done", title_justify="left")
        headings = ("trial", "setting", "state", "step", "loss", self.objective)
        for heading in headings:
            side: Literal["left", "right"] = "left" if heading in {"setting", "state"} else "right"
            table.add_column(heading, justify=side, no_wrap=heading != "setting", overflow="fold")
        running = [self._running(item) for item in progress.running]
        ended = [self._ended(item) for item in reversed(progress.ended[-SHOWN_ENDED:])]
        room = self.console.height - FRAME - 2 * bool(progress.problem)
        widths = [max(map(len, cells)) for cells in zip(headings, *running, *ended, strict=True)]
        width = max(1, self.console.width - BETWEEN - sum(widths) + widths[1])  # what is left for a setting
        shown, room = _fitting(running, room, width)
        for row in running[:shown]:
            table.add_row(*row)
        if shown < len(running):
            table.add_row("…", f"{len(running) - shown} more running", *[""] * 4)
        shown, _ = _fitting(ended, room, width)
        for row in ended[:shown]:
            table.add_row(*row)
        if shown < len(progress.ended):
            table.add_row("…", f"{len(progress.ended) - shown} earlier ones", *[""] * 4)
        if progress.problem:
            table.caption = f"MLflow does not answer ({progress.problem}); the missing records are sent later"
        return table

    def _running(self, running: Running) -> list[str]:
        total = self.total_steps.get(running.trial.index)
        step = f"{running.step}/{total}" if total else str(running.step)
        figures = [_number(running.latest.get("loss")), _number(running.latest.get(self.objective))]
        return [str(running.trial.index + 1), running.trial.label, "running", step, *figures]

    def _ended(self, ended: Ended) -> list[str]:
        result = ended.result
        figures = [_number(result.metrics.get("train_loss")), _number(result.metrics.get(self.objective))]
        return [str(ended.trial.index + 1), ended.trial.label, result.status.lower(), str(result.steps), *figures]

    def _name(self, progress: Progress, index: int) -> str:
        return f"[{index + 1}/{progress.size}]"

    def _outcome(self, ended: Ended) -> str:
        if ended.result.status != "FINISHED":
            return f"{ended.result.status.lower()}: {ended.result.reason}"
        value = _number(ended.result.metrics.get(self.objective))
        return f"finished after {ended.result.steps} steps and {ended.result.seconds:.0f} s, {self.objective} {value}"

    def _doing(self, running: Running) -> str:
        total = self.total_steps.get(running.trial.index)
        words = [f"step {running.step}" + (f" of {total}" if total else "")]
        if total and running.step >= total:
            words.append("generating and scoring")
        for name in ("loss", "eval_loss"):
            if name in running.latest:
                words.append(f"{name} {_number(running.latest[name])}")
        return ", ".join(words)


def _fitting(rows: list[list[str]], room: int, width: int) -> tuple[int, int]:
    """How many rows fit into so many lines, their settings folded to a width; and how many lines are left."""
    for count, row in enumerate(rows):
        lines = sum(-(-len(line) // width) for line in wrap(row[1], width, break_long_words=False))
        if lines > room:
            return count, 0
        room -= lines
    return len(rows), room


def _began(running: Running) -> str:
    if running.attempt == 0:
        process, host = lock_of(running.trial.folder).holder()
        return "still at work since an earlier call" + (f" (process {process} on {host})" if process else "")
    return "started" + (f" (attempt {running.attempt})" if running.attempt > 1 else "")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
