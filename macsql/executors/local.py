"""Trials as child processes of this machine."""

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from macsql.config import ExecutorConfig
from macsql.errors import UserError
from macsql.training.stopping import PARENT

TRIAL = "macsql.training.trial"
OPTIONS = ("module",)  # what executor.options may name
TINY = 10_000_000  # parameters; below this a second thread gains nothing on a CPU


@dataclass(frozen=True)
class Share:
    """What one trial may use."""

    threads: int
    gpu: str | None  # as CUDA_VISIBLE_DEVICES names it


class LocalHandle:
    """A child process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
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
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class LocalExecutor:
    """Runs trials side by side, each with its share of threads and, where there are any, one GPU."""

    def __init__(self, shares: list[Share], module: str = TRIAL) -> None:
        """`module` is what `python -m` runs with a trial's folder as its argument."""
        self.shares, self.module = shares, module
        self.slots = len(shares)

    @classmethod
    def suited(cls, config: ExecutorConfig, parameters: int | None) -> "LocalExecutor":
        """As many trials at once as the configuration says or the machine and the model's size suggest.

        With GPUs: one trial each. Without: a tiny model takes one thread and as many trials as there are cores; a
        larger one takes all cores for one trial. The threads of a trial do not depend on how many run beside it, so
        that its numbers do not either.
        """
        for key in ("workers", "threads"):
            value = getattr(config, key)
            if value is not None and value < 1:
                raise UserError(f"executor.{key}={value}: at least 1 is needed.")
        for key in config.options:
            if key not in OPTIONS:
                raise UserError(f"executor.options.{key}: executor=local knows {', '.join(OPTIONS)}.")
        cores = usable_cores()
        gpus = visible_gpus()
        tiny = parameters is not None and parameters < TINY
        threads = config.threads or (1 if tiny else max(1, cores // max(1, len(gpus))))
        workers = config.workers or (len(gpus) or max(1, cores // threads))
        shares = [Share(threads, gpus[slot % len(gpus)] if gpus else None) for slot in range(workers)]
        return cls(shares, config.options.get("module", TRIAL))

    def start(self, folder: Path, slot: int) -> LocalHandle:
        """Start a trial; what it prints goes to <folder>/log.txt."""
        share = self.shares[slot]
        environment = os.environ | {
            "OMP_NUM_THREADS": str(share.threads),
            "MKL_NUM_THREADS": str(share.threads),
            "TOKENIZERS_PARALLELISM": "false",
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
            PARENT: str(os.getpid()),
        }
        if share.gpu is not None:
            environment["CUDA_VISIBLE_DEVICES"] = share.gpu
        with (folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", self.module, str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # Ctrl-C is the coordinator's to hear
            )
        return LocalHandle(process)

    def close(self) -> None:
        """Nothing is held between trials."""


def usable_cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """The cores that this process may use: those it is bound to, and no more than a container's quota pays for."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        paid, period = quota.read_text(encoding="utf-8").split()
        return max(1, min(bound, int(paid) // int(period)))
    except (OSError, ValueError):  # no such file, or "max": no quota
        return bound


def visible_gpus() -> list[str]:
    """The NVIDIA GPUs this process may use, by the names CUDA_VISIBLE_DEVICES takes; without importing torch."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name and name != "-1"]
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(number) for number, line in enumerate(listing.splitlines()) if line.startswith("GPU ")]
