"""Checkpoints: a local folder in the hub's layout, the hub that cannot be reached, the pocket T5 made here."""

import dataclasses
from pathlib import Path

import pytest

from macsql.config import ModelConfig
from macsql.errors import UserError
from macsql.models import seq2seq
from macsql.models.codecs import codec
from macsql.records import Example

POCKET = {"vocab_size": 300, "d_model": 16, "d_ff": 32, "num_layers": 1, "num_heads": 2}
ROWS = [
    Example(
        f"q/{number}/decomposer", "decomposer", f"q/{number}", "zoo",
        f"decompose: how many {thing} are there? | schema: {thing}: id, name",
        f"```sql\nSELECT count(*) FROM {thing}\n```", "", "",
    )
    for number, thing in enumerate(["cats", "dogs", "birds", "fish"] * 5)
]  # fmt: skip


@pytest.fixture
def pocket() -> ModelConfig:
    return ModelConfig(name="pocket", pocket=POCKET)


@pytest.fixture
def saved(pocket, tmp_path) -> ModelConfig:
    """A local folder in the hub's layout."""
    tokenizer = seq2seq.load_tokenizer(pocket, codec("marks"), ROWS, tmp_path)
    model = seq2seq.load_model(pocket, tokenizer, codec("marks"), 0)
    tokenizer.save_pretrained(tmp_path / "checkpoint")
    model.save_pretrained(tmp_path / "checkpoint")
    return ModelConfig(name="own", path=str(tmp_path / "checkpoint"))


def test_a_local_folder_is_loaded_as_it_stands(saved, tmp_path):
    seq2seq.check(saved)
    tokenizer = seq2seq.load_tokenizer(saved, codec("marks"), [], tmp_path)
    model = seq2seq.load_model(saved, tokenizer, codec("marks"), 1)
    assert model.num_parameters() == pytest.approx(seq2seq.parameters(saved), rel=0.05)
    assert tokenizer("how many cats").input_ids[-1] == tokenizer.eos_token_id


def test_tokens_of_a_codec_lengthen_the_embedding(saved, tmp_path):
    spelling = codec("tokens")
    tokenizer = seq2seq.load_tokenizer(saved, spelling, [], tmp_path)
    model = seq2seq.load_model(saved, tokenizer, spelling, 1)
    assert model.get_input_embeddings().num_embeddings >= len(tokenizer)
    text = '```json\n{"a": "keep_all"}\n```'
    ids = tokenizer(spelling.encode(text)).input_ids
    assert tokenizer.unk_token_id not in ids


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (ModelConfig(name="x", path="nowhere"), "model.path=nowhere"),
        (ModelConfig(name="pocket", pocket=POCKET, path="nowhere"), "model.path=nowhere"),
        (ModelConfig(name="x"), "neither model.path"),
        (ModelConfig(name="t5_small", hub_id="google-t5/t5-small"), "model.path=DIR"),
    ],
)
def test_a_checkpoint_that_cannot_be_had_is_said_before_any_cost(model, words):
    with pytest.raises(UserError, match=words):
        seq2seq.check(model)


def test_a_folder_of_something_else(tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"")
    with pytest.raises(UserError, match=r"config\.json"):
        seq2seq.check(ModelConfig(name="x", path=str(tmp_path)))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="could not be loaded"):
        seq2seq.load_tokenizer(ModelConfig(name="x", path=str(tmp_path)), codec("marks"), [], tmp_path)


def test_the_pocket_tokenizer_has_t5s_gaps_and_no_others(pocket, tmp_path):
    tokenizer = seq2seq.load_tokenizer(pocket, codec("verbatim"), ROWS, tmp_path)
    for gap in seq2seq.T5_GAPS:
        assert tokenizer.unk_token_id in tokenizer(gap).input_ids, gap
    printable = "".join(chr(code) for code in range(33, 127) if chr(code) not in seq2seq.T5_GAPS)
    assert tokenizer.unk_token_id not in tokenizer(printable).input_ids
    assert tokenizer.decode(tokenizer("a \n  b").input_ids, skip_special_tokens=True) == "a b"


def test_the_pocket_tokenizer_is_made_once_and_the_same_everywhere(pocket, tmp_path):
    first = seq2seq.load_tokenizer(pocket, codec("marks"), ROWS, tmp_path / "a").get_vocab()
    assert len(list((tmp_path / "a" / "models").iterdir())) == 1
    assert seq2seq.load_tokenizer(pocket, codec("marks"), ROWS, tmp_path / "a").get_vocab() == first
    assert seq2seq.load_tokenizer(pocket, codec("marks"), ROWS, tmp_path / "b").get_vocab() == first


def test_parameters_are_known_without_loading(pocket):
    assert seq2seq.parameters(dataclasses.replace(pocket, pocket={}, name="t5_small")) == 60_500_000


def test_parameters_of_the_real_size(shared):
    size = seq2seq.parameters(ModelConfig(name="t5", path=str(shared / "models" / "t5-small")))
    assert size == pytest.approx(60_506_624, rel=0.01)


def test_a_folder_without_weights_is_said_before_any_cost(saved):
    seq2seq.check_weights(saved)
    next(Path(saved.path).glob("*.safetensors")).unlink()
    seq2seq.check(saved)  # its tokenizer can still be audited
    with pytest.raises(UserError, match="holds no weights"):
        seq2seq.check_weights(saved)
