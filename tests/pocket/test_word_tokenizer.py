"""The base's tokenizer gives back any text to the letter, and a word is the same pieces wherever it stands."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from macsql.models.codecs import codec
from macsql.models.text import Text
from macsql.pocket import word_tokenizer

TEXTS = [
    "decompose: Show names of singers older than 35 in New York. | schema: singer: singer_id, name, City('New York'",
    "```sql\nSELECT T1.name FROM singer AS T1 JOIN concert AS T2 ON T1.id = T2.id WHERE T2.City = 'New York'\n```",
    '```json\n{"singer": "keep_all", "concert": "drop_all", "hall": ["name", "seats taken"], "t": "drop_all"}\n```',
    "Sub question 1: How old?\nSQL\n```sql\nSELECT avg(age) FROM t\n```\n\nSub question 2: Who?\nSQL\n```sql\n"
    "SELECT 1\n```\n\nQuestion Solved.",
]
HARD = [
    "a  b\t c `x` {~^\\} 【é】日本 😀 O'Neil's  \n\n ends ",
    "  lead",
    "firstName HTMLPage iPhone McDonald IDs A ABc aBCd T1 T12 T1x x1y2",
    "a_b_ID A_b Country_Of_Origin _x 007 3.50 -1",
    "a <= 5 AND b != 'it''s' OR c >= 7",
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    word_tokenizer.train(TEXTS * 20, 900).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(str(folder))  # what is saved is what reads


def back(tokenizer, text):
    return tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True)


@pytest.mark.parametrize("text", [*TEXTS, *HARD])
def test_text_comes_back_to_the_letter(tokenizer, text):
    assert back(tokenizer, text) == text


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("aAbBtTzZ019 _.,;:'\"`\n{}()=<>|é"), max_size=25))
def test_any_text_comes_back_to_the_letter(tokenizer, text):
    assert back(tokenizer, text) == text


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="▁‿⇧\x00"), max_size=15))
def test_any_character_does(tokenizer, text):
    assert back(tokenizer, text) == text


def test_a_word_is_the_same_pieces_behind_a_space_a_dot_and_a_capital_letter(tokenizer):
    def pieces(text):
        return tokenizer.convert_ids_to_tokens(tokenizer(text, add_special_tokens=False).input_ids)

    word = pieces("concert")
    for text in ("the concert", "T1.concert", "('concert", "first_concert", "firstConcert", "Concert"):
        assert pieces(text)[-len(word) :] == word, text


def test_fixed_phrases_of_answers_are_single_pieces(tokenizer):
    text = '```json\n{"singer": "keep_all", "concert": "drop_all"}\n```'
    names = len(tokenizer("singer concert", add_special_tokens=False).input_ids)
    assert len(tokenizer(text).input_ids) == names + 4  # opening, between, closing, end of sequence


def test_no_answer_is_lost_without_a_codec(tokenizer):
    text = Text(tokenizer, codec("verbatim"), 512, 256)
    for answer in TEXTS[1:]:
        assert text.text(text.targets([answer])[0]) == answer


def test_the_same_texts_give_the_same_tokenizer(tokenizer):
    again = word_tokenizer.train(TEXTS * 20, 900)
    assert again.get_vocab() == tokenizer.get_vocab()
