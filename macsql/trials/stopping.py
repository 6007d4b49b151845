"""Why a training ends early: it was asked to, or its loss is no longer a number.

The first signal asks for a checkpoint at the next step; a second one ends the process at once.
"""

import ctypes
import os
import signal
import sys
from types import FrameType

# The kernel sends it once for each thread of the dying parent, so it must not count as a second request.
PARENT_DIED = signal.SIGHUP
PARENT = "MACSQL_PARENT"  # environment: the process id whose death ends this one


class Interrupted(Exception):
    """Asked to stop; what had been done is on disk."""


class Diverged(Exception):
    """The loss is no longer a number: going on, or trying again, is of no use."""


class StopRequest:
    """Whether somebody has asked this process to stop. A second signal stops it at once."""

    def __init__(self) -> None:
        self.requested = False

    def listen(self) -> "StopRequest":
        """Take SIGTERM and SIGINT as requests from now on; only the main thread of a process may do this."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        signal.signal(PARENT_DIED, self._on_parents_death)
        return self

    def check(self) -> None:
        """Raise Interrupted where a stop has been asked for."""
        if self.requested:
            raise Interrupted

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if self.requested:
            os._exit(128 + number)
        self.requested = True

    def _on_parents_death(self, number: int, _: FrameType | None) -> None:  # noqa: ARG002
        self.requested = True


def signal_of_death(number: int) -> None:
    """Let the kernel send this process a signal when its parent dies (Linux only; elsewhere nothing happens)."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, number)


def stop_with_parent(stop: StopRequest) -> None:
    """Ask the kernel for a signal when the parent dies, so that no trial outlives its sweep unseen (Linux only).

    A parent that died before the kernel was asked is told by its process id, which whoever starts a trial leaves in
    the environment.
    """
    signal_of_death(PARENT_DIED)
    expected = os.environ.get(PARENT)
    if expected and os.getppid() != int(expected):
        stop.requested = True
