"""Which checkpoints can be resumed from, and what the last one says."""

import json
from pathlib import Path

import pytest

from macsql.trials.checkpoints import Checkpoint, last_checkpoint, whole_checkpoints


def checkpoint(folder: Path, step: int | str, state: str | None) -> Path:
    path = folder / "checkpoints" / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "model.safetensors").touch()
    if state is not None:
        (path / "trainer_state.json").write_text(state)
    return path


def test_the_last_whole_one_counts_and_halves_behind_it_go(tmp_path):
    old, last = (checkpoint(tmp_path, step, json.dumps({"global_step": step})) for step in (9, 10))
    checkpoint(tmp_path, 20, '{"global_st')
    checkpoint(tmp_path, 30, None)
    checkpoint(tmp_path, "mine", "{}")
    assert whole_checkpoints(tmp_path) == [old, last]
    found = last_checkpoint(tmp_path)
    assert found is not None
    assert (found.step, found.folder) == (10, last)
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["checkpoint-10", "checkpoint-9", "checkpoint-mine"]


def test_one_that_is_known_is_not_read_again(tmp_path):
    path = checkpoint(tmp_path, 20, None)
    assert whole_checkpoints(tmp_path) == []
    assert whole_checkpoints(tmp_path, known=[path.name]) == [path]


def test_a_trial_that_has_not_begun_has_none(tmp_path):
    assert last_checkpoint(tmp_path) is None
    assert whole_checkpoints(tmp_path) == []


def said(step: int, stopping: bool, counter: int | None = None, patience: int = 2, best: str | None = None) -> dict:
    """A Trainer's state; the real ones are in test_resume."""
    callbacks: dict = {"TrainerControl": {"args": {"should_training_stop": stopping}}}
    if counter is not None:
        callbacks["EarlyStoppingCallback"] = {
            "args": {"early_stopping_patience": patience},
            "attributes": {"early_stopping_patience_counter": counter},
        }
    return {"global_step": step, "max_steps": 40, "best_model_checkpoint": best, "stateful_callbacks": callbacks}


@pytest.mark.parametrize(
    ("state", "over"),
    [
        (said(40, stopping=True), True),
        (said(30, stopping=True, counter=2), True),
        (said(30, stopping=False), False),
        (said(30, stopping=True), False),  # asked to stop: earlier versions wrote it so
        (said(30, stopping=True, counter=1), False),
        (said(5, stopping=False, counter=0, patience=0), False),  # nothing has been evaluated yet
    ],
)
def test_whether_the_training_ended_with_it(tmp_path, state, over):
    assert Checkpoint(tmp_path, state).over is over


def test_the_best_one_lies_beside_it_wherever_it_was_written(tmp_path):
    place = tmp_path / "checkpoint-30"
    assert Checkpoint(place, said(30, True, best="/elsewhere/checkpoint-10")).best == tmp_path / "checkpoint-10"
    assert Checkpoint(place, said(30, True)).best == place
