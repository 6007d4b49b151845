"""Trials as child processes of this machine.

On Linux they are forked from one process that has imported everything (`macsql.executors.warm`). Elsewhere a copy of a
process that has loaded the system's libraries is not safe, and each trial starts and imports for itself.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from macsql.config import ExecutorConfig
from macsql.errors import UserError, first_line
from macsql.executors.forked import NoForkError, Warm
from macsql.executors.orphan import Orphan, orphan
from macsql.executors.supervise import TRIAL, Process, Task, check_options, end, launch
from macsql.system.streams import say

TINY = 10_000_000  # parameters; below this a second thread gains nothing on a CPU


@dataclass(frozen=True)
class Share:
    """What one trial may use."""

    threads: int
    gpu: str | None  # as CUDA_VISIBLE_DEVICES names it


class LocalHandle:
    """A child process."""

    def __init__(self, process: Process) -> None:
        self.process = process

    def poll(self) -> int | None:
        """The exit code (negative: the signal that ended it), or None while it runs."""
        return self.process.poll()

    def stop(self) -> None:
        """Ask for a checkpoint and an end."""
        if self.process.poll() is None:
            self.process.terminate()

    def kill(self) -> None:
        """End the trial and whatever it started."""
        end(self.process)


class LocalExecutor:
    """Runs trials side by side, each with its share of threads and, where there are any, one GPU."""

    def __init__(self, shares: list[Share], module: str = TRIAL, forks: bool = False) -> None:
        """`module` is what `python -m` runs with a trial's folder as its argument; `forks`: in copies of one process.

        All shares have the same number of threads.
        """
        self.shares, self.module, self.forks = shares, module, forks
        self._warm: Warm | None = None
        self.slots = len(shares)
        self.threads, self.gpu = shares[0].threads, shares[0].gpu is not None

    @classmethod
    def suited(cls, config: ExecutorConfig, parameters: int | None) -> "LocalExecutor":
        """As many trials at once as the configuration says or the machine and the model's size suggest.

        With GPUs: one trial each. Without: a tiny model takes one thread and as many trials as there are cores; a
        larger one takes all cores for one trial, or its share of them where executor.workers asks for several.
        """
        options = check_options(config, {"module": TRIAL, "forks": True})
        if not isinstance(options["forks"], bool):
            raise UserError(f"executor.options.forks={options['forks']}: write true or false.")
        cores = usable_cores()
        gpus = visible_gpus()
        tiny = parameters is not None and parameters < TINY
        threads = config.fixed_threads or (1 if tiny else max(1, cores // (config.workers or len(gpus) or 1)))
        workers = config.workers or len(gpus) or max(1, cores // threads)
        shares = [Share(threads, gpus[slot % len(gpus)] if gpus else None) for slot in range(workers)]
        return cls(shares, options["module"], options["forks"] and sys.platform == "linux")

    def prepare(self) -> None:
        """Let the process that forks trials begin to import; it is waited for when the first trial starts."""
        if self.forks and self._warm is None:
            try:
                self._warm = Warm(self._task(Path()))
            except OSError as error:
                self._do_without(error)

    def start(self, folder: Path, slot: int) -> LocalHandle:
        """Start a trial; what it prints goes to <folder>/log.txt."""
        gpu = self.shares[slot].gpu
        more = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
        self.prepare()
        if self._warm is not None:
            try:
                return LocalHandle(self._warm.launch(self._task(folder), more))
            except NoForkError as error:
                self._do_without(error)
        return LocalHandle(launch(self._task(folder), more))

    def adopt(self, folder: Path) -> Orphan | None:
        """The process that an earlier sweep left at work in a trial's folder."""
        return orphan(folder)

    def close(self) -> None:
        """End the process that forks trials."""
        if self._warm is not None:
            self._warm.close()
            self._warm = None

    def _do_without(self, error: Exception) -> None:
        self.close()
        self.forks = False
        say(f"From here on each trial imports for itself, some seconds more: none can be forked ({first_line(error)}).")

    def _task(self, folder: Path) -> Task:
        return Task(folder, Path.cwd(), self.threads, self.module)


def usable_cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """The cores that this process may use: those it is bound to, and no more than a container's quota pays for."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        paid, period = quota.read_text(encoding="utf-8").split()
        return max(1, min(bound, int(paid) // int(period)))
    except (OSError, ValueError):  # no such file, or "max": no quota
        return bound


def visible_gpus() -> list[str]:
    """The NVIDIA GPUs this process may use, by the names CUDA_VISIBLE_DEVICES takes; without importing torch.

    Of a GPU that is divided (MIG) each part counts, because a process can use one of them only.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name not in {"", "-1", "NoDevFiles"}]
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    found: dict[str, list[str]] = {}  # GPU -> the parts that it is divided into
    for line in listing.splitlines():
        if line.startswith("GPU "):
            parts = found.setdefault(line.split()[1].rstrip(":"), [])
        elif part := re.search(r"UUID: (MIG-[^)]+)", line):
            parts.append(part[1])
    return [name for gpu, parts in found.items() for name in parts or [gpu]]
