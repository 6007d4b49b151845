"""How a trial ended: <folder>/result.json, whose presence means "done"."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from macsql.errors import UserError
from macsql.system.files import write_whole
from macsql.trials.folder import RESULT

Status = Literal["FINISHED", "FAILED", "KILLED"]
# diverged: a figure is no longer a number, which no further attempt can cure; pruned: others were better
Cause = Literal["", "diverged", "pruned"]


@dataclass(frozen=True)
class Result:
    """How a trial ended."""

    status: Status
    metrics: Mapping[str, float]
    reason: str = ""  # FAILED, KILLED: one sentence
    steps: int = 0  # optimizer steps done
    seconds: float = 0.0  # wall clock of the last attempt alone, which may have begun at a checkpoint
    parts: Mapping[str, float] = dataclasses.field(default_factory=dict)  # seconds of each stage of that attempt
    notes: Sequence[str] = ()  # what was left to the machine, or had no effect, in sentences
    attempt_steps: int | None = None  # of `steps`, those of the last attempt; None: not told
    precision: str = ""  # what it multiplied in, and why; empty: not told
    cause: Cause = ""  # FAILED, KILLED: what the sweep must know of the reason; empty: nothing

    @property
    def timed_steps(self) -> int:
        """The optimizer steps that `seconds` and `parts` speak of; all, where the trial has not told."""
        return self.steps if self.attempt_steps is None else self.attempt_steps

    @property
    def pruned(self) -> bool:
        """Whether the sweep stopped it because others were better."""
        return self.status == "KILLED" and self.cause == "pruned"

    @property
    def diverged(self) -> bool:
        """Whether it failed because a figure was no longer a number."""
        return self.status == "FAILED" and self.cause == "diverged"


def write_result(folder: Path, result: Result) -> None:
    """Put result.json in place in one step."""
    write_whole(folder / RESULT, json.dumps(dataclasses.asdict(result), indent=1))


def read_result(folder: Path) -> Result | None:
    """The result of a trial that has ended, else None; half a file, which a power cut can leave, is none.

    Raises UserError for a file of another layout. Earlier versions told the cause by the reason's first word alone.
    """
    path = folder / RESULT
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    try:
        if "cause" not in told:
            first = str(told.get("reason", "")).partition(":")[0]
            told["cause"] = first if first in get_args(Cause) else ""
        return Result(**told)
    except (TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is not a trial's result as this version writes it: use the version that wrote it, or remove "
            "the file to run the trial again."
        ) from error


def stamp(folder: Path) -> int:
    """Changes with every result.json that is put into the folder; 0 without one."""
    try:
        return (folder / RESULT).stat().st_mtime_ns
    except FileNotFoundError:
        return 0
