"""How far the making of examples is, on stderr: a bar on a terminal, else a line for every tenth of the work."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def making(total: int) -> Iterator[Callable[[int, int], None]]:
    """A function that takes the questions done and their number, to be called as often as you like."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("Making examples"), BarColumn(), MofNCompleteColumn(), TextColumn("questions"))
        with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=total)
            yield lambda done, _: bar.update(task, completed=done)
        return
    told = 0

    def tell(done: int, total: int) -> None:
        nonlocal told
        if done * 10 // total > told or done == total:
            told = done * 10 // total
            print(f"Making examples: {done} of {total} questions", file=sys.stderr, flush=True)

    yield tell
