"""Answers as models' tokens spell them: what the factory wrote is accepted, and what is accepted can be read."""

import random

import pytest
import sqlglot
import torch
from making import configured
from test_causal_lm import tokenizer as byte_level

from macsql.agents import decomposer, refiner, selector
from macsql.config import GenerationConfig, ModelConfig
from macsql.constraints.guides import Guides, choose, for_examples
from macsql.database.sandbox import Sandbox
from macsql.errors import UserError
from macsql.models.codecs import codec
from macsql.models.text import Text
from macsql.records import Example
from macsql.spelling.processor import Alphabet, Constrained
from macsql.spelling.reader import Guide

QUESTION = "Which ships of Oststeg sailed in fog?"
SQL = (
    "SELECT T1.name FROM vessel AS T1 JOIN crossing AS T2 ON T1.vessel_id = T2.vessel_id WHERE T2.weather = 'fog' "
    "AND T2.delay <= 5 AND T1.name != 'Oststeg'"
)
STEPS = [decomposer.Step("Which ships sailed in fog?", "SELECT vessel_id FROM crossing WHERE weather = 'fog'")]
STEPS.append(decomposer.Step(QUESTION, SQL))
TOKENIZERS = ("pocket", "t5", "bytes")
WRITING = [*((kind, name) for kind in TOKENIZERS[:2] for name in ("marks", "tokens")), ("bytes", "verbatim")]


def answers(schema, style: str) -> dict[str, tuple[str, str]]:
    """What -> the agent and an answer of this style."""
    kept = selector.Selection(True, {table.name: "drop_all" for table in schema.tables} | {"vessel": ("name", "seats")})
    return {
        "selector": ("selector", selector.write(kept, schema, style)),
        "one step": ("decomposer", decomposer.write(STEPS[1:], style)),
        "steps": ("decomposer", decomposer.write(STEPS, style)),
        "refiner": ("refiner", refiner.write(SQL)),
    }


@pytest.fixture(scope="module")
def spelt(tmp_path_factory, schema, request):
    """A function (tokenizer, codec) that gives how a model with both reads and writes."""
    made: dict[tuple[str, str], Text] = {}

    def of(kind: str, name: str) -> Text:
        from macsql.models.families import text_of

        if (kind, name) not in made:
            if kind == "bytes":
                made[kind, name] = Text(byte_level(), codec(name), 512, 512)
                return made[kind, name]
            if kind == "t5":
                model = ModelConfig(name="t5", path=str(request.getfixturevalue("shared") / "models" / "t5-small"))
            else:
                model = ModelConfig(name="pocket", pocket={"vocab_size": 600})
            rows = [
                Example(f"{n}", agent, "q", "ferries", QUESTION, answer, QUESTION, SQL)
                for n, (agent, answer) in enumerate(answers(schema, "brief").values())
            ]
            made[kind, name] = text_of(configured(model, name, tmp_path_factory.mktemp("spelt")), rows)
        return made[kind, name]

    return of


def accepted(text: Text, reader, ids: list[int]) -> bool:
    alphabet = Alphabet(text.tokenizer, text.codec.texts, text.tokenizer.eos_token_id)
    written = alphabet.spelling.begin(reader)
    for token in ids:
        if token != alphabet.end:
            written = alphabet.after(reader, written, token)
            if written is None:
                return False
    return alphabet.spelling.complete(reader, written)


@pytest.mark.parametrize("style", ["brief", "mac_sql"])
@pytest.mark.parametrize(("kind", "name"), WRITING)
def test_what_agents_should_write_is_accepted(spelt, schema, kind, name, style):
    text = spelt(kind, name)
    guides = Guides(text, style, GenerationConfig(constrained=True))
    assert guides.lost == ""
    for what, (agent, answer) in answers(schema, style).items():
        reader = guides.reader(agent, f"{QUESTION} fog", schema)
        assert accepted(text, reader, text.ids([answer])[0]), (what, answer)
        assert not accepted(text, reader, text.ids([answer[:-5]])[0]), (what, "cut off")
        assert not accepted(text, reader, text.ids([answer.replace("name", "nome")])[0]), (what, "an unknown name")


@pytest.mark.parametrize("kind", TOKENIZERS[:2])
def test_what_a_tokenizer_cannot_write_is_left_out_of_the_layout(spelt, schema, kind):
    """T5 loses braces, fences and line breaks, as the poster's answers did."""
    text = spelt(kind, "verbatim")
    guides = Guides(text, "brief", GenerationConfig(constrained=True))
    assert guides.lost == "`{}"
    for agent, answer in (
        ("decomposer", decomposer.write(STEPS[:1], "brief")),
        ("refiner", refiner.write(STEPS[0].sql)),
    ):
        ids = [token for token in text.ids([answer])[0] if token != text.tokenizer.unk_token_id]
        assert accepted(text, guides.reader(agent, f"{QUESTION} fog", schema), ids), text.text(ids)


@pytest.mark.parametrize(("kind", "name"), [("pocket", "marks"), ("pocket", "tokens"), ("bytes", "verbatim")])
def test_tokens_drawn_at_random_among_those_allowed_can_be_read(spelt, schema, kind, name):
    """The text that the reader has seen is the text that the tokenizer and the codec give."""
    text = spelt(kind, name)
    alphabet = Alphabet(text.tokenizer, text.codec.texts, text.tokenizer.eos_token_id)
    reader = Guides(text, "brief", GenerationConfig(constrained=True)).reader("selector", QUESTION, schema)
    for seed in range(10):
        dice, written, ids = random.Random(seed), alphabet.spelling.begin(reader), []
        while not alphabet.spelling.complete(reader, written):
            ways = list(alphabet.pieces.acceptable(alphabet.spelling, reader, written))
            assert ways, text.text(ids)
            ids.append(dice.choice(ways))
            written = alphabet.after(reader, written, ids[-1])
            assert len(ids) < 2000
        selection = selector.parse(text.text(ids))
        assert selection.readable, text.text(ids)
        assert set(selection.tables) == {table.name for table in schema.tables}


