"""Tiny trials that are stopped and killed on purpose, and what of one must be equal to an undisturbed one's."""

import dataclasses
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

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


def checkpoint_of(kind: str, folder: Path) -> Path:
    """A decoder-only folder in the hub's layout: random weights, a tokenizer of single bytes."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate(["<|end|>", *letters])}
    sketch = Tokenizer(models.BPE(vocabulary, []))
    sketch.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    sketch.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=sketch, eos_token="<|end|>").save_pretrained(folder)
    torch.manual_seed(1)
    words = {"vocab_size": len(vocabulary), "bos_token_id": None, "eos_token_id": 0}
    if kind == "gpt2":
        network = GPT2LMHeadModel(GPT2Config(n_embd=16, n_layer=1, n_head=2, n_positions=900, **words))
    else:
        shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
        network = LlamaForCausalLM(LlamaConfig(max_position_embeddings=900, **shape, **words))
    network.save_pretrained(folder)
    return folder


def with_checkpoint(config: Config, folder: Path) -> Config:
    """The tiny trial on a decoder-only checkpoint."""
    lengths = {"max_source_length": 600, "max_target_length": 200}
    model = dataclasses.replace(config.model, name="own", path=str(folder), pocket={}, **lengths)
    return dataclasses.replace(config, model=model, codec=dataclasses.replace(config.codec, name="verbatim"))


def with_lora(config: Config, **changes: Any) -> Config:
    lora = dataclasses.replace(config.model.lora, **{"r": 4, **changes})
    return dataclasses.replace(config, model=dataclasses.replace(config.model, lora=lora))
