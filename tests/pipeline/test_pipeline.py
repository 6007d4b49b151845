"""The three agents end to end, with the gold SQL, nobody or a scripted model in the seats."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from macsql.agents import decomposer, refiner, selector
from macsql.config import AgentsConfig, DataConfig, GenerationConfig
from macsql.corpora import read
from macsql.database.sandbox import Sandbox, Status
from macsql.database.schema import Column, Database, Schema, Table
from macsql.factory.examples import make_examples
from macsql.models.card import Card
from macsql.models.model import Answer
from macsql.pipeline.pipeline import Pipeline, Rules, is_small
from macsql.pipeline.seats import ModelSeat, Nobody, Oracle
from macsql.pipeline.turns import Ending
from macsql.protocols.rows import columns_match
from macsql.records import AGENTS, Question

CARD = Card("encoder-decoder", "brief", "verbatim", 512, 256, "auto", ("selector", "decomposer", "refiner"), "", "")
GREEDY = GenerationConfig(batch_size=2)


class Words:
    """Tokens are words."""

    def ids(self, texts):
        return [text.split() for text in texts]


class Scripted:
    """A model that writes what a table says for the first words of a prompt, and remembers what it was asked."""

    text = Words()

    def __init__(self, *script: tuple[str, str], card: Card = CARD) -> None:
        self.card, self.script, self.asked = card, script, []

    def answer(self, prompts: Sequence[str], generation: GenerationConfig, *_, **__) -> list[Answer]:
        assert len(prompts) <= generation.batch_size
        self.asked.append(list(prompts))
        texts = [next((text for start, text in self.script if start in prompt), "") for prompt in prompts]
        return [Answer(text, text.removesuffix("<cut>"), text.endswith("<cut>"), 1) for text in texts]


def seated(model: Scripted) -> ModelSeat:
    return ModelSeat("scripted", model, GREEDY)


def question(text: str, gold: str = "", db_id: str = "ferries", number: int = 0) -> Question:
    return Question(f"q/{number}", db_id, text, gold)


def ask(ferries, sandbox, script, *questions, rules=None, **others):
    model = Scripted(*script)
    seats = {agent: seated(model) for agent in ("selector", "decomposer", "refiner")} | others
    return Pipeline(seats, sandbox, rules).answer(questions, {"ferries": ferries}), model


def test_the_gold_sql_in_all_seats_gives_the_rows_of_gold(tmp_path):
    """Whatever the corpus: gold that runs is answered with its own rows."""
    corpus = read(DataConfig(format="pocket", questions=3), tmp_path)
    with Sandbox() as sandbox:
        oracle = Oracle()
        pipeline = Pipeline({"selector": oracle, "decomposer": oracle, "refiner": oracle}, sandbox)
        answers = pipeline.answer(corpus.questions, corpus.databases)
        assert [one.question for one in answers] == list(corpus.questions)
        for one in answers:
            gold = sandbox.run(corpus.databases[one.question.db_id].path, one.question.sql)
            assert gold.ok
            assert one.chosen.outcome.ok
            assert columns_match(gold.rows, one.chosen.outcome.rows, ordered=True)


def test_the_oracle_is_right_on_geoquery(shared: Path):
    corpus = read(DataConfig(format="text2sql", root=str(shared / "data" / "geoquery")), Path("unused"))
    asked = corpus.of("eval")
    assert len(asked) > 40
    with Sandbox() as sandbox:
        oracle = Oracle()
        pipeline = Pipeline({"selector": oracle, "decomposer": oracle, "refiner": oracle}, sandbox)
        for one in pipeline.answer(asked, corpus.databases):
            gold = sandbox.run(corpus.databases[one.question.db_id].path, one.question.sql)
            assert one.chosen.outcome.ok == gold.ok
            assert one.chosen.outcome.rows == gold.rows
            assert one.selected.turn.ending in (Ending.ANSWERED, Ending.SKIPPED)


def test_nobody_in_all_seats_drops_no_question(ferries, sandbox):
    nobody = Nobody()
    seats = {"selector": nobody, "decomposer": nobody, "refiner": nobody}
    asked = [question("one", number=1), question("two", db_id="absent", number=2), question("three", number=3)]
    first, second, third = Pipeline(seats, sandbox).answer(asked, {"ferries": ferries})
    assert [one.question.id for one in (first, second, third)] == ["q/1", "q/2", "q/3"]
    assert first.sql is None
    assert first.selected.schema == ferries.schema
    assert [turn.ending for turn in first.turns] == [Ending.SKIPPED, Ending.EMPTY]
    assert second.problem == "there is no database 'absent'"
    assert second.turns == ()


def test_the_selectors_choice_is_what_the_others_see(ferries, sandbox):
    kept = '```json\n{"vessel": "keep_all", "crossing": "drop_all"}\n```'
    script = [("select:", kept), ("decompose:", "```sql\nSELECT name FROM vessel\n```")]
    [one], model = ask(ferries, sandbox, script, question("names of ships"), rules=Rules(skip_small=False))
    assert one.selected.turn.ending is Ending.ANSWERED
    assert one.selected.schema == selector.apply(selector.parse(kept), ferries.schema)
    assert len(one.selected.schema.by_name["crossing"].columns) < len(ferries.schema.by_name["crossing"].columns)
    assert one.sql == "SELECT name FROM vessel"
    assert one.chosen.outcome.ok
    assert len(model.asked) == 2


@pytest.mark.parametrize(("wrote", "ending"), [("nonsense", Ending.UNREADABLE), ('{"a<cut>', Ending.TRUNCATED)])
def test_an_unreadable_selection_keeps_everything_and_is_told(ferries, sandbox, wrote, ending):
    script = [("select:", wrote), ("decompose:", "```sql\nSELECT 1\n```")]
    [one], _ = ask(ferries, sandbox, script, question("?"), rules=Rules(skip_small=False))
    assert (one.selected.turn.ending, one.selected.schema) == (ending, ferries.schema)


@pytest.mark.parametrize(
    ("widths", "small"),
    [([6] * 5, True), ([7, 5], True), ([7], False), ([6] * 5 + [1], False), ([1] * 30, True), ([], True)],
)
def test_the_selector_is_skipped_on_a_small_schema(widths, small):
    tables = [Table(f"t{n}", tuple(Column(f"c{m}", "INT") for m in range(w))) for n, w in enumerate(widths)]
    assert is_small(Schema("d", tuple(tables))) == small


def test_the_refiner_mends_what_fails_and_its_last_fix_is_run_too(ferries, sandbox):
    script = [
        ("sql: SELECT nome FROM vessel", "```sql\nSELECT nam FROM vessel\n```"),
        ("sql: SELECT nam FROM vessel", "```sql\nSELECT name FROM vessel\n```"),
        ("decompose:", "```sql\nSELECT nome FROM vessel\n```"),
    ]
    [one], model = ask(ferries, sandbox, script, question("names"), rules=Rules(rounds=2), selector=Nobody())
    assert [attempt.sql for attempt in one.attempts] == [
        "SELECT nome FROM vessel",
        "SELECT nam FROM vessel",
        "SELECT name FROM vessel",
    ]
    assert one.attempts[0].outcome.status is Status.NO_SUCH_COLUMN
    assert one.chosen is one.attempts[2]
    assert one.chosen.outcome.ok
    assert [turn.round for turn in one.turns] == [0, 0, 1, 2]
    assert "error: no such column: nome" in model.asked[1][0]


def test_rounds_bound_the_refinements_and_the_same_fix_again_ends_them(ferries, sandbox):
    growing = [(f"sql: SELECT x{n} ", f"```sql\nSELECT x{n + 1}\n```") for n in range(9)]
    script = [*growing, ("decompose:", "```sql\nSELECT x0\n```"), ("refine:", "```sql\nSELECT y\n```")]
    [one], _ = ask(ferries, sandbox, script, question("?"), selector=Nobody())
    assert [attempt.sql for attempt in one.attempts] == ["SELECT x0", "SELECT x1", "SELECT x2", "SELECT x3"]
    [one], _ = ask(ferries, sandbox, script[-2:], question("?"), selector=Nobody())
    assert [attempt.sql for attempt in one.attempts] == ["SELECT x0", "SELECT y", "SELECT y"]


def test_a_fix_that_fails_does_not_take_the_place_of_a_query_that_runs(ferries, sandbox):
    script = [("refine:", "```sql\nSELECT nothing FROM nowhere\n```"), ("decompose:", "```sql\nSELECT 1 WHERE 0\n```")]
    [one], _ = ask(ferries, sandbox, script, question("?"), rules=Rules(rounds=1), selector=Nobody())
    assert one.attempts[0].fault.error == refiner.NO_ROWS
    assert one.sql == "SELECT 1 WHERE 0"
    [one], _ = ask(ferries, sandbox, script, question("?"), rules=Rules(refine="errors"), selector=Nobody())
    assert len(one.attempts) == 1


def test_answers_keep_their_places_whatever_fails(ferries, sandbox):
    script = [
        ("first", "```sql\nSELECT 1\n```"),
        ("second", "no SQL at all"),
        ("third", "```sql\nSELECT name, FROM"),
        ("fourth", "```sql\nSELECT 4\n```"),
    ]
    asked = [question(word, number=n) for n, word in enumerate(["first", "second", "third", "fourth", "fifth"])]
    answers, model = ask(ferries, sandbox, script, *asked, selector=Nobody(), refiner=Nobody())
    assert [one.question for one in answers] == asked
    assert [one.sql for one in answers] == ["SELECT 1", None, None, "SELECT 4", None]
    assert answers[1].attempts[0].turn.ending is Ending.NO_SQL
    assert {len(batch) for batch in model.asked} == {1, 2}


def test_every_seat_asks_in_its_own_style(ferries, sandbox):
    long = Scripted(
        ("【DB_ID】", '{"vessel": "keep_all"}'),
        card=Card("decoder-only", "mac_sql", "verbatim", 4096, 256, "auto", ("selector",), "", ""),
    )
    script = [("decompose:", "```sql\nSELECT 1\n```")]
    [one], model = ask(
        ferries, sandbox, script, question("?"), rules=Rules(skip_small=False), selector=ModelSeat("big", long, GREEDY)
    )
    assert "【Foreign keys】" in one.selected.turn.reply.read
    assert one.attempts[0].turn.reply.read.startswith("decompose: ?")
    assert (one.selected.turn.seat, one.attempts[0].turn.seat) == ("big", "scripted")
    assert len(model.asked) == 1


def test_the_refiner_reads_the_gold_only_where_the_oracle_sits(ferries, sandbox):
    gold = "SELECT name FROM vessel"
    script = [("decompose:", "```sql\nSELECT nothing\n```")]
    [one], model = ask(ferries, sandbox, script, question("names", gold), selector=Nobody(), refiner=Oracle())
    assert one.sql == gold
    assert not any(gold in prompt for batch in model.asked for prompt in batch)


def test_a_database_that_cannot_be_read_costs_its_own_questions(ferries, sandbox, tmp_path):
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    databases = {"ferries": ferries, "broken": Database("broken", broken, ferries.schema)}
    model = Scripted(("decompose:", "```sql\nSELECT 1\n```"))
    seats = {"selector": Nobody(), "decomposer": seated(model), "refiner": Nobody()}
    asked = [question("a", db_id="broken"), question("b")]
    first, second = Pipeline(seats, sandbox).answer(asked, databases)
    assert "cannot be read" in first.problem
    assert second.sql == "SELECT 1"


def test_a_decomposition_is_answered_by_its_last_step(ferries, sandbox):
    steps = [decomposer.Step("a", "SELECT 1"), decomposer.Step("b", "SELECT 2")]
    script = [("decompose:", decomposer.write(steps, "mac_sql"))]
    [one], _ = ask(ferries, sandbox, script, question("?"), selector=Nobody())
    assert one.sql == "SELECT 2"


def test_a_model_is_asked_as_it_was_trained_with_the_values_that_a_question_names(ferries, sandbox):
    """What the factory makes of a question and what a seat makes of it are the same to the letter."""
    asked = question("Which captains sailed from Oststeg in fog?", "SELECT captain FROM crossing WHERE weather = 'fog'")
    cfg = AgentsConfig(style="brief", value_examples=6, value_links=4, augment=False)
    trained = {row.agent: row for row in make_examples([asked], {"ferries": ferries}, cfg, sandbox).examples}
    broken = trained["refiner"].broken_sql
    script = [("decompose:", f"```sql\n{broken}\n```")]
    card = replace(CARD, value_links=4)
    seats = {agent: ModelSeat("scripted", Scripted(*script, card=card), GREEDY) for agent in AGENTS}
    [one] = Pipeline(seats, sandbox, Rules(rounds=1, skip_small=False)).answer([asked], {"ferries": ferries})
    read = {turn.agent: turn.reply.read for turn in one.turns}
    assert read == {agent: row.source for agent, row in trained.items()}
    assert "weather('fog'; " in read["decomposer"]
