"""What is shipped says where it comes from, and is refused where it must not be."""

import json

import pytest

from macsql.config import Config, ModelConfig, to_yaml
from macsql.errors import UserError
from macsql.models import families, sources
from macsql.pretraining import prepared, ship
from macsql.trials.result import Result, write_result

pytest.importorskip("faker", reason="pip install -e '.[pocket]' makes generated databases")


@pytest.fixture
def trial(tmp_path):
    """The folder of a finished pre-training, its weights a few bytes."""
    config = Config()
    config.data.format, config.data.databases, config.data.questions = "generated", 20, 1
    config.agents.style, config.codec.name = "brief", "verbatim"
    config.mixture.name, config.search.sampler, config.executor.name = "real", "grid", "local"
    config.model.name, config.model.pocket = "base", {"d_model": 8, "num_layers": 1}
    config.tracking.state_dir = str(tmp_path / "state")
    folder = tmp_path / "trial"
    (folder / "model").mkdir(parents=True)
    (folder / "config.yaml").write_text(to_yaml(config))
    for name in ("config.json", "tokenizer.json", "card.json", "model.safetensors"):
        (folder / "model" / name).write_text("{}")
    events = [{"time": 10.0, "metrics": {}}, {"time": 20.0, "back_to": 3}]
    events.append({"time": 3610.0, "metrics": {"eval_loss": 0.25}})
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    write_result(folder, Result("FINISHED", {"decomposer/execution_accuracy": 0.5}, steps=7))
    return folder


def test_the_model_and_its_card_are_copied(trial, tmp_path, monkeypatch):
    monkeypatch.setattr(ship, "QUESTIONS", 3)
    folder = ship.ship(trial, [("pocket", "")], tmp_path / "weights")
    assert (folder / "model.safetensors").read_text() == "{}"
    card = (folder / "MODEL_CARD.md").read_text()
    assert "| Decomposer: execution accuracy | 0.500 |" in card
    assert "7 steps" in card
    assert "| pocket | 60 | " in card
    assert "last eval loss\n  0.2500" in card
    row = next(line for line in card.splitlines() if line.startswith("| pocket |"))
    assert row.endswith("| 0 | 20 | 0 |")  # no longer question and no schema in common


def test_a_training_that_has_not_finished_is_refused(trial, tmp_path):
    (trial / "result.json").unlink()
    with pytest.raises(UserError, match="has not finished"):
        ship.ship(trial, [], tmp_path / "weights")
    assert not (tmp_path / "weights").exists()


def test_weights_that_are_too_large_are_refused(trial, tmp_path, monkeypatch):
    monkeypatch.setattr(ship, "LARGEST", 1)
    with pytest.raises(UserError, match="at most 16 are shipped"):
        ship.ship(trial, [], tmp_path / "weights")


def test_a_schema_that_was_seen_is_refused(trial, tmp_path):
    data = tmp_path / "mine"
    data.mkdir()
    config = ship.from_yaml((trial / "config.yaml").read_text())
    ship.databases.make(prepared.seeds(config)["train"][3], data / "copy.sqlite")
    with pytest.raises(UserError, match="Pre-training saw schemas of synthetic: copy"):
        ship.ship(trial, [("synthetic", str(data))], tmp_path / "weights")


def test_shipped_weights_are_loaded_by_name_and_a_wrong_name_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "SHIPPED", tmp_path)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").write_text("{}")
    assert sources.source(ModelConfig(name="pocket", shipped="base")) == str(tmp_path / "base")
    with pytest.raises(UserError, match=r"model.shipped=nope: the package holds no such weights, but base"):
        families.check(ModelConfig(name="pocket", shipped="nope"))
