"""liger-kernel's operations in a network: equal to torch's, described, refused where they cannot run."""

import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy, linear

from macsql.config import LoraConfig, ModelConfig
from macsql.errors import UserError
from macsql.factory.prepared import prepare
from macsql.models import families, liger
from macsql.models.families import model_of, text_of
from macsql.models.lora import plain
from macsql.models.seq2seq import EncoderDecoder
from macsql.training import trainer as training
from macsql.training.check import check, notes, uses
from macsql.trials.stopping import StopRequest

TOLERANCE = {"loss": 1e-5, "logits": 2e-5, "gradients": 2e-5}  # absolute, fp32; largest gradients are about 0.1
TOLERANCE_BF16 = {"loss": 2e-2, "logits": 5e-2, "gradients": 2e-2}
NAMES = ("t5-small's kind", "t5 1.1", "mt5", "umt5", "longt5", "llama", "qwen2")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")
needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")


@pytest.fixture(scope="module")
def on_a_cpu() -> dict[str, dict[str, float]]:
    """Case -> differences, with Triton interpreting liger-kernel's operations in a process of its own."""
    script = Path(__file__).with_name("liger_cases.py")
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs_triton
@pytest.mark.parametrize("case", NAMES)
def test_it_equals_torch_on_a_cpu(case, on_a_cpu):
    assert {name: value for name, value in on_a_cpu[case].items() if value > TOLERANCE[name]} == {}
    assert set(on_a_cpu) == set(NAMES)


@needs_gpu
@pytest.mark.parametrize("kind", [None, torch.bfloat16])
@pytest.mark.parametrize("case", NAMES)
def test_it_equals_torch_on_a_gpu(case, kind):
    from liger_cases import differences

    found = differences(case, "cuda", kind)
    assert {k: v for k, v in found.items() if v > (TOLERANCE if kind is None else TOLERANCE_BF16)[k]} == {}


@pytest.fixture
def asked(tiny):
    """The tiny trial with the switch at a value."""

    def at(value: str, **model: Any) -> Any:
        trainer = dataclasses.replace(tiny.trainer, use_liger_kernel=value)
        return dataclasses.replace(tiny, trainer=trainer, model=dataclasses.replace(tiny.model, **model))

    return at


def test_a_word_that_is_no_choice_is_refused(asked):
    with pytest.raises(UserError, match=r"^trainer.use_liger_kernel=maybe: write true, false or auto"):
        check(asked("maybe"))
    check(asked("False"))  # as Hydra hands over a plain false


def test_what_cannot_run_is_refused_or_left_out(asked, monkeypatch):
    monkeypatch.setattr(liger, "missing", lambda: "this machine has no CUDA GPU")
    with pytest.raises(UserError, match=r"^trainer.use_liger_kernel=true: this machine has no CUDA GPU. Write auto"):
        check(asked("true"))
    check(asked("auto"))
    assert notes(asked("auto")) == ["trainer.use_liger_kernel=auto has no effect: this machine has no CUDA GPU."]
    assert uses(asked("auto")) == []
    elsewhere = dataclasses.replace(asked("true"), executor=dataclasses.replace(asked("true").executor, name="slurm"))
    check(elsewhere)  # whether the nodes have a GPU is not known here
    assert notes(dataclasses.replace(elsewhere, trainer=asked("auto").trainer), here=False) == []


def test_what_can_run_is_told(asked, monkeypatch):
    monkeypatch.setattr(liger, "missing", lambda: "")
    check(asked("true"))
    told = f"liger-kernel is used: LigerRMSNorm for T5LayerNorm, {liger.LOSS}."
    gated = asked("auto", pocket={**asked("auto").model.pocket, "feed_forward_proj": "gated-gelu"})
    assert (uses(asked("true")), notes(asked("true"))) == ([told], [])
    assert "LigerGELUMulFunction for the gated GELU" in uses(gated)[0]
    assert uses(asked("false")) == notes(asked("false")) == []


