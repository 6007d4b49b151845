"""Where a trial runs. An executor starts the trial in a folder and says when its process has ended; nothing else."""

from pathlib import Path
from typing import Protocol

from macsql.config import Config
from macsql.errors import UserError


class Handle(Protocol):
    """A trial that has been started."""

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""

    def stop(self) -> None:
        """Ask it to write a checkpoint and end."""

    def kill(self) -> None:
        """End it at once."""


class Executor(Protocol):
    """Starts trials, at most `slots` at once."""

    slots: int
    threads: int  # CPU threads of one trial
    gpu: bool  # whether a trial has one
    forks: bool  # whether trials are copies of one process and share the memory of its imports

    def prepare(self) -> None:
        """Begin with what takes time before the first trial can start; returns at once."""

    def start(self, folder: Path, slot: int) -> Handle:
        """Start the trial in `folder`, on the `slot`-th share of the machine (from 0)."""

    def adopt(self, folder: Path) -> Handle | None:
        """What an earlier sweep started in `folder` and is still at work there, or waits to be; None: nothing."""

    def close(self) -> None:
        """Give back whatever the executor holds."""


def executor(config: Config, parameters: int | None) -> Executor:
    """The executor of a configuration, for a model of about `parameters` parameters."""
    if config.executor.name == "local":
        from macsql.executors.local import LocalExecutor

        return LocalExecutor.suited(config.executor, parameters)
    if config.executor.name == "ray":
        from macsql.executors.ray import RayExecutor

        return RayExecutor(config.executor, parameters)
    if config.executor.name == "slurm":
        from macsql.executors.slurm import SlurmExecutor

        return SlurmExecutor(config.executor, parameters)
    raise UserError(f"executor.name={config.executor.name}: choose local, ray or slurm.")
