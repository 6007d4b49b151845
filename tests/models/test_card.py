"""A model's folder, copied elsewhere, is loaded and asked without the trial that made it."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from making import configured

from macsql.config import GenerationConfig, ModelConfig
from macsql.errors import UserError
from macsql.models import families
from macsql.models.card import Card, read_card
from macsql.records import Example
from macsql.revision import revision

SIZES = {"vocab_size": 300, "d_model": 16, "d_ff": 32, "num_layers": 1, "num_heads": 2}
ROWS = [Example("1", "decomposer", "q", "d", "how many of {t} < 5?", "```sql\nSELECT a FROM t\n```", "", "")] * 9
PROMPTS = ["how many of {t} < 5?", "t", "how many   of how many of how many of t?"]
GREEDY = GenerationConfig(batch_size=2, max_new_tokens=7)


def trained(codec: str, folder: Path) -> families.Trainable:
    """A model whose folder is left as training leaves it."""
    model = ModelConfig(name="pocket", pocket=SIZES, max_source_length=12, max_target_length=9)
    config = configured(model, codec, folder / "state")
    made = families.model_of(config, families.text_of(config, ROWS), "0123456789abcdef")
    made.network.save_pretrained(folder / "model")
    made.text.tokenizer.save_pretrained(folder / "model")
    made.card.write(folder / "model")
    return made


@pytest.mark.parametrize("codec", ["verbatim", "marks", "tokens"])
def test_a_copied_folder_answers_as_the_model_did(tmp_path, codec):
    made = trained(codec, tmp_path)
    shutil.copytree(tmp_path / "model", tmp_path / "elsewhere" / "copy")
    shutil.rmtree(tmp_path / "model")
    shutil.rmtree(tmp_path / "state")
    copy = families.load(tmp_path / "elsewhere" / "copy")
    assert copy.card == made.card
    assert (copy.text.max_source_length, copy.text.max_target_length, copy.text.codec.name) == (12, 9, codec)
    assert copy.text.ids(PROMPTS) == made.text.ids(PROMPTS)
    answers = copy.answer(PROMPTS, GREEDY)
    assert answers == made.answer(PROMPTS, GREEDY)
    assert all(answer.truncated == (answer.tokens == GREEDY.max_new_tokens) for answer in answers)
    assert len(answers) == len(PROMPTS)


def test_the_card_says_what_the_model_reads_and_where_it_comes_from(tmp_path):
    card = trained("marks", tmp_path).card
    assert json.loads((tmp_path / "model" / "card.json").read_text()) == {
        "family": "encoder-decoder",
        "prompt_style": "mac_sql",
        "codec": "marks",
        "max_source_length": 12,
        "max_target_length": 9,
        "template": "auto",
        "agents": ["selector", "decomposer", "refiner"],
        "data_fingerprint": "0123456789abcdef",
        "version": revision(),
        "value_examples": 6,
        "value_links": 0,
        "prompt_budget": 512,
        "lora": None,
    }
    assert read_card(tmp_path / "model") == card


@pytest.mark.parametrize(("style", "shown"), [("brief", 2), ("mac_sql", 6), (None, 6)])
def test_a_card_from_before_prompts_were_described_has_what_was_usual_then(tmp_path, style, shown):
    told = dataclasses.asdict(trained("marks", tmp_path).card) | {"prompt_style": style}
    del told["value_examples"], told["value_links"], told["prompt_budget"]
    (tmp_path / "model" / "card.json").write_text(json.dumps(told))
    card = read_card(tmp_path / "model")
    assert (card.value_examples, card.value_links, card.prompt_budget) == (shown, 0, 512)


def test_the_prompts_of_a_chat_file_are_of_no_style(tmp_path):
    config = configured(ModelConfig(name="pocket"), "marks", tmp_path)
    config.data.format = "chat"
    assert Card.of(config, "encoder-decoder", "").prompt_style is None


def test_a_byte_order_mark_is_no_part_of_a_card(tmp_path):
    card = trained("marks", tmp_path).card
    path = tmp_path / "model" / "card.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_card(tmp_path / "model") == card


def test_a_card_of_before_there_was_lora_is_one(tmp_path):
    card = trained("marks", tmp_path).card
    path = tmp_path / "model" / "card.json"
    path.write_text(json.dumps({key: value for key, value in dataclasses.asdict(card).items() if key != "lora"}))
    assert read_card(tmp_path / "model") == card


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, r"holds no card\.json"),
        ("{", r"card\.json is not JSON \(Expecting"),
        ("[" * 100_000, r"card\.json is not JSON \(it is nested too deeply\)"),
        ("[]", "not a card"),
        ('{"family": "encoder-decoder"}', "does not say prompt_style"),
        ({"max_source_length": "12"}, 'max_source_length is "12"'),
        ({"family": "oracle"}, "family 'oracle', and this code knows encoder-decoder"),
        ({"codec": "morse"}, "Unknown codec 'morse'"),
        ({"agents": 3}, "agents is 3"),
        ({"lora": 3}, "lora is 3"),
        ({"lora": {"merged": False}}, "model/base: there is no such folder"),
    ],
)
def test_a_card_that_is_none(tmp_path, text, words):
    card = trained("marks", tmp_path).card
    path = tmp_path / "model" / "card.json"
    if text is None:
        path.unlink()
    else:
        path.write_text(json.dumps(dataclasses.asdict(card) | text) if isinstance(text, dict) else text)
    with pytest.raises(UserError, match=words):
        families.load(tmp_path / "model")
