"""What all parts of the bench share: one configuration, its examples as files, and models of three sizes.

Nothing here is timed. The files lie in mlruns/bench/ and are made once; those who are compared read the same ones.
"""

import dataclasses
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from macsql.config import Config, ModelConfig, to_yaml, validate
from macsql.places import CONF, REPO
from macsql.records import SPLITS, Example, read_jsonl, write_jsonl

DEMO = ("+experiment=lr_bs", "+scale=pocket")  # the demo's grid from random weights, which anybody can draw
# of a run that only shows that it works
SMALL = ("data.questions=20", "trainer.num_train_epochs=1", "trainer.max_steps=4", "generation.limit=2")
LEARNT = 400  # optimizer steps of the model that is asked in (c)
# Shapes of the models whose weights are drawn here, because speed does not depend on them.
T5_SMALL: dict[str, Any] = {
    "vocab_size": 32128,
    "d_model": 512,
    "d_kv": 64,
    "d_ff": 2048,
    "num_layers": 6,
    "num_heads": 8,
}
SMOLLM2: dict[str, Any] = {
    **{"vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30},
    **{"num_attention_heads": 9, "num_key_value_heads": 3, "tie_word_embeddings": True},
}
TINY_T5: dict[str, Any] = {"vocab_size": 2048, "d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2}
TINY_LLAMA: dict[str, Any] = {
    **{"vocab_size": 2048, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1},
    **{"num_attention_heads": 2, "num_key_value_heads": 2, "tie_word_embeddings": True},
}
SIZES = ("pocket", "t5_small", "smollm2")


def composed(*words: str) -> Config:
    """The configuration of a command line."""
    from hydra import compose, initialize_config_dir

    import macsql.app  # noqa: F401  (tells Hydra of the schema)

    with initialize_config_dir(str(CONF), version_base=None):
        return validate(compose("config", list(words)))


@dataclasses.dataclass(frozen=True)
class Material:
    """A folder with what is compared on; `small` is for tests and rehearsals."""

    folder: Path
    small: bool

    @property
    def words(self) -> tuple[str, ...]:
        """The demo's command line."""
        return (*DEMO, *(SMALL if self.small else ()), f"tracking.state_dir={self.folder / 'state'}")

    @property
    def config(self) -> Config:
        """The demo's configuration."""
        return composed(*self.words)

    def examples(self, split: str) -> list[Example]:
        """The demo's examples."""
        return list(read_jsonl(self.folder / "examples" / f"{split}.jsonl", Example))

    def asked(self, size: str) -> Config:
        """The demo's configuration with a model of this size."""
        config = self.config
        if size == "pocket":
            return config
        model = ModelConfig(name=size, path=str(self.folder / size))
        codec = dataclasses.replace(config.codec, name="verbatim" if size == "smollm2" else config.codec.name)
        return dataclasses.replace(config, model=model, codec=codec)

    @property
    def base(self) -> Path:
        """The demo's model before training, as a folder in the hub's layout."""
        return self.folder / "pocket"

    @property
    def learnt(self) -> Path:
        """The demo's model after a short training."""
        return self.folder / "learnt" / "model"


def made(root: Path, small: bool) -> Material:
    """The material in its folder under `root`, made where it is missing."""
    config = composed(*DEMO, *(SMALL if small else ()))
    digest = hashlib.sha256((to_yaml(config) + str(T5_SMALL) + str(SMOLLM2)).encode()).hexdigest()[:8]
    material = Material(root / f"{'small' if small else 'material'}-{digest}", small)
    mark = material.folder / "whole"
    if not mark.exists():
        print(f"Making what is compared on, once, in {material.folder}", flush=True)
        material.folder.mkdir(parents=True, exist_ok=True)
        _make(material)
        mark.touch()
    return material


def _make(material: Material) -> None:
    from macsql.factory.prepared import prepare
    from macsql.models.families import model_of, text_of
    from macsql.train import run_folder

    config = material.config
    prepared = prepare(config)
    for split in SPLITS:
        write_jsonl(material.folder / "examples" / f"{split}.jsonl", prepared.examples(split))
    (material.folder / "databases.json").write_text(
        json.dumps({name: str(database.path) for name, database in prepared.databases.items()}), encoding="utf-8"
    )
    text = text_of(config, prepared.examples("train"))
    model = model_of(config, text, prepared.fingerprint)
    model.network.save_pretrained(material.base)
    text.tokenizer.save_pretrained(material.base)
    _draw(material, text.tokenizer)
    trainer = config.trainer if material.small else dataclasses.replace(config.trainer, max_steps=LEARNT)
    learnt = material.folder / "learnt"
    learnt.mkdir(exist_ok=True)
    (learnt / "config.yaml").write_text(to_yaml(dataclasses.replace(config, trainer=trainer)), encoding="utf-8")
    result = run_folder(learnt, prepared)
    if result.status != "FINISHED":
        sys.exit(f"The model that (c) asks could not be trained: {result.reason}")


def _draw(material: Material, tokenizer: Any) -> None:
    """Models with random weights, each beside the demo's tokenizer; their vocabulary has the real width."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

    ends: dict[str, Any] = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    torch.manual_seed(0)
    t5_ends = {**ends, "decoder_start_token_id": tokenizer.pad_token_id}
    t5 = T5Config(**(TINY_T5 if material.small else T5_SMALL), **t5_ends)
    llama = LlamaConfig(**(TINY_LLAMA if material.small else SMOLLM2), **ends, bos_token_id=None)
    for size, network in (("t5_small", T5ForConditionalGeneration(t5)), ("smollm2", LlamaForCausalLM(llama))):
        network.save_pretrained(material.folder / size)
        tokenizer.save_pretrained(material.folder / size)


def texts(material: Material, size: str, rows: Sequence[Example]) -> list[tuple[str, str]]:
    """(prompt, answer) of examples as a user would have them in a file: after the codec."""
    from macsql.models.codecs import codec

    spelling = codec(material.asked(size).codec.name)
    return [(spelling.encode(row.source), spelling.encode(row.target)) for row in rows]


def root() -> Path:
    """Where material lies."""
    return REPO / "mlruns" / "bench"
