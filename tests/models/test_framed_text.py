"""What a decoder-only checkpoint's tokenizer may lack is said before any cost."""

import dataclasses
import json

import pytest
from test_causal_lm import TEMPLATE, llama, model, tokenizer

from macsql.config import ModelConfig
from macsql.errors import UserError
from macsql.models import families


@pytest.fixture
def saved(tmp_path) -> ModelConfig:
    """A local folder in the hub's layout."""
    made = tokenizer()
    made.save_pretrained(tmp_path / "checkpoint")
    llama(len(made)).save_pretrained(tmp_path / "checkpoint")
    return ModelConfig(name="own", path=str(tmp_path / "checkpoint"), max_source_length=128, max_target_length=64)


def refused(config: ModelConfig) -> str:
    with pytest.raises(UserError) as error:
        families.check(config)
    said = str(error.value)
    assert said.startswith(f"model.path={config.path}")
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{% for message in messages %}{{ message.content }}", "chat template cannot be used (TemplateSyntaxError"),
        ("{{ raise_exception('no system message') }}", "chat template cannot be used (TemplateError: no system mes"),
        ("{{ messages[0].content.missing.more }}", "chat template cannot be used (UndefinedError"),
        ("<|start|>user\nhello<|end|>", "chat template leaves out the prompt: mend it, or set model.template=none"),
        (TEMPLATE + TEMPLATE, "chat template writes the prompt 2 times: mend it, or set model.template=none"),
    ],
)
def test_a_chat_template_that_cannot_be_used(saved, tmp_path, template, words):
    (tmp_path / "checkpoint" / "chat_template.jinja").write_text(template)
    assert words in refused(saved)
    families.check(dataclasses.replace(saved, template="none"))


def test_a_tokenizer_without_an_end_token(saved, tmp_path):
    path = tmp_path / "checkpoint" / "tokenizer_config.json"
    told = json.loads(path.read_text())
    del told["eos_token"]
    path.write_text(json.dumps(told))
    assert "the model's tokenizer names no end token (eos_token): its answers would never end." in refused(saved)


def test_a_template_that_fills_the_window(saved):
    said = refused(dataclasses.replace(saved, max_source_length=4))
    assert "model.max_source_length=4 leaves no room for a prompt: the chat template alone takes" in said


def test_a_model_of_pictures(saved, tmp_path):
    path = tmp_path / "checkpoint" / "config.json"
    path.write_text(json.dumps({"model_type": "vit", "hidden_size": 16, "image_size": 32, "num_hidden_layers": 1}))
    assert "its config.json says model_type vit, and only encoder-decoders" in refused(saved)


def test_a_whole_one_is_taken(saved):
    families.check(saved)


def test_prompts_and_answers_uncut_hold_all_that_the_model_gets():
    text = model(source=24, target=6).text
    [asked], [answered] = text.asked(["how many " * 40]), text.answered(["SELECT 1, 2, 3, 4, 5, 6"])
    before, after = text.frame
    assert len(asked) == len(text.tokenizer("how many " * 40).input_ids) + len(before) + len(after) > 24
    assert (asked[: len(before)], asked[-len(after) :]) == (before, after)
    assert answered[-1] == text.tokenizer.eos_token_id
    assert text.read(asked) == text.sources(["how many " * 40])[0] != asked
    assert text.learnt(answered) == text.targets(["SELECT 1, 2, 3, 4, 5, 6"])[0] == answered[:6]
