"""The whole of a pre-training, small: data once, a training that goes on, a model that loads."""

import json
import sys
from pathlib import Path

import pytest

from macsql import pretrain
from macsql.config import Config
from macsql.errors import UserError
from macsql.models.families import load
from macsql.pretraining import prepared

pytest.importorskip("faker", reason="pip install -e '.[pocket]' makes generated databases")

SMALL = [
    "+experiment=pocket_base",
    "data.databases=20",
    "data.questions=2",
    "model.pocket.d_model=16",
    "model.pocket.d_ff=16",
    "model.pocket.num_heads=4",
    "model.pocket.num_layers=1",
    "model.pocket.num_decoder_layers=1",
    "model.pocket.vocab_size=700",
    "trainer.max_steps=20",
    "trainer.warmup_steps=2",
    "trainer.bf16=false",
    "trainer.per_device_train_batch_size=4",
    "+trainer.lr_scheduler_kwargs.num_decay_steps=5",
    "trainer.eval_steps=20",
    "trainer.save_steps=10",
    "generation.max_new_tokens=8",
    "executor.threads=1",
]


def run(monkeypatch, state, *keys):
    monkeypatch.setattr(sys, "argv", ["macsql pretrain", *SMALL, f"tracking.state_dir={state}", *keys])
    with pytest.raises(SystemExit) as end:
        pretrain.main()
    return end.value.code


def test_a_base_is_trained_and_loads(monkeypatch, tmp_path, capsys):
    assert run(monkeypatch, tmp_path) == 0
    (folder,) = (tmp_path / "trials").iterdir()
    result = json.loads((folder / "result.json").read_text())
    assert result["status"] == "FINISHED"
    assert result["steps"] == 20
    model = load(folder / "model")
    assert model.card.codec == "verbatim"
    assert "databases made: 22 of 22" in capsys.readouterr().out
    assert run(monkeypatch, tmp_path) == 0  # nothing is made or trained again
    assert "done already" in capsys.readouterr().out


def config(tmp_path, **data):
    made = Config()
    made.data.format, made.data.databases, made.data.questions = "generated", 20, 1
    made.agents.style, made.tracking.state_dir = "brief", str(tmp_path)
    for key, value in data.items():
        setattr(made.data, key, value)
    return made


def test_data_that_was_stopped_goes_on_and_is_the_same(tmp_path):
    whole = prepared.prepare(config(tmp_path / "whole"))
    stopped = tmp_path / "stopped"
    seeds = prepared.seeds(config(stopped))
    folder = stopped / "data" / whole.folder.name
    (folder / "shards").mkdir(parents=True)
    (folder / "databases").mkdir()
    prepared._shard((folder, seeds["eval"], 1, config(stopped).agents))
    again = prepared.prepare(config(stopped))
    assert again.folder.name == whole.folder.name
    for name in ("train.jsonl", "eval.jsonl", "test.jsonl"):
        assert (again.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    assert again.fingerprint == whole.fingerprint
    assert all(Path(database.path).is_file() for database in again.databases.values())


def test_train_eval_and_test_have_databases_of_their_own(tmp_path):
    told = prepared.seeds(config(tmp_path, databases=400))
    assert [len(told[split]) for split in ("train", "eval", "test")] == [400, 20, 20]
    assert len({seed for seeds in told.values() for seed in seeds}) == 440


def test_nonsense_is_refused(tmp_path, monkeypatch, capsys):
    with pytest.raises(UserError, match=r"data.databases of at least 20"):
        prepared.prepare(config(tmp_path, databases=3))
    monkeypatch.setattr(sys, "argv", ["macsql pretrain", f"tracking.state_dir={tmp_path}"])
    with pytest.raises(SystemExit):
        pretrain.main()
    assert "Pre-training is for data=generated" in capsys.readouterr().err
