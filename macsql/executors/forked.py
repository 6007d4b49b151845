"""Trials forked from a process that has imported everything once: the sweep's side of `macsql.executors.warm`."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from macsql.errors import first_line
from macsql.executors.supervise import Task, environment
from macsql.executors.warm import GO
from macsql.trials.folder import LOG

PATIENCE = 300.0  # seconds that the process may take to import, and to start a trial
LOOK = 0.02  # seconds between two looks at a process that is waited for


class NoForkError(Exception):
    """The process that forks trials is of no use any more; why."""


class Forked:
    """A trial's process, a child of this one that this one has not started: what is used of `subprocess.Popen`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code (negative: the signal that ended it), or None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises TimeoutExpired after so many seconds."""
        until = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired([str(self.pid)], timeout or 0.0)
            time.sleep(LOOK)
        return code

    def terminate(self) -> None:
        """Ask it to end."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)


class Warm:
    """The process that forks trials. It imports while this one goes on with its own work."""

    def __init__(self, task: Task) -> None:
        """Start it for trials like `task`; whatever is wrong with it shows when it is to start a trial."""
        self._requests, there = socket.socketpair()
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 closed by close()
        # Asked through NVML whether there is a GPU, torch does not begin to use one, which no copy could go on with.
        more = {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
        with there:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "macsql.executors.warm", str(there.fileno()), str(os.getpid()), task.module],
                pass_fds=[there.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._words,
                stderr=subprocess.STDOUT,
                cwd=task.directory,
                env=environment(task, more),
                start_new_session=True,  # Ctrl-C is not its to hear
            )

    def launch(self, task: Task, more: Mapping[str, str]) -> Forked:
        """Start a trial as `supervise.launch` does. Raises NoForkError where that cannot be done."""
        here, there = socket.socketpair()
        order = {
            "folder": str(task.folder),
            "directory": str(task.directory),
            "module": task.module,
            "environment": environment(task, more),
        }
        with here, there, (task.folder / LOG).open("ab") as log, _adopting():
            here.settimeout(PATIENCE)
            try:
                socket.send_fds(self._requests, [b"+"], [there.fileno(), log.fileno()])
                there.close()
                here.sendall(json.dumps(order).encode() + b"\n")
                told = here.makefile("rb").readline()
                pid = int(told) if told.endswith(b"\n") else 0
                if pid:
                    here.sendall(GO)
            except (OSError, ValueError) as error:
                raise NoForkError(self._last_words() or first_line(error)) from error
        if not pid:
            raise NoForkError(self._last_words() or "it did not start the trial")
        return Forked(pid)

    def close(self) -> None:
        """End it, which has nothing to lose; trials go on."""
        self.process.kill()
        self.process.wait()
        self._requests.close()
        self._words.close()

    def _last_words(self) -> str:
        """How the process ended, in its own words where it has left any; empty while it runs."""
        with suppress(subprocess.TimeoutExpired):
            code = self.process.wait(1.0)
            self._words.seek(0)
            words = self._words.read().decode(errors="replace").strip().splitlines()
            return f"ended by signal {-code}" if code < 0 else (words or [f"exit code {code}"])[-1]
        return ""


@contextmanager
def _adopting() -> Iterator[None]:
    """A process below this one that loses its parent in the block becomes this one's child, instead of init's."""
    pr_set_child_subreaper = 36
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(pr_set_child_subreaper, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(pr_set_child_subreaper, 0, 0, 0, 0)
