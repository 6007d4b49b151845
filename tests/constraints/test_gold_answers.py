"""Gold answers as each tokenizer spells them: every token may come at its step, and the end at the end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import configured
from test_causal_lm import tokenizer as byte_level
from transformers import AutoTokenizer

from macsql.agents import decomposer, refiner, selector
from macsql.config import AgentsConfig, DataConfig, GenerationConfig, ModelConfig
from macsql.constraints.guides import Guides, for_examples
from macsql.database.schema import Column, Schema, Table, identifier
from macsql.factory.prepared import prepare
from macsql.models.codecs import codec
from macsql.models.families import load, text_of
from macsql.models.text import Text
from macsql.places import REPO
from macsql.spelling.processor import Alphabet
from macsql.spelling.runs import Run, spoken

SHIPPED = REPO / "macsql" / "weights" / "pocket_base"
WAYS = [("words", "verbatim"), ("words", "marks"), ("bytes", "verbatim"), ("pocket", "marks"), ("pocket", "tokens")]
NAMES = ["name", "Name", "firstName", "HTML_Page", "LName", "id", "ID", "PetID", "has_Pet", "t", "T1x", "x2", "_x"]
NAMES += ["Of", "a_B_c", "café", "Éa Ö", "order", "2nd_of", "lower(x)"]
VALUES = ["New York", "McDonald", "fog", "O'Neil", "2014-01-01", "USA", "a B c", "%iPhone%", "Zoë 12b", "-", "T1"]


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """Prompt style -> (rows of the three agents, databases)."""
    made = {}
    for style in ("brief", "mac_sql"):
        config = configured(ModelConfig(), "verbatim", tmp_path_factory.mktemp(style))
        config.agents = AgentsConfig(style=style)
        config.data = DataConfig(format="pocket", questions=16, databases=4)
        prepared = prepare(config)
        made[style] = ([*prepared.examples("train"), *prepared.examples("test")], prepared.databases)
    return made


@pytest.fixture(scope="module")
def shipped():
    return AutoTokenizer.from_pretrained(str(SHIPPED))


@pytest.fixture(scope="module")
def spelt(tmp_path_factory, examples, shipped):
    """A function (kind of tokenizer, codec) that gives how a model with both reads and writes."""

    def of(kind: str, name: str) -> Text:
        if kind == "words":
            return Text(shipped, codec(name), 512, 512)
        if kind == "bytes":
            return Text(byte_level(), codec(name), 512, 512)
        model = ModelConfig(name="pocket", pocket={"vocab_size": 900})
        return text_of(configured(model, name, tmp_path_factory.mktemp("spelt")), examples["brief"][0])

    return of


def alphabet_of(text: Text) -> Alphabet:
    return Alphabet(text.tokenizer, text.codec.texts, text.tokenizer.eos_token_id)


def refused(text: Text, alphabet: Alphabet, reader, answer: str) -> str | None:
    """What stands before the first token that may not come at its step; None: all may, and the end then."""
    ids = [token for token in text.ids([answer])[0] if token != alphabet.end]
    written = alphabet.spelling.begin(reader)
    for place, token in enumerate(ids):
        after = alphabet.after(reader, written, token)
        if after is None:
            return text.text(ids[:place])
        written = after
    return None if alphabet.spelling.complete(reader, written) else answer


@pytest.mark.parametrize("style", ["brief", "mac_sql"])
@pytest.mark.parametrize(("kind", "name"), WAYS)
def test_every_token_of_a_gold_answer_may_come_at_its_step(examples, spelt, kind, name, style):
    rows, databases = examples[style]
    assert {row.agent for row in rows} == {"selector", "decomposer", "refiner"}
    text = spelt(kind, name)
    alphabet = alphabet_of(text)
    guides = Guides(text, style, GenerationConfig(constrained=True))
    for row in rows:
        reader = guides.reader(row.agent, row.source, databases[row.db_id].schema)
        assert refused(text, alphabet, reader, row.target) is None, (row.agent, row.target)


def test_a_legal_answer_of_the_shipped_model_is_left_as_it_is(examples):
    rows, databases = examples["brief"]
    rows = [*rows[:9], *rows[-9:]]
    model = load(SHIPPED)
    alphabet = alphabet_of(model.text)
    free, bound = (GenerationConfig(constrained=on, batch_size=9, max_new_tokens=80) for on in (False, True))
    guides = for_examples(Guides(model.text, "brief", bound), rows, databases)
    prompts = [row.source for row in rows]
    legal = 0
    for greedy, guide, constrained in zip(
        model.answer(prompts, free), guides, model.answer(prompts, bound, guides=guides), strict=True
    ):
        assert refused(model.text, alphabet, guide.reader, constrained.text) is None, constrained.text
        if refused(model.text, alphabet, guide.reader, greedy.text) is None:
            legal += 1
            assert constrained.text == greedy.text
    assert legal > len(rows) / 3


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_answers_with_any_names_and_values_may_be_written(shipped, data):
    table, *names = data.draw(st.lists(st.sampled_from(NAMES), min_size=4, max_size=4, unique_by=str.lower))
    value = data.draw(st.sampled_from(VALUES))
    schema = Schema("made", (Table(table, tuple(Column(name, "TEXT") for name in names)),))
    first, second, third = map(identifier, names)
    where = f"WHERE T1.{second} = '{value.replace(chr(39), chr(39) * 2)}' OR {third} >= 10.5"
    sql = f"SELECT T1.{first}, count(*) FROM {identifier(table)} AS T1 {where} GROUP BY T1.{first} LIMIT 3"
    steps = [
        decomposer.Step(f"Who has a {second}?", f"SELECT {second} FROM {identifier(table)}"),
        decomposer.Step("", sql),
    ]
    kept = selector.Selection(True, {table: (names[0], names[2])})
    text = Text(shipped, codec("verbatim"), 512, 512)
    alphabet = alphabet_of(text)
    guides = Guides(text, "brief", GenerationConfig(constrained=True))
    for agent, answer in {
        "selector": selector.write(kept, schema, "brief"),
        "decomposer": decomposer.write(steps[1:], "brief"),
        "refiner": refiner.write(sql),
    }.items():
        reader = guides.reader(agent, f"Which of {value}?", schema)
        assert refused(text, alphabet, reader, answer) is None, answer


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_pieces_are_read_as_the_tokenizer_decodes_them(shipped, data):
    names = shipped.convert_ids_to_tokens(list(range(len(shipped))))
    marks = [names.index(mark) for mark in ("▁", "‿", "⇧", "⇧▁t1", "‿⇧")]
    usual = [n for n, name in enumerate(names) if not name.startswith("<0x") and n not in shipped.all_special_ids]
    ids = data.draw(st.lists(st.sampled_from(marks) | st.sampled_from(usual), max_size=12))
    run, text = Run(), ""
    for index in ids:
        more, run = spoken(run, names[index])
        text += more
    assert text == shipped.decode(ids)


@pytest.mark.parametrize("mark", ["▁", "‿", "⇧"])
def test_marks_that_spell_nothing_come_to_an_end(shipped, mark):
    """A network that writes one after the other would spend all its tokens on them."""
    text = Text(shipped, codec("verbatim"), 512, 512)
    alphabet = alphabet_of(text)
    schema = Schema("made", (Table("name", (Column("Id", "TEXT"),)),))
    reader = Guides(text, "brief", GenerationConfig(constrained=True)).reader("refiner", "Which?", schema)
    token = shipped.convert_tokens_to_ids(mark)
    for begun in ("```sql\nSELECT ", "```sql\nSELECT T1.", "```sql\nSELECT Id FROM name"):
        written = alphabet.spelling.begin(reader)
        for index in text.ids([begun])[0][:-1]:
            written = alphabet.after(reader, written, index)
            assert written is not None
        count = 0
        while written is not None and count < 20:
            written, count = alphabet.after(reader, written, token), count + 1
        assert count < 7, begun
