"""Which checkpoints can be resumed from, and what the last one says."""

import json
from pathlib import Path

from macsql.training.checkpoints import last_checkpoint, whole_checkpoints


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
