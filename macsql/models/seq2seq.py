"""Encoder-decoder checkpoints: from the hub, from a local folder in the hub's layout, or made here (the pocket T5)."""

import hashlib
import json
import string
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from macsql.config import ModelConfig
from macsql.errors import UserError, first_line
from macsql.files import new_folder
from macsql.models.codecs import Codec, extend
from macsql.records import Example

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# What T5's vocabulary cannot write. The pocket tokenizer is a miniature of T5's, gaps included: only so does an
# built-in experiment on codecs say anything about the real model.
T5_GAPS = "{}<`~^\\【】"


def load_tokenizer(
    config: ModelConfig, codec: Codec, train: Iterable[Example], state_dir: Path
) -> "PreTrainedTokenizerBase":
    """The model's tokenizer, with the codec's tokens added; the pocket model's is trained on `train` and kept on disk.

    Raises UserError where the folder is missing or incomplete, or the hub cannot be reached.
    """
    from transformers import AutoTokenizer

    source = _pocket_tokenizer(config, codec, train, state_dir) if made_here(config) else _source(config)
    tokenizer = _from_pretrained(AutoTokenizer.from_pretrained, source, config)
    if codec.added_tokens:
        extend(tokenizer, codec)
    return tokenizer


def load_model(config: ModelConfig, tokenizer: "PreTrainedTokenizerBase", codec: Codec, seed: int) -> "PreTrainedModel":
    """The model with an embedding at least as long as the tokenizer; random weights from `seed` for the pocket T5."""
    import torch
    from transformers import AutoModelForSeq2SeqLM, T5Config, T5ForConditionalGeneration

    torch.manual_seed(seed)
    if made_here(config):
        sizes = {key: value for key, value in config.pocket.items() if key != "vocab_size"}
        shape = {
            "vocab_size": _padded(len(tokenizer)),
            "d_kv": sizes["d_model"] // sizes["num_heads"],
            "decoder_start_token_id": tokenizer.pad_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        }
        return T5ForConditionalGeneration(T5Config(**shape, **sizes))
    model = _from_pretrained(AutoModelForSeq2SeqLM.from_pretrained, _source(config), config)
    extend(tokenizer, codec, model)
    return model


def made_here(config: ModelConfig) -> bool:
    """Whether the model is a pocket T5 with random weights; model.path takes the place of one."""
    return bool(config.pocket) and config.path is None


def check(config: ModelConfig) -> None:
    """Raise UserError, before any cost, where the checkpoint cannot be had."""
    if made_here(config):
        return
    source = _source(config)
    if config.path is not None or Path(source).is_dir():
        return
    from huggingface_hub import try_to_load_from_cache

    if isinstance(try_to_load_from_cache(source, "config.json"), str):
        return
    from transformers import AutoConfig

    _from_pretrained(AutoConfig.from_pretrained, source, config)


def check_weights(config: ModelConfig) -> None:
    """Raise UserError where a local folder holds a configuration and a tokenizer but nothing to fine-tune."""
    if config.path is not None and not any(
        any(Path(config.path).glob(pattern)) for pattern in ("*.safetensors", "*.safetensors.index.json", "*.bin")
    ):
        raise UserError(f"model.path={config.path} holds no weights (model.safetensors or pytorch_model.bin).")


def parameters(config: ModelConfig) -> int | None:
    """About how many parameters the model has, without loading it; None where only the hub knows."""
    if made_here(config):
        size = {key: int(value) for key, value in config.pocket.items() if isinstance(value, int)}
    elif config.path is not None and (Path(config.path) / "config.json").exists():
        size = json.loads((Path(config.path) / "config.json").read_text(encoding="utf-8"))
    else:
        return {"t5_small": 60_500_000, "t5_small_awesome": 60_500_000}.get(config.name)
    d_model, d_ff, layers = size["d_model"], size["d_ff"], size["num_layers"]
    inner = size.get("d_kv", d_model // size["num_heads"]) * size["num_heads"]
    attention = 4 * d_model * inner
    return size["vocab_size"] * d_model + layers * (3 * attention + 2 * 2 * d_model * d_ff)


def _source(config: ModelConfig) -> str:
    if config.path is not None:
        folder = Path(config.path)
        if not folder.is_dir():
            what = "that is a file, not a folder" if folder.exists() else "there is no such folder"
            raise UserError(f"model.path={config.path}: {what}.")
        if not (folder / "config.json").exists():
            raise UserError(f"model.path={config.path} holds no config.json: a folder in the hub's layout is needed.")
        return str(folder)
    if config.hub_id is None:
        raise UserError(f"model={config.name} names neither model.path (a local folder) nor model.hub_id.")
    return config.hub_id


def _from_pretrained(load: Any, source: str, config: ModelConfig) -> Any:
    try:
        return load(source)
    except (OSError, ValueError) as error:
        reason = first_line(error)
        if config.path is not None:
            raise UserError(f"model.path={config.path} could not be loaded: {reason}") from error
        raise UserError(
            f"model={config.name} needs {source} from the hub, which cannot be reached from here and is not in the "
            f"local cache: download it on a connected machine and set model.path=DIR."
        ) from error


def _pocket_tokenizer(config: ModelConfig, codec: Codec, train: Iterable[Example], state_dir: Path) -> str:
    """Train a tokenizer of T5's kind on the codec's text; deterministic, and kept under its content's hash."""
    texts = [codec.encode(text) for row in train for text in (row.source, row.target)]
    digest = hashlib.sha256(json.dumps([config.pocket["vocab_size"], codec.name, texts]).encode()).hexdigest()[:16]
    folder = state_dir / "models" / f"pocket-{digest}"
    if (folder / "tokenizer_config.json").exists():
        return str(folder)

    from transformers import T5Tokenizer

    pieces = _pieces(texts, config.pocket["vocab_size"])
    specials = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    # T5's tokenizer picks the segmentation with the best sum of scores: with every piece at -1, the shortest one.
    tokenizer = T5Tokenizer(vocab=specials + [(piece, -1.0) for piece in pieces], extra_ids=0)
    with new_folder(folder) as partial:
        tokenizer.save_pretrained(partial)
    return str(folder)


def _pieces(texts: list[str], size: int) -> list[str]:
    """The most useful word pieces of the texts by byte-pair merging, after every printable character but T5's gaps."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    gaps = "".join("\\" + gap for gap in T5_GAPS)
    sketch = Tokenizer(models.BPE())
    sketch.normalizer = normalizers.Replace(Regex(f"[{gaps}]"), " ")
    sketch.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    alphabet = [character for character in string.printable if not character.isspace() and character not in T5_GAPS]
    trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=2, initial_alphabet=alphabet, show_progress=False)
    sketch.train_from_iterator(texts, trainer)
    vocabulary = sketch.get_vocab()
    return sorted(vocabulary, key=vocabulary.__getitem__)


def _padded(count: int) -> int:
    return -(-count // 64) * 64  # a multiple of 64 keeps matrix products fast
