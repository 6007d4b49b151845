"""Generation under readers: random weights write nothing but what is accepted, greedy, with beams and drawn."""

import pytest
from test_causal_lm import SOURCES, model, tokenizer
from transformers import T5Config, T5ForConditionalGeneration

from macsql.config import GenerationConfig
from macsql.models.card import Card
from macsql.models.codecs import codec
from macsql.models.seq2seq import EncoderDecoder
from macsql.models.text import Text
from macsql.spelling.reader import Guide
from macsql.spelling.spelling import plain

WAYS = [
    GenerationConfig(max_new_tokens=16, batch_size=2),
    GenerationConfig(max_new_tokens=16, num_beams=3),
    GenerationConfig(max_new_tokens=16, do_sample=True),
]


class OneOf:
    """Accepts some answers and nothing else."""

    odd: frozenset[str] = frozenset()

    def __init__(self, *answers: str) -> None:
        self.answers = [plain(answer) for answer in answers]

    def begin(self):
        return ""

    def advance(self, state, char):
        return state + char if any(answer.startswith(state + char) for answer in self.answers) else None

    def complete(self, state):
        return state in self.answers

    def far(self, state):
        return min(len(answer) - len(state) for answer in self.answers if answer.startswith(state))

    def closing(self, state):
        return min((answer[len(state) :] for answer in self.answers if answer.startswith(state)), key=len)

    def kept(self, state):  # noqa: ARG002
        return None


def encoder_decoder() -> EncoderDecoder:
    import torch

    words = tokenizer(chat=False)
    words.pad_token = "<|start|>"
    torch.manual_seed(0)
    shape = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
    shape |= {"vocab_size": len(words), "pad_token_id": words.pad_token_id}
    ends = {"eos_token_id": words.eos_token_id, "decoder_start_token_id": words.pad_token_id}
    network = T5ForConditionalGeneration(T5Config(**ends, **shape))
    card = Card("encoder-decoder", "brief", "verbatim", 64, 64, "none", ("decomposer",), "x", "0")
    return EncoderDecoder(network, Text(words, codec("verbatim"), 64, 64), card)


@pytest.mark.parametrize("made", [model, encoder_decoder])
@pytest.mark.parametrize("generation", WAYS, ids=["greedy", "beams", "drawn"])
def test_only_what_the_reader_accepts_is_written(made, generation):
    guides = [Guide(OneOf("yes", "no")), Guide(OneOf("SELECT 1 < 2")), Guide(OneOf("é", "ship"))]
    answers = made().answer(SOURCES, generation, guides=guides)
    assert [answer.truncated for answer in answers] == [False] * 3
    for answer, guide in zip(answers, guides, strict=True):
        assert plain(answer.text) in guide.reader.answers


@pytest.mark.parametrize("made", [model, encoder_decoder])
def test_a_row_without_a_guide_is_written_as_before(made):
    asked, generation = made(), WAYS[0]
    free = asked.answer(SOURCES, generation)
    assert asked.answer(SOURCES, generation, guides=[Guide()] * 3) == free
    mixed = asked.answer(SOURCES, generation, guides=[Guide(OneOf("yes")), Guide(), Guide()])
    assert mixed[0].text == "yes"
    assert [answer.raw for answer in mixed[1:]] == [answer.raw for answer in free[1:]]


def test_the_guide_takes_one_of_the_beams():
    shown = []

    def last(answers):
        shown.append(list(answers))
        return len(answers) - 1

    generation = GenerationConfig(max_new_tokens=6, num_beams=3)
    [answer] = model().answer(SOURCES[:1], generation, guides=[Guide(OneOf("yes", "no", "maybe"), last)])
    assert sorted(shown[0]) == ["maybe", "no", "yes"]
    assert answer.text == shown[0][-1]