def drawn(text: Text, reader, most: int, seed: int, sure: float = 1.0) -> list[int]:
    """What scores drawn at random, with this deviation, write within a limit."""
    alphabet = Alphabet(text.tokenizer, text.codec.texts, text.tokenizer.eos_token_id)
    constrained = Constrained(alphabet, [reader], 1, 0, most)
    dice = torch.Generator().manual_seed(seed)
    ids: list[int] = []
    while len(ids) < most and alphabet.end not in ids:
        scores = torch.randn(1, len(text.tokenizer), generator=dice) * sure
        scores[0, alphabet.end] -= 10  # else answers of chance are short
        ids.append(int(constrained(torch.tensor([ids], dtype=torch.long), scores)[0].argmax()))
    return ids


@pytest.mark.parametrize("what", ["selector", "one step", "steps", "refiner"])
@pytest.mark.parametrize(("kind", "name"), [("pocket", "marks"), ("pocket", "tokens"), ("bytes", "verbatim")])
def test_an_answer_ends_before_the_limit_whatever_the_scores(spelt, schema, kind, name, what):
    """With as many tokens as the shortest answer has, or more: SQL that parses, or all of a Selector's decisions."""
    text = spelt(kind, name)
    agent = answers(schema, "brief")[what][0]
    style = "mac_sql" if what == "steps" else "brief"
    reader = Guides(text, style, GenerationConfig(constrained=True)).reader(agent, QUESTION, schema)
    alphabet = Alphabet(text.tokenizer, text.codec.texts, text.tokenizer.eos_token_id)
    least = len(alphabet.endings.path(reader, alphabet.spelling.begin(reader))) + 1
    for seed, most in enumerate((least, least + 1, least + 7, least + 30, least + 90)):
        ids = drawn(text, reader, most, seed)
        wrote = text.text(ids)
        assert ids[-1] == alphabet.end, (most, wrote)
        if agent == "selector":
            assert set(selector.parse(wrote).tables) == {table.name for table in schema.tables}, wrote
        else:
            sql = (decomposer if agent == "decomposer" else refiner).parse(wrote).sql
            assert sql is not None, wrote
            sqlglot.parse_one(sql, read="sqlite")


def test_a_network_that_finds_no_way_is_ended_early(spelt, schema):
    """What it wants is refused again and again; the same scores, but so faint that nothing is wanted, wander on."""
    text = spelt("pocket", "marks")
    reader = Guides(text, "brief", GenerationConfig(constrained=True)).reader("refiner", QUESTION, schema)
    lengths = [[len(drawn(text, reader, 160, seed, sure)) for seed in range(4)] for sure in (0.01, 30.0)]
    assert max(lengths[1]) < min(lengths[0]), lengths


def test_tokens_that_were_refused_are_counted(spelt, schema):
    text = spelt("pocket", "marks")
    reader = Guides(text, "brief", GenerationConfig(constrained=True)).reader("refiner", QUESTION, schema)
    alphabet = Alphabet(text.tokenizer, text.codec.texts, text.tokenizer.eos_token_id)
    constrained, dice = Constrained(alphabet, [reader], 1, 0, 60), torch.Generator().manual_seed(1)
    ids, refused = [], 0
    while alphabet.end not in ids:
        scores = torch.randn(1, len(text.tokenizer), generator=dice)
        if len(ids) < 4:  # nothing is refused that the answer begins with
            scores[0, text.ids([refiner.write(SQL)])[0][len(ids)]] = 9.0
        wanted = int(scores.argmax())
        ids.append(int(constrained(torch.tensor([ids], dtype=torch.long), scores)[0].argmax()))
        refused += ids[-1] != wanted
    assert constrained.overruled(0, ids) == refused > 0


def test_the_first_beam_that_gives_rows_is_taken(ferries, sandbox):
    nothing = "SELECT name FROM vessel WHERE name = 'nobody'"
    assert choose([None, "SELECT nme FROM vessel", nothing, "SELECT name FROM vessel"], ferries.path, sandbox) == 3
    assert choose(["SELECT nme FROM vessel", nothing], ferries.path, sandbox) == 1
    assert choose([None, "SELECT nme FROM vessel"], ferries.path, sandbox) == 0
    assert choose(["DELETE FROM vessel", "SELECT name FROM vessel"], ferries.path, sandbox) == 1


def test_guides_need_the_database(spelt, ferries):
    row = Example("1", "refiner", "q", "elsewhere", QUESTION, SQL, QUESTION, SQL)
    text = spelt("bytes", "verbatim")
    assert for_examples(Guides(text, "brief", GenerationConfig()), [row], {}) is None
    with pytest.raises(UserError, match="'elsewhere'"):
        for_examples(Guides(text, "brief", GenerationConfig(constrained=True)), [row], {"ferries": ferries})


def test_a_selector_has_no_beam_to_choose(spelt, schema, ferries, sandbox: Sandbox):
    guides = Guides(spelt("bytes", "verbatim"), "brief", GenerationConfig(num_beams=2, guided=True), sandbox)
    assert guides.guide("selector", QUESTION, schema, ferries.path) == Guide()
    assert guides.guide("refiner", QUESTION, schema, ferries.path).choose is not None
