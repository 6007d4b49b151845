"""Adapters are trained as whole models are: stopped, resumed, merged or kept, asked."""

import dataclasses
import json
import shutil

import pytest
import torch
from trials import Killed, StopAt, checkpoint_of, folder_of, outcome, told, with_checkpoint, with_lora, with_trainer

from macsql.config import ModelConfig
from macsql.errors import UserError
from macsql.models import families
from macsql.models.families import load
from macsql.train import run_folder
from macsql.trials.checkpoints import last_checkpoint
from macsql.trials.stopping import Interrupted


def asked_of(kind, tiny, tmp_path, **lora):
    """A trial of twelve steps with adapters: of the built-in T5, of one with new tokens, of decoder-only models."""
    config = tiny
    if kind == "tokens":
        config = dataclasses.replace(config, codec=dataclasses.replace(config.codec, name="tokens"))
    elif kind != "pocket":
        config = with_checkpoint(config, checkpoint_of(kind, tmp_path / kind))
    return with_lora(with_trainer(config, max_steps=12), **lora)


@pytest.mark.parametrize("kind", ["tokens", "llama"])
def test_a_stopped_one_resumes_to_the_bit(kind, tiny, tmp_path):
    asked = asked_of(kind, tiny, tmp_path)
    whole, stopped = folder_of(asked, tmp_path / "whole"), folder_of(asked, tmp_path / "stopped")
    assert run_folder(whole).status == "FINISHED"
    stop = StopAt(4)
    with pytest.raises(Interrupted):
        run_folder(stopped, stop=stop, tell=stop.tell)
    checkpoint = last_checkpoint(stopped).folder
    assert (checkpoint / "adapter_model.safetensors").exists()
    assert not list(checkpoint.glob("model*"))
    assert str(tmp_path) not in (checkpoint / "adapter_config.json").read_text()
    assert run_folder(stopped).status == "FINISHED"
    assert outcome(stopped) == outcome(whole)
    assert not list((whole / "model").glob("adapter*"))
    assert json.loads((whole / "model" / "card.json").read_text())["lora"] == {
        "r": 4, "alpha": 32.0, "targets": "all-linear", "merged": True,
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["pocket", "gpt2"])
def test_kept_adapters_answer_as_merged_ones_do_wherever_they_are_copied(kind, tiny, tmp_path, monkeypatch):
    """And a trial that was killed while it merged goes on without a step."""
    merged = folder_of(asked_of(kind, tiny, tmp_path), tmp_path / "merged")
    kept = folder_of(asked_of(kind, tiny, tmp_path, merge=False), tmp_path / "kept")
    with monkeypatch.context() as patch:
        patch.setattr("macsql.models.lora.merged", killed)
        with pytest.raises(Killed):
            run_folder(merged)
    with monkeypatch.context() as patch:
        patch.setattr("macsql.training.trainer.make_trainer", None)
        assert run_folder(merged).attempt_steps == 0
    assert run_folder(kept).status == "FINISHED"
    assert (kept / "predictions.jsonl").read_bytes() == (merged / "predictions.jsonl").read_bytes()
    shutil.move(kept / "model", tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / kind, ignore_errors=True)
    one, other = load(merged / "model"), load(tmp_path / "elsewhere")
    weights = one.network.state_dict()
    assert weights.keys() == other.network.state_dict().keys()
    assert all(torch.equal(weight, weights[name]) for name, weight in other.network.state_dict().items())
    assert other.card.lora["merged"] is False
    with pytest.raises(UserError, match="holds LoRA adapters beside the weights that they belong to"):
        families.check(ModelConfig(name="own", path=str(tmp_path / "elsewhere")))


@pytest.mark.parametrize("kind", ["pocket", "llama"])
def test_eight_batches_of_one_are_four_of_two(kind, tiny, tmp_path):
    """Through the Trainer: the same losses, gradients and adapters, whole models and adapters alike."""
    tiny.model.pocket = {**tiny.model.pocket, "dropout_rate": 0.0}
    for lora in ({"r": 4}, {"r": 0}):
        found = []
        for size, times in ((1, 8), (2, 4)):
            asked = with_trainer(
                asked_of(kind, tiny, tmp_path, **lora),
                max_steps=3,
                per_device_train_batch_size=size,
                gradient_accumulation_steps=times,
            )
            folder = folder_of(asked, tmp_path / f"{size}-{lora['r']}")
            assert run_folder(folder).status == "FINISHED"
            found.append([value for name in ("loss", "grad_norm") for _, value in told(folder, name)])
        assert found[0] == pytest.approx(found[1], rel=1e-4)


def killed(*_: object, **__: object) -> None:
    raise Killed
