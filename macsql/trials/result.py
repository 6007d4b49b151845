"""How a trial ended: <folder>/result.json, whose presence means "done"."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from macsql.files import write_whole

DIVERGED = "diverged"  # how the reason of a failure begins that no retry can cure
PRUNED = "pruned"  # how the reason of a trial begins that was stopped because others were better
Status = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True)
class Result:
    """How a trial ended."""

    status: Status
    metrics: Mapping[str, float]
    reason: str = ""  # FAILED, KILLED: one sentence
    steps: int = 0  # optimizer steps done
    seconds: float = 0.0  # wall clock of the last attempt alone, which may have begun at a checkpoint
    parts: Mapping[str, float] = dataclasses.field(default_factory=dict)  # seconds of each stage of that attempt
    notes: Sequence[str] = ()  # what was asked for and had no effect, in sentences
    attempt_steps: int | None = None  # of `steps`, those of the last attempt; None: not told

    @property
    def timed_steps(self) -> int:
        """The optimizer steps that `seconds` and `parts` speak of; all, where the trial has not told."""
        return self.steps if self.attempt_steps is None else self.attempt_steps

    @property
    def pruned(self) -> bool:
        """Whether the sweep stopped it because others were better."""
        return self.status == "KILLED" and self.reason.startswith(PRUNED)


def write_result(folder: Path, result: Result) -> None:
    """Put result.json in place in one step."""
    write_whole(folder / "result.json", json.dumps(dataclasses.asdict(result), indent=1))


def read_result(folder: Path) -> Result | None:
    """The result of a trial that has ended, else None; half a file, which a power cut can leave, is none."""
    try:
        return Result(**json.loads((folder / "result.json").read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return None


def stamp(folder: Path) -> int:
    """Changes with every result.json that is put into the folder; 0 without one."""
    try:
        return (folder / "result.json").stat().st_mtime_ns
    except FileNotFoundError:
        return 0
