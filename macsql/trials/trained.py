"""How a trial's training ended: <folder>/model and, written behind it, <folder>/trained.json.

With it there no step is left to take, whatever the trial dies of afterwards: answers and scores are made of the model.
"""

import dataclasses
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macsql.config import TrainerConfig
from macsql.system.files import write_whole
from macsql.trials.checkpoints import RESUMING, last_checkpoint
from macsql.trials.folder import MODEL, TRAINED

RECENT = 50  # logged losses that train_loss is the mean of


@dataclass(frozen=True)
class Trained:
    """What is known of a training that is over."""

    steps: int  # optimizer steps done
    losses: Mapping[str, float]  # train_loss, and the best evaluation's


def trained_before(folder: Path, trainer: TrainerConfig) -> Trained | None:
    """How the training of the trial in `folder` ended, its model in place; None where steps are left to take.

    A trial that was killed between its last step and trained.json has said how it ends in its last checkpoint.
    """
    if (folder / MODEL).is_dir():  # what a lost node has sent home may come without it
        try:
            return Trained(**json.loads((folder / TRAINED).read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError):  # none, or half of one
            pass
    last = last_checkpoint(folder)
    if last is None or not last.over:
        return None
    kept = last.best if trainer.load_best_model_at_end else last.folder
    shutil.copytree(kept, folder / MODEL, ignore=shutil.ignore_patterns(*RESUMING), dirs_exist_ok=True)
    return leave(folder, trainer, last.state)


def leave(folder: Path, trainer: TrainerConfig, state: Mapping[str, Any]) -> Trained:
    """Write down how the training ended, by the Trainer's state at its end; the model must be in place."""
    recent = [entry["loss"] for entry in state["log_history"] if "loss" in entry][-RECENT:]
    losses = {"train_loss": sum(recent) / len(recent)} if recent else {}
    if state["best_metric"] is not None:
        losses[trainer.metric_for_best_model] = state["best_metric"]
    trained = Trained(state["global_step"], losses)
    write_whole(folder / TRAINED, json.dumps(dataclasses.asdict(trained)))
    return trained
