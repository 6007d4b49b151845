"""A trial's process under the eyes of a task on another machine.

Ray and Slurm both start a Python function there. That function runs the trial as a process of its own, exactly as the
local executor does, so that a trial cannot tell where it is and a crash takes nothing else down.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from macsql.config import ExecutorConfig
from macsql.errors import UserError
from macsql.trials.folder import LOG
from macsql.trials.process import EXIT_STOPPED
from macsql.trials.stopping import PARENT

TRIAL = "macsql.train"
INTERVAL = 0.2  # seconds between two looks at the process


@dataclass(frozen=True)
class Task:
    """What a task is to run."""

    folder: Path  # the trial's, where the task will find it
    directory: Path  # current directory of the process: relative paths in the configuration start there
    threads: int
    module: str = TRIAL  # what `python -m` runs with the folder as its argument


class Process(Protocol):
    """What is used of `subprocess.Popen`, whoever has started the process."""

    pid: int

    def poll(self) -> int | None:
        """The exit code (negative: the signal that ended it), or None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises subprocess.TimeoutExpired after so many seconds."""

    def terminate(self) -> None:
        """Ask it to end."""


def environment(task: Task, more: Mapping[str, str] = {}) -> dict[str, str]:
    """The environment of a trial's process; `more` are variables that come on top."""
    numbers = {  # what a trial's numbers and its end depend on
        "OMP_NUM_THREADS": str(task.threads),
        "MKL_NUM_THREADS": str(task.threads),
        "TOKENIZERS_PARALLELISM": "false",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        PARENT: str(os.getpid()),
    }
    return os.environ | numbers | dict(more)


def launch(task: Task, more: Mapping[str, str] = {}) -> "subprocess.Popen[bytes]":
    """Start the trial's process; what it prints goes to <folder>/log.txt. `more` are variables of its environment."""
    with (task.folder / LOG).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", task.module, str(task.folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=task.directory,
            env=environment(task, more),
            start_new_session=True,  # so that Ctrl-C is not its to hear, and it can be killed with all it has started
        )


def end(process: Process) -> None:
    """Kill a trial's process and whatever it started; nothing where it has ended."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def supervise(
    task: Task, asked: Callable[[], int], look: Callable[[], None] = lambda: None, forward: bool = True
) -> int:
    """Run the trial to its end; returns its exit code.

    `asked` counts the requests to stop: one is passed on as a request for a checkpoint, two kill; `forward` is false
    where whoever asks tells the trial's process too. `look` is called now and then while the trial runs; what it
    raises ends the trial and is raised.
    """
    if asked():
        return EXIT_STOPPED
    process = launch(task)
    told = 0
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(INTERVAL)
            if forward and asked() > told:
                told = asked()
                process.terminate() if told == 1 else end(process)
            look()
    finally:
        end(process)


def suited_threads(config: ExecutorConfig, tiny: bool, cores: int) -> int:
    """CPU threads per trial: as configured, else one for a tiny model and all `cores` for another."""
    return config.fixed_threads or (1 if tiny else max(1, cores))


def check_options(config: ExecutorConfig, known: Mapping[str, Any]) -> dict[str, Any]:
    """`known` with the configured values in place. Raises UserError for a key that is none, or a count below 1."""
    for key, value in (("workers", config.workers), ("threads", config.fixed_threads)):
        if value is not None and value < 1:
            raise UserError(f"executor.{key}={value}: at least 1 is needed.")
    for key in config.options:
        if key not in known:
            raise UserError(f"executor.options.{key}: executor={config.name} knows {', '.join(sorted(known))}.")
    return {**known, **config.options}


def one_gpu_at_most(key: str, gpus: float) -> None:
    """Raise UserError where a trial asks for several: the Trainer would split each batch and learn from more rows."""
    if gpus > 1:
        raise UserError(f"{key}={gpus}: a trial trains on one GPU; more of them run more trials at once.")


def note(folder: Path, sentence: str) -> None:
    """Add to the trial's log what its own process could not say."""
    with (folder / LOG).open("a", encoding="utf-8") as log:
        log.write(sentence.rstrip() + "\n")
