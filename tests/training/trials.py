"""Tiny trials that are stopped and killed on purpose, and what of one must be equal to an undisturbed one's."""

import dataclasses
from pathlib import Path
from typing import Any

from macsql.config import Config, to_yaml
from macsql.trials.events import read_events
from macsql.trials.result import read_result
from macsql.trials.stopping import StopRequest

MADE = ("predictions.jsonl", "verdicts.jsonl", "model/model.safetensors")


class Killed(BaseException):
    """kill -9, as far as a process can do that to itself: nothing behind it runs."""


class StopAt(StopRequest):
    """Asks for a stop once a step has been told: the next step is the first that can know of it."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def tell(self, step: int, epoch: float, metrics: dict[str, float]) -> None:  # noqa: ARG002
        self.requested = self.requested or step >= self.step


def folder_of(config: Config, path: Path) -> Path:
    path.mkdir()
    (path / "config.yaml").write_text(to_yaml(config))
    return path


def with_trainer(config: Config, **changes: Any) -> Config:
    return dataclasses.replace(config, trainer=dataclasses.replace(config.trainer, **changes))


def told(folder: Path, name: str = "loss") -> list[tuple[int, float]]:
    """(step, value) of a metric, as a reader from the start sees them."""
    return [(e.step, e.metrics[name]) for e in read_events(folder / "events.jsonl")[0] if name in e.metrics]


def outcome(folder: Path) -> dict[str, Any]:
    """All that a resumed trial must have in common with an undisturbed one."""
    result = read_result(folder)
    assert result is not None
    curves = {name: told(folder, name) for name in ("loss", "grad_norm", "learning_rate", "eval_loss")}
    files = {name: (folder / name).read_bytes() for name in MADE}
    return {"status": result.status, "metrics": result.metrics, "steps": result.steps, **curves, **files}
