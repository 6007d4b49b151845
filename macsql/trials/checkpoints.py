"""The checkpoints of a trial: <folder>/checkpoints/checkpoint-<step>, written by the Trainer.

One rule says which of them can be resumed from: the Trainer writes trainer_state.json last, so a checkpoint that has it
whole has everything.
"""

import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macsql.trials.folder import CHECKPOINTS

LOSS_WINDOW = "loss_window.json"  # the training loss since it was last logged
# what serves for resuming only and is no part of a model
RESUMING = ("optimizer.pt", "scheduler.pt", "scaler.pt", "rng_state.pth", "trainer_state.json", LOSS_WINDOW)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that can be resumed from, and what the Trainer's state in it says."""

    folder: Path
    state: Mapping[str, Any]

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return self.state["global_step"]

    @property
    def over(self) -> bool:
        """Whether the training ended with it: all steps done, or early stopping out of patience."""
        callbacks = self.state.get("stateful_callbacks", {})
        patience = callbacks.get("EarlyStoppingCallback")
        exhausted = patience is not None and (
            patience["attributes"]["early_stopping_patience_counter"] >= patience["args"]["early_stopping_patience"]
        )
        ending = callbacks.get("TrainerControl", {}).get("args", {}).get("should_training_stop", False)
        return ending and (exhausted or self.step >= self.state["max_steps"])

    @property
    def best(self) -> Path:
        """The checkpoint that was the best one by then; this one where none has been evaluated."""
        best = self.state["best_model_checkpoint"]  # a path of wherever it was written
        return self.folder.with_name(Path(best).name) if best else self.folder


def whole_checkpoints(folder: Path, known: Collection[str] = ()) -> list[Path]:
    """The checkpoints of the trial in `folder` that can be resumed from, oldest first.

    Those named in `known` have been looked into before.
    """
    return [path for path in _oldest_first(folder) if path.name in known or _state(path) is not None]


def last_checkpoint(folder: Path) -> Checkpoint | None:
    """The last checkpoint that can be resumed from; what a kill left of later ones is removed."""
    for path in reversed(_oldest_first(folder)):
        state = _state(path)
        if state is not None:
            return Checkpoint(path, state)
        shutil.rmtree(path)
    return None


def _state(checkpoint: Path) -> Mapping[str, Any] | None:
    try:
        return json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _oldest_first(folder: Path) -> list[Path]:
    """All that is called a checkpoint, whole or not."""
    steps = {path: path.name.rpartition("-")[2] for path in (folder / CHECKPOINTS).glob("checkpoint-*")}
    return sorted((path for path, step in steps.items() if step.isdecimal()), key=lambda path: int(steps[path]))
