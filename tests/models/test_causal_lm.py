"""Decoder-only models: what is learnt, what is padded, and how an answer ends."""

import json

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from macsql.config import GenerationConfig
from macsql.errors import UserError
from macsql.models.card import Card
from macsql.models.causal_lm import IGNORED, DecoderOnly
from macsql.models.codecs import codec
from macsql.models.framed_text import FramedText

TEMPLATE = (
    "{% for message in messages %}<|start|>{{ message['role'] }}\n{{ message['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
SOURCES = ["how many ships are there", "name", "the names of all ships that were built before 1990"]
TARGETS = ["SELECT count(*) FROM ship", "SELECT name FROM ship", "SELECT name FROM ship WHERE built < 1990"]


def tokenizer(chat: bool = True) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer that writes every character."""
    sketch = Tokenizer(models.BPE())
    sketch.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    from tokenizers import decoders

    sketch.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|start|>", "<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    sketch.train_from_iterator([*SOURCES, *TARGETS], trainer)
    made = PreTrainedTokenizerFast(tokenizer_object=sketch, eos_token="<|end|>")
    if chat:
        made.chat_template = TEMPLATE
    return made


def llama(words: int) -> LlamaForCausalLM:
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=words, max_position_embeddings=256, **shape)).eval()


def gpt2(words: int) -> GPT2LMHeadModel:
    torch.manual_seed(0)
    shape = {"n_embd": 32, "n_layer": 2, "n_head": 2, "bos_token_id": None, "eos_token_id": None}
    return GPT2LMHeadModel(GPT2Config(vocab_size=words, n_positions=256, **shape)).eval()


def model(network=llama, chat=True, template="auto", source=128, target=64) -> DecoderOnly:
    made = tokenizer(chat)
    card = Card("decoder-only", "brief", "verbatim", source, target, template, ("decomposer",), "x", "0")
    return DecoderOnly(network(len(made)), FramedText(made, codec("verbatim"), source, target, template), card)


def test_a_row_is_the_prompt_in_its_template_and_the_answer():
    one = model()
    [row] = one.rows(SOURCES[:1], TARGETS[:1])
    words = one.text.tokenizer
    assert words.decode(row["input_ids"]) == (
        f"<|start|>user\n{SOURCES[0]}<|end|>\n<|start|>assistant\n{TARGETS[0]}<|end|>"
    )
    learnt = [label for label in row["labels"] if label != IGNORED]
    assert words.decode(learnt) == f"{TARGETS[0]}<|end|>"
    assert row["input_ids"][-len(learnt) :] == learnt
    assert len(row["labels"]) == len(row["input_ids"])


@pytest.mark.parametrize(("chat", "template"), [(False, "auto"), (True, "none")])
def test_without_a_template_prompts_are_plain_text(chat, template):
    one = model(chat=chat, template=template)
    [row] = one.rows(SOURCES[:1], TARGETS[:1])
    assert one.text.tokenizer.decode(row["input_ids"]) == f"{SOURCES[0]}\n{TARGETS[0]}<|end|>"


def test_what_is_too_long_is_cut_and_the_template_stays():
    one = model(source=24, target=6)
    [row] = one.rows([SOURCES[2] * 5], [TARGETS[2] * 5])
    shown = [label for label in row["labels"] if label == IGNORED]
    assert len(shown) == 24
    assert one.text.tokenizer.decode(row["input_ids"][:24]).endswith("<|start|>assistant\n")
    assert len(row["labels"]) - len(shown) == 6
    assert row["labels"][-1] != one.text.tokenizer.eos_token_id  # an answer that was cut does not end


def test_a_window_that_the_template_fills_is_refused():
    with pytest.raises(UserError, match="leaves no room for a prompt"):
        model(source=4).prompts(["x"])


@pytest.mark.parametrize("network", [llama, gpt2])
def test_the_loss_of_a_batch_is_that_of_its_rows_and_of_answers_alone(network):
    """Against the library's own loss of each row by itself, unpadded, over all logits."""
    one = model(network)
    rows = one.rows(SOURCES, TARGETS)
    total, tokens = 0.0, 0
    for row in rows:
        count = sum(label != IGNORED for label in row["labels"])
        alone = one.network(input_ids=torch.tensor([row["input_ids"]]), labels=torch.tensor([row["labels"]]))
        total, tokens = total + alone.loss.item() * count, tokens + count
    loss, outputs = one.loss(one.network, one.collator()(rows), None, 0.0)
    assert loss.item() == pytest.approx(total / tokens, rel=1e-5)
    longest = max(sum(label != IGNORED for label in row["labels"]) for row in rows)
    assert outputs.logits.shape[1] == longest + 1  # none of the prompts' positions


@pytest.mark.parametrize("network", [llama, gpt2])
def test_eight_batches_of_one_are_four_of_two(network):
    one = model(network)
    rows = one.rows(SOURCES[:2] * 4, TARGETS[:2] * 4)
    count = sum(label != IGNORED for row in rows for label in row["labels"])

    def gradient(size: int) -> torch.Tensor:
        one.network.zero_grad()
        for start in range(0, len(rows), size):
            one.loss(one.network, one.collator()(rows[start : start + size]), count, 0.0)[0].backward()
        return torch.cat([weight.grad.flatten() for weight in one.network.parameters() if weight.grad is not None])

    torch.testing.assert_close(gradient(1), gradient(2), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("network", [llama, gpt2])
def test_a_batch_answers_as_each_prompt_alone(network):
    one = model(network)
    asked = GenerationConfig(batch_size=3, max_new_tokens=6)
    together = one.answer(SOURCES, asked)
    assert together == [one.answer([source], asked)[0] for source in SOURCES]
    assert all(answer.tokens <= 6 for answer in together)


def test_an_answer_ends_with_the_end_token():
    one = model()
    end = one.text.tokenizer.eos_token_id
    ids = one.text.tokenizer("SELECT 1", add_special_tokens=False).input_ids
    whole, cut = one._answer([*ids, end, end]), one._answer(ids)
    assert (whole.text, whole.truncated, whole.tokens) == ("SELECT 1", False, len(ids) + 1)
    assert (cut.text, cut.truncated) == ("SELECT 1", True)


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2", "mistral", "gemma", "phi"])
def test_decoder_only_checkpoints_are_known(kind):
    assert DecoderOnly.reads(kind)


@pytest.mark.parametrize("kind", ["t5", "bart", "bert", "marian", "vit", ""])
def test_others_are_not(kind):
    assert not DecoderOnly.reads(kind)


def test_parameters_are_counted(tmp_path):
    network = llama(100)
    network.save_pretrained(tmp_path)
    shape = json.loads((tmp_path / "config.json").read_text())
    assert DecoderOnly.parameters(shape) == sum(weight.numel() for weight in network.parameters())