@pytest.mark.parametrize(("kind", "known"), [("llama", True), ("qwen2", True), ("gpt2", False), ("granite", False)])
def test_decoder_only_models(kind, known, tmp_path, asked, monkeypatch):
    """GPT-2 has no patch; granite scales its logits behind the output layer, which the fused loss would not see."""
    monkeypatch.setattr(liger, "missing", lambda: "")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind, "vocab_size": 300}))
    parts = families.liger_parts(ModelConfig(name="own", path=str(tmp_path)))
    assert bool(parts) == known
    if known:
        assert parts[0] == f"its own patch of {kind} for RMSNorm and feed-forward"
    else:
        assert "has no patch for a model of this type" in notes(asked("auto", path=str(tmp_path)))[0]


@needs_triton
def test_a_process_without_a_gpu_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert liger.missing() == "this machine has no CUDA GPU"
    monkeypatch.setattr(importlib.util, "find_spec", {}.get)
    assert liger.missing() == "liger-kernel is not installed here"


@needs_triton
def test_every_llama_like_type_is_in_liger_kernels_table():
    from liger_kernel.transformers.monkey_patch import MODEL_TYPE_TO_APPLY_LIGER_FN

    assert set(MODEL_TYPE_TO_APPLY_LIGER_FN) >= liger.LLAMA_LIKE
    assert not {kind for kind in MODEL_TYPE_TO_APPLY_LIGER_FN if "t5" in kind}  # else ours is one too many


def of_torch(hidden, weight, labels, bias, **asked):
    """liger_fused_linear_cross_entropy in torch's words."""
    return cross_entropy(linear(hidden, weight, bias), labels, **asked)


def use_the_loss(model):
    """In the place of use_liger, whose norms need Triton."""
    model.fused = liger.FusedLoss(plain(model.network).lm_head)


def first_step(config, train, folder) -> list[float]:
    """Loss and gradient norm of the first optimizer step, and the evaluation loss behind it."""
    model = model_of(config, text_of(config, train), "")
    told: list[dict[str, float]] = []
    trainer = training.make_trainer(
        config, model, train, train[:20], folder, lambda *event: told.append(event[2]), StopRequest()
    )
    trainer.train()
    return [told[0]["loss"], told[0]["grad_norm"], trainer.evaluate()["eval_loss"]]


@needs_triton
@pytest.mark.parametrize(("rows", "times", "rank"), [(8, 1, 0), (4, 2, 0), (4, 2, 2)])
def test_a_trainer_with_the_fused_loss_takes_the_same_step(tiny, tmp_path, monkeypatch, rows, times, rank):
    """With micro-batches too, and evaluates to the same loss: only who computes it differs."""
    from liger_kernel.transformers import functional

    monkeypatch.setattr(functional, "liger_fused_linear_cross_entropy", of_torch)
    monkeypatch.setattr(EncoderDecoder, "use_liger", use_the_loss)
    changes = {"max_steps": 1, "eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False}
    changes |= {"per_device_train_batch_size": rows, "gradient_accumulation_steps": times}
    trainer = dataclasses.replace(tiny.trainer, **changes, label_smoothing_factor=0.1)
    sizes = {**tiny.model.pocket, "dropout_rate": 0.0}
    model = dataclasses.replace(tiny.model, pocket=sizes, lora=LoraConfig(r=rank))
    config = dataclasses.replace(tiny, trainer=trainer, model=model)
    train = prepare(config).examples("train")
    without = first_step(config, train, tmp_path / "without")
    monkeypatch.setattr(training, "liger_parts", lambda _: ("all of it",))
    assert first_step(config, train, tmp_path / "fused") == pytest.approx(without, rel=1e-5)


def test_a_cpu_that_is_asked_for_is_one(asked):
    trainer = dataclasses.replace(asked("auto").trainer, options={"use_cpu": True})
    found = notes(dataclasses.replace(asked("auto"), trainer=trainer))
    assert found == ["trainer.use_liger_kernel=auto has no effect: trainer.use_cpu trains on a CPU."]


def test_adapters_train_with_it_unless_new_tokens_change_the_output_layer(asked, monkeypatch):
    monkeypatch.setattr(liger, "missing", lambda: "")
    config = asked("auto", lora=LoraConfig(r=2))
    assert notes(config) == []
    found = notes(dataclasses.replace(config, codec=dataclasses.replace(config.codec, name="tokens")))
    assert "the new tokens of codec=tokens are trained beside adapters" in found[0]
