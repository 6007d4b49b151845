"""The built-in model: a miniature of T5 with random weights, and a tokenizer of T5's kind trained on the data."""

import hashlib
import json
import string
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from macsql.config import ModelConfig
from macsql.errors import UserError
from macsql.models.codecs import Codec
from macsql.pocket.copying import draw_copying_heads
from macsql.records import Example
from macsql.system.files import new_folder, write_whole
from macsql.system.kept import code_in, name_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# What T5's vocabulary cannot write. The pocket tokenizer is a miniature of T5's, gaps included: only so does a
# built-in experiment on codecs say anything about the real model.
T5_GAPS = "{}<`~^\\【】"
SIZES = ("vocab_size", "d_model", "d_ff", "num_layers", "num_heads")  # what model.pocket must say
COUNTS = ("num_decoder_layers", "relative_attention_num_buckets", "relative_attention_max_distance")
SHAPES = ("relu", "gated-gelu")  # of feed_forward_proj
# what it may say: arguments of transformers' T5Config, which keeps any other without a word, and two of ours
OURS = ("embedding_std", "copying_heads")
POSITIVE = ("layer_norm_epsilon", "initializer_factor", "embedding_std")
OPTIONAL = (*COUNTS, *POSITIVE, "dropout_rate", "feed_forward_proj", *OURS)
TOKENIZERS = ("t5", "words")  # of model.pocket.tokenizer: T5's kind, gaps included, or pocket/word_tokenizer.py's
CONFIG = "tokenizer_config.json"  # its presence in a folder means that a tokenizer is there
CODE = (Path(__file__), Path(__file__).with_name("codecs.py"))  # what decides how texts are spelt, and which are read
READ = 40_000  # texts at most from which a tokenizer of the second kind is made


def made_here(config: ModelConfig) -> bool:
    """Whether the model is made here; model.path takes the place of such a one."""
    return bool(config.pocket) and config.path is None


def check(config: ModelConfig) -> None:
    """Raise UserError for sizes of which no model can be made."""
    sizes = config.pocket
    if unknown := sorted(set(sizes) - {*SIZES, *OPTIONAL, "tokenizer"}):
        raise UserError(
            f"model.pocket.{unknown[0]}: a model made here takes {', '.join((*SIZES, *OPTIONAL, 'tokenizer'))}."
        )
    for name in (*SIZES, *COUNTS):
        if name not in sizes and name in SIZES:
            raise UserError(f"model.pocket.{name} is missing: a model made here needs {', '.join(SIZES)}.")
        if name in sizes and (type(sizes[name]) is not int or sizes[name] < 1):
            raise UserError(f"model.pocket.{name}={sizes[name]}: a whole number of at least 1 is needed.")
    if sizes["d_model"] < sizes["num_heads"]:
        raise UserError(
            f"model.pocket.d_model={sizes['d_model']} cannot be shared out among "
            f"model.pocket.num_heads={sizes['num_heads']}: at least 1 for each head is needed."
        )
    dropout = sizes.get("dropout_rate", 0.1)
    if type(dropout) not in (int, float) or not 0 <= dropout < 1:
        raise UserError(f"model.pocket.dropout_rate={dropout}: write a share from 0 to below 1.")
    for name in POSITIVE:
        if name in sizes and (type(sizes[name]) not in (int, float) or not sizes[name] > 0):
            raise UserError(f"model.pocket.{name}={sizes[name]}: a number above 0 is needed.")
    if sizes.get("copying_heads", False) and ("embedding_std" not in sizes or sizes["num_heads"] < 3):
        raise UserError("model.pocket.copying_heads=true needs model.pocket.embedding_std and num_heads of at least 3.")
    if (kind := sizes.get("tokenizer", TOKENIZERS[0])) not in TOKENIZERS:
        raise UserError(f"model.pocket.tokenizer={kind}: choose {' or '.join(TOKENIZERS)}.")
    if (shape := sizes.get("feed_forward_proj", SHAPES[0])) not in SHAPES:
        raise UserError(f"model.pocket.feed_forward_proj={shape}: choose {' or '.join(SHAPES)}.")


def tokenizer_folder(config: ModelConfig, codec: Codec, train: Iterable[Example], state_dir: Path) -> str:
    """Train a tokenizer on the codec's text; deterministic, and kept under its content's hash.

    `<state_dir>/models/read/` says which folder came of plain texts that have been spelt before.
    """
    plain = [text for row in train for text in (row.source, row.target)]
    own = config.pocket.get("tokenizer", TOKENIZERS[0]) == "words"
    spelt = name_of(plain, config.pocket["vocab_size"], own, codec.name, code_in(*CODE))
    known = state_dir / "models" / "read" / spelt
    with suppress(OSError, ValueError):
        if (folder := known.parent.parent / known.read_text(encoding="utf-8")).joinpath(CONFIG).exists():
            return str(folder)
    folder = _trained(config, codec, plain, own, state_dir)
    write_whole(known, folder.name)
    return str(folder)


def _trained(config: ModelConfig, codec: Codec, plain: list[str], own: bool, state_dir: Path) -> Path:
    """The folder of the tokenizer for these texts."""
    texts = [codec.encode(text) for text in plain]
    if own:
        texts = texts[:READ]
    made_of = [config.pocket["vocab_size"], codec.name, texts, *(["words"] if own else [])]
    digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]
    folder = state_dir / "models" / f"pocket-{digest}"
    if (folder / CONFIG).exists():
        return folder
    if own:
        from macsql.pocket import word_tokenizer

        trained = word_tokenizer.train(texts, config.pocket["vocab_size"])
        with new_folder(folder) as partial:
            trained.save_pretrained(partial)
        return folder

    from transformers import T5Tokenizer

    pieces = _pieces(texts, config.pocket["vocab_size"])
    specials = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    # T5's tokenizer picks the segmentation with the best sum of scores: with every piece at -1, the shortest one.
    tokenizer = T5Tokenizer(vocab=specials + [(piece, -1.0) for piece in pieces], extra_ids=0)
    with new_folder(folder) as partial:  # another process may make the same meanwhile
        tokenizer.save_pretrained(partial)
    return folder


def network(config: ModelConfig, tokenizer: "PreTrainedTokenizerBase") -> "PreTrainedModel":
    """A T5 of the configured sizes with random weights, drawn from torch's generator as it stands.

    T5 draws its embeddings with a standard deviation of 1 and scales the decoder's output down to make up for it. Its
    own optimizer steps in proportion to a weight; AdamW does not, and moves such embeddings very slowly.
    `embedding_std` draws them smaller and leaves the output as it is: a tenth learns from a third fewer rows.
    `copying_heads` is what macsql/pocket/copying.py says.
    """
    from transformers import T5Config, T5ForConditionalGeneration

    own = {"vocab_size", "tokenizer", *OURS}
    sizes = {key: value for key, value in config.pocket.items() if key not in own}
    deviation = config.pocket.get("embedding_std")
    shape = {
        "vocab_size": _padded(len(tokenizer)),
        "d_kv": sizes["d_model"] // sizes["num_heads"],
        "decoder_start_token_id": tokenizer.pad_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    if deviation is not None:
        sizes["scale_decoder_outputs"] = False
    made = T5ForConditionalGeneration(T5Config(**shape, **sizes))
    if deviation is not None:
        made.shared.weight.data.mul_(deviation / made.config.initializer_factor)
        if config.pocket.get("copying_heads", False):
            draw_copying_heads(made, deviation)
    return made


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
