"""Models from a local folder in the hub's layout, from the hub out of reach, and made here (the pocket T5)."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from making import configured, tokenizer_of

from macsql.config import ModelConfig
from macsql.errors import UserError
from macsql.models import families, pocket
from macsql.models.model import Trainable
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
def small() -> ModelConfig:
    return ModelConfig(name="pocket", pocket=POCKET)


@pytest.fixture
def saved(small, tmp_path) -> ModelConfig:
    """A local folder in the hub's layout."""
    config = configured(small, "marks", tmp_path)
    model = families.model_of(config, families.text_of(config, ROWS), "")
    model.text.tokenizer.save_pretrained(tmp_path / "checkpoint")
    model.network.save_pretrained(tmp_path / "checkpoint")
    return ModelConfig(name="own", path=str(tmp_path / "checkpoint"))


def test_a_local_folder_is_loaded_as_it_stands(saved, tmp_path):
    families.check(saved)
    config = configured(saved, "marks", tmp_path, seed=1)
    text = families.text_of(config, [])
    network: Any = families.model_of(config, text, "").network
    assert network.num_parameters() == pytest.approx(families.parameters(saved), rel=0.05)
    assert text.tokenizer("how many cats").input_ids[-1] == text.tokenizer.eos_token_id


def test_tokens_of_a_codec_lengthen_the_embedding(saved, tmp_path):
    config = configured(saved, "tokens", tmp_path)
    text = families.text_of(config, [])
    network: Any = families.model_of(config, text, "").network
    assert network.get_input_embeddings().num_embeddings >= len(text.tokenizer)
    [ids] = text.ids(['```json\n{"a": "keep_all"}\n```'])
    assert text.tokenizer.unk_token_id not in ids


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
        families.check(model)


def without(name: str) -> Callable[[Path], object]:
    """Takes a file away from a folder."""
    return lambda folder: (folder / name).unlink()


def says(**changes: Any) -> Callable[[Path], object]:
    """Changes what a folder's config.json says; None takes a key away."""

    def change(folder: Path) -> None:
        told = json.loads((folder / "config.json").read_text()) | changes
        kept = {key: value for key, value in told.items() if value is not None}
        (folder / "config.json").write_text(json.dumps(kept))

    return change


def holds(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "config.json").write_text(text)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (without("config.json"), r"holds no config\.json"),
        (without("tokenizer.json"), r"holds no tokenizer \(tokenizer\.json or spiece\.model\)"),
        (without("model.safetensors"), "holds no weights"),
        (says(model_type="bert"), "is no T5: its config.json says model_type bert"),
        (says(model_type="bart"), "is no T5: its config.json says model_type bart"),
        (says(model_type=["t5"]), "is no T5"),
        (holds("{}"), "is no T5: its config.json names no model_type"),
        (holds("[1]"), "holds no JSON object"),
        (holds("{"), r"config\.json is not JSON \(Expecting"),
        (holds("[" * 100_000), "nested too deeply"),
        (says(d_model=None), "has no usable d_model"),
        (says(num_heads=0), "has no usable num_heads"),
        (says(vocab_size="many"), "has no usable vocab_size"),
        (says(num_layers=True), "has no usable num_layers"),
    ],
)
def test_a_folder_that_is_no_model_is_said_before_any_cost(saved, damage, words):
    damage(Path(saved.path))
    with pytest.raises(UserError, match=words) as error:
        families.check(saved)
    assert str(error.value).startswith(f"model.path={saved.path}")
    assert "\n" not in str(error.value)


def test_damaged_weights_and_tokenizers_are_named(saved, tmp_path):
    config = configured(saved, "marks", tmp_path)
    text = families.text_of(config, [])
    (Path(saved.path) / "model.safetensors").write_bytes(b"\0" * 40)
    with pytest.raises(UserError, match=f"model.path={saved.path} could not be loaded"):
        families.model_of(config, text, "")
    (Path(saved.path) / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match=f"model.path={saved.path} could not be loaded"):
        families.text_of(config, [])


