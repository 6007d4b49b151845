"""Every text comes back from the codecs, through tokenizers that cannot represent it."""

import copy
import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from making import tokenizer_of

from macsql.config import ModelConfig
from macsql.errors import UserError
from macsql.models.codecs import ALPHABET, MARKS, Codec, codec, extend
from macsql.records import Example

REVERSIBLE = ("marks", "tokens")
ANSWERS = (
    '```json\n{"flights": "keep_all", "airports": "drop_all", "airlines": ["id", "full name"]}\n```',
    '```json\n{\n  "flights": "keep_all",\n  "airlines": [\n    "id",\n    "name"\n  ]\n}\n```',
    "```sql\nSELECT a FROM t WHERE a <= 5 AND b <> 'm''s' AND c < 1 OR d>=2 AND `e f`.`g` = ''\n```",
    "Sub question 1: How many are there?\nSQL\n```sql\nSELECT count(*) FROM t\n```\n\n"
    'Sub question 2: Who isn\'t?\nSQL\n```sql\nSELECT x ,  y FROM t AS T1 WHERE z  =  "q"\n```\n\nQuestion Solved.',
)
# What tokenizers, their decoders and careless codecs trip over, alone and next to each other.
FRAGMENTS = (
    *"abnstmx @'\"`<>{}~^\\|&.,?!\n\t\r\0_015【】▁",
    *("  ", "   ", " '", "''", "n't", "'m", "'s", "'ve", "'re", " ' ", "@le", "@x3c", "@@", "```", "```sql\n", "\n```"),
    *(
        "<extra_id_0>",
        "</s>",
        "<pad>",
        "<unk>",
        "<le>",
        "<line>",
        "\r\n",
        "é",
        "e\u0301",
        "ﬁ",
        "½",
        "😀",
        "\u200b",
        "\u3000",
    ),
    *MARKS,
)
texts = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=40), st.lists(st.sampled_from(FRAGMENTS)).map("".join)
)


@pytest.fixture(scope="module")
def t5(shared: Path):
    from transformers import AutoTokenizer

    return {name: with_tokens(AutoTokenizer.from_pretrained(shared / "models/t5-small"), name) for name in REVERSIBLE}


def with_tokens(tokenizer, name: str):
    extend(tokenizer, codec(name))
    return tokenizer


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory):
    """Tokenizers of a few hundred pieces, trained on a handful of answers as the codec writes them."""
    rows = [Example(str(n), "decomposer", "q", "d", f"{n} of t?", text, "", "") for n, text in enumerate(ANSWERS * 9)]
    model = ModelConfig(name="pocket", pocket={"vocab_size": 300})
    folder = tmp_path_factory.mktemp("state")
    return {name: tokenizer_of(model, name, rows, folder) for name in REVERSIBLE}


def through(tokenizer, known: Codec, text: str) -> str:
    ids = tokenizer(known.encode(text)).input_ids
    assert tokenizer.unk_token_id not in ids
    return known.decode(tokenizer.decode(ids, skip_special_tokens=True))


@given(texts)
@example("".join(FRAGMENTS))
@settings(max_examples=200, deadline=None)
def test_every_text_comes_back(text):
    for name in ("verbatim", *REVERSIBLE):
        assert codec(name).decode(codec(name).encode(text)) == text


@given(texts)
@settings(max_examples=200, deadline=None)
def test_marks_writes_nothing_but_words_of_the_alphabet(text):
    encoded = codec("marks").encode(text)
    assert set(encoded) <= {" ", *ALPHABET}
    assert encoded == " ".join(encoded.split())


@pytest.mark.parametrize("name", REVERSIBLE)
@given(text=texts)
@example(text="= '' AND b = '''x' y")
@example(text="`a` . `b` 's n't ` 'm")
@settings(max_examples=200, deadline=None)
def test_every_text_comes_back_through_t5(t5, name, text):
    assert through(t5[name], codec(name), text) == text


@pytest.mark.parametrize("name", REVERSIBLE)
@given(text=texts)
@settings(max_examples=200, deadline=None)
def test_every_text_comes_back_through_a_pocket_tokenizer(pocket, name, text):
    assert through(pocket[name], codec(name), text) == text


