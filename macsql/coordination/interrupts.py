"""Ctrl-C and its relatives, counted: once asks for checkpoints, twice ends at once, a third time leaves everything.

A terminal that goes away may say so more than once, and means it once.
"""

import signal
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Counts the requests to stop while it is held as a context manager, in the main thread.

    The handler only counts: whoever runs something looks at `count` at a moment of its own choosing, so that no signal
    comes between two steps that belong together.
    """

    def __init__(self) -> None:
        self.count = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interrupts":
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup means it
                self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _heard(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.count = max(self.count, 1) if number == signal.SIGHUP else self.count + 1
        if self.count > 2:
            raise KeyboardInterrupt