def test_a_folder_without_weights_can_still_be_audited(saved):
    next(Path(saved.path).glob("*.safetensors")).unlink()
    families.check(saved, weights=False)
    with pytest.raises(UserError, match="holds no weights"):
        families.check(saved)


@pytest.mark.parametrize("window", [1, 0, -5])
@pytest.mark.parametrize("key", ["max_source_length", "max_target_length"])
def test_a_window_of_nothing_is_refused(small, key, window):
    with pytest.raises(UserError, match=f"model.{key}={window}"):
        families.check(dataclasses.replace(small, **{key: window}))


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"d_modle": 16}, "model.pocket.d_modle"),
        ({"d_kv": 8}, "model.pocket.d_kv"),
        ({"d_model": None}, "model.pocket.d_model is missing"),
        ({"num_layers": 0}, "model.pocket.num_layers=0"),
        ({"num_heads": "two"}, "model.pocket.num_heads=two"),
        ({"num_heads": True}, "model.pocket.num_heads=True"),
        ({"vocab_size": 2.5}, "model.pocket.vocab_size=2.5"),
        ({"num_heads": 32}, "model.pocket.d_model=16 cannot be shared out"),
        ({"dropout_rate": 1.0}, "model.pocket.dropout_rate=1.0"),
        ({"num_decoder_layers": 0}, "model.pocket.num_decoder_layers=0"),
        ({"feed_forward_proj": "swish"}, "model.pocket.feed_forward_proj=swish"),
    ],
)
def test_sizes_of_which_no_model_can_be_made(small, sizes, words):
    given = {key: value for key, value in (POCKET | sizes).items() if value is not None}
    with pytest.raises(UserError, match=words):
        families.check(dataclasses.replace(small, pocket=given))


def test_every_size_that_is_taken_is_an_argument_of_the_librarys():
    import inspect

    from transformers import T5Config

    assert {*pocket.SIZES, *pocket.OPTIONAL} - {*pocket.OURS} <= set(inspect.signature(T5Config).parameters)


def test_the_pocket_tokenizer_has_t5s_gaps_and_no_others(small, tmp_path):
    tokenizer = tokenizer_of(small, "verbatim", ROWS, tmp_path)
    for gap in pocket.T5_GAPS:
        assert tokenizer.unk_token_id in tokenizer(gap).input_ids, gap
    printable = "".join(chr(code) for code in range(33, 127) if chr(code) not in pocket.T5_GAPS)
    assert tokenizer.unk_token_id not in tokenizer(printable).input_ids
    assert tokenizer.decode(tokenizer("a \n  b").input_ids, skip_special_tokens=True) == "a b"


def test_the_pocket_tokenizer_is_made_once_and_the_same_everywhere(small, tmp_path):
    first = tokenizer_of(small, "marks", ROWS, tmp_path / "a").get_vocab()
    assert len(list((tmp_path / "a" / "models").glob("pocket-*"))) == 1
    assert tokenizer_of(small, "marks", ROWS, tmp_path / "a").get_vocab() == first
    assert tokenizer_of(small, "marks", ROWS, tmp_path / "b").get_vocab() == first


def test_every_family_has_all_of_the_protocol():
    """A third family is a class with these and its entry in FAMILIES."""
    members = {name for name in vars(Trainable) if not name.startswith("_")} | {*Trainable.__annotations__}
    assert {"open", "reads", "parameters", "sizes", "use_liger", "rows", "loss"} <= members
    assert len({family.family for family in families.FAMILIES}) == len(families.FAMILIES) > 1
    for family in families.FAMILIES:
        assert not [name for name in members - {"network", "text", "card"} if not hasattr(family, name)], family


def test_parameters_are_known_without_loading(small):
    assert families.parameters(dataclasses.replace(small, pocket={}, name="t5_small")) == 60_500_000


def test_parameters_of_the_real_size(shared):
    size = families.parameters(ModelConfig(name="t5", path=str(shared / "models" / "t5-small")))
    assert size == pytest.approx(60_506_624, rel=0.01)