@pytest.mark.parametrize("name", REVERSIBLE)
def test_every_spider_and_geoquery_text_comes_back_through_t5(t5, shared, name):
    rows = [
        row for part in ("train_spider", "dev") for row in json.loads((shared / f"data/spider/{part}.json").read_text())
    ]
    entries = json.loads((shared / "data/geoquery/geography.json").read_text())
    texts = [row[key] for row in rows for key in ("query", "question")]
    texts += [sql for entry in entries for sql in entry["sql"]] + [s["text"] for e in entries for s in e["sentences"]]
    texts = sorted(set(texts))
    known = codec(name)
    ids = t5[name]([known.encode(text) for text in texts]).input_ids
    back = [known.decode(text) for text in t5[name].batch_decode(ids, skip_special_tokens=True)]
    assert [text for text, decoded in zip(texts, back, strict=True) if text != decoded] == []
    assert len(texts) > 10_000


def test_verbatim_loses_what_t5_cannot_write(t5):
    tokenizer = t5["marks"]
    back = tokenizer.decode(tokenizer("```sql\na <= 5\n```").input_ids, skip_special_tokens=True)
    assert back.split() == ["sql", "a", "=", "5"]


@pytest.mark.parametrize(
    ("text", "marks", "tokens"),
    [
        ("a <= 5", "a @le 5", "a <le> 5"),
        ("a<=5", "a @lt =5", "a < =5"),
        ("```sql\nSELECT a FROM t\n```", "@code SELECT a FROM t @end", "<code> SELECT a FROM t <end>"),
        ('```json\n{"t": "keep_all"}\n```', "@list t @all @stop", "<list> t <all> <stop>"),
        ("x ~ é@", "x @space @about @space @xe9 @at", "x <space> ~ <space> @xe9 @at"),
        ("plain text, with marks?", "plain text, with marks?", "plain text, with marks?"),
        (" ", "@space", "<space>"),
        ("", "", ""),
    ],
)
def test_spelling(text, marks, tokens):
    assert (codec("marks").encode(text), codec("tokens").encode(text)) == (marks, tokens)


@pytest.mark.parametrize(
    "written", ["@", "@nothing", "@x", "@x110000", "@xfffffff", "a@", "@lead", "@le", "<le", "  @le@x"]
)
def test_decode_takes_whatever_a_model_writes(written):
    for name in REVERSIBLE:
        assert isinstance(codec(name).decode(written), str)
    assert codec("marks").decode("@nothing @x110000") == "@nothing @x110000"


def test_mark_names_cannot_be_mistaken():
    assert len(set(MARKS.values())) == len(MARKS)
    assert all(re.fullmatch("[a-z]+", name) and not re.fullmatch("x[0-9a-f]+", name) for name in MARKS.values())
    assert not {"s", "pad", "unk"} & set(MARKS.values())  # as tokens they would be T5's own


def test_answers_take_fewer_tokens_than_verbatim(t5):
    def length(name: str) -> int:
        return sum(len(ids) for ids in t5[name]([codec(name).encode(text) for text in ANSWERS]).input_ids)

    verbatim = sum(len(ids) for ids in t5["marks"](list(ANSWERS)).input_ids)
    assert length("tokens") < length("marks") < verbatim


def test_missing_symbols_become_tokens():
    assert set("{}<`~^\\【】") <= set(codec("tokens").added_tokens)
    assert codec("marks").added_tokens == ()


def test_unknown_codec_is_refused_with_the_names_there_are():
    with pytest.raises(UserError, match=r"'morse'.*verbatim, marks, tokens"):
        codec("morse")


@pytest.mark.parametrize("tied", [True, False])
def test_extend_gives_each_new_token_a_row_and_leaves_trained_rows_alone(pocket, tied):
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer, tokens = copy.deepcopy(pocket["marks"]), codec("tokens")
    old = len(tokenizer)
    sizes = {"d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 1, "num_heads": 2}
    model = T5ForConditionalGeneration(T5Config(vocab_size=old, tie_word_embeddings=tied, **sizes))
    layers = (model.get_input_embeddings, model.get_output_embeddings)
    before = [layer().weight[:old].clone() for layer in layers]

    assert extend(tokenizer, tokens, model) == len(tokens.added_tokens)
    new = tokenizer.convert_tokens_to_ids("<less>")
    pieces = tokenizer("less", add_special_tokens=False).input_ids
    for layer, weight in zip(layers, before, strict=True):
        assert layer().weight.shape[0] >= len(tokenizer)
        assert layer().weight[:old].equal(weight)
        assert layer().weight[new].allclose(weight[pieces].mean(dim=0))

    with torch.no_grad():
        model.get_input_embeddings().weight[new] = 7.0  # as training would
    assert extend(tokenizer, tokens, model) == 0
    assert model.get_input_embeddings().weight[new].eq(7.0).all()
