"""Source and target within the model's windows."""

import copy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import tokenizer_of

from macsql.config import ModelConfig
from macsql.errors import UserError
from macsql.models.codecs import codec
from macsql.models.text import Text
from macsql.models.window import cut, token_ids
from macsql.records import Example

MARKS = codec("marks")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory):
    rows = [Example("1", "decomposer", "q", "d", "how many of t?", "```sql\nSELECT a FROM t\n```", "", "")] * 3
    model = ModelConfig(name="pocket", pocket={"vocab_size": 120})
    return tokenizer_of(model, "marks", rows, tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
def t5(shared: Path):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(shared / "models/t5-small")


@given(st.text(max_size=30), st.integers(2, 40))
@settings(max_examples=200, deadline=None)
def test_within_the_window_all_comes_back_and_beyond_it_the_start_stays(tokenizer, text, window):
    wide, narrow = Text(tokenizer, MARKS, 10_000, 10_000), Text(tokenizer, MARKS, window, 10_000)
    [whole] = wide.targets([text])
    assert wide.text(whole) == text
    assert wide.sources([text]) == narrow.targets([text]) == wide.ids([text]) == [whole]
    [ids] = narrow.sources([text])
    assert ids[-1] == tokenizer.eos_token_id
    assert ids[:-1] == whole[: min(window, len(whole)) - 1]


def test_the_cut_is_the_tokenizers_own(tokenizer):
    text = MARKS.encode("```sql\nSELECT a FROM t WHERE b <= 5\n```")
    for length in range(2, 40):
        theirs = tokenizer(text, truncation=True, max_length=length).input_ids
        assert cut(tokenizer, tokenizer(text).input_ids, length) == theirs


def test_many_are_as_one_by_one(tokenizer):
    text = Text(tokenizer, MARKS, 12, 9)
    prompts = [f"row {n}: a <= {n} in\n{{t}}" for n in range(1500)]  # more than one batch
    many = text.sources(prompts)
    assert many[:30] == [text.sources([prompt])[0] for prompt in prompts[:30]]
    assert len(many) == 1500
    assert many[-1] == text.sources(prompts[-1:])[0]


def test_each_side_has_its_own_window(tokenizer):
    text = Text(tokenizer, MARKS, 8, 4)
    assert [len(ids) for ids in text.sources(["SELECT a FROM t WHERE a = 5"])] == [8]
    assert [len(ids) for ids in text.targets(["SELECT a FROM t WHERE a = 5"])] == [4]


def test_a_window_without_room_is_refused(tokenizer):
    with pytest.raises(UserError, match="window of 1 token"):
        Text(tokenizer, MARKS, 1, 8).sources(["a long source"])


def test_nothing_gives_nothing(tokenizer):
    assert Text(tokenizer, MARKS, 8, 8).sources([]) == Text(tokenizer, MARKS, 8, 8).ids([]) == []


hostile = st.lists(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from(
            [
                *" \t\n\r\v\f\x1c\x1f\x85\xa0\u2028\u3000\u200b\u0301\u0307▁<【½",
                "</s>",
                "<extra_id_0>",
                "<pad>",
                "SELECT",
                "``",
            ]
        ),
    )
).map("".join)


@given(st.lists(hostile, min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_word_by_word_gives_the_tokenizers_own_ids(tokenizer, texts):
    assert token_ids(tokenizer, texts) == tokenizer(texts).input_ids


@given(st.lists(hostile, min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_word_by_word_gives_t5s_own_ids(t5, texts):
    assert token_ids(t5, texts) == t5(texts).input_ids


@pytest.mark.parametrize("by_words", [True, False])
def test_other_tokenizers_are_asked_for_whole_texts(tokenizer, by_words):
    from tokenizers.pre_tokenizers import Metaspace, Sequence, WhitespaceSplit

    other = copy.deepcopy(tokenizer)
    first = Metaspace(prepend_scheme="first")  # only a text's first word is marked as one
    other.backend_tokenizer.pre_tokenizer = Sequence([WhitespaceSplit(), first]) if by_words else first
    texts = ["SELECT a  FROM t", "how many\nof t?"]
    assert token_ids(other, texts) == other(texts).input_ids != tokenizer(texts).input_ids
