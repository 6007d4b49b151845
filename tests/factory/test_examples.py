"""Examples of the three agents from questions and gold SQL: all run, all counted, the same every time."""

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from macsql import corpora
from macsql.agents import decomposer, refiner, selector
from macsql.agents.tokens import estimate_tokens
from macsql.config import AgentsConfig, DataConfig
from macsql.corpora.chat_prompts import agent_of
from macsql.database.sandbox import Sandbox
from macsql.database.schema import Database
from macsql.database.sql_tree import resolve
from macsql.errors import UserError
from macsql.factory.examples import AgentExamples, make_examples
from macsql.records import AGENTS, Example, Question

AGENT_FILES = {"selector": selector, "decomposer": decomposer, "refiner": refiner}

GOLDS = [
    "SELECT name FROM vessel WHERE built < 1995",
    "SELECT count(*) FROM crossing",
    "SELECT T1.name , T2.captain FROM vessel AS T1 JOIN crossing AS T2 ON T1.vessel_id  =  T2.vessel_id",
    "SELECT name FROM vessel WHERE seats  >  (SELECT avg(seats) FROM vessel)",
    "SELECT name FROM vessel EXCEPT SELECT name FROM landing;",
    "SELECT captain FROM crossing GROUP BY captain HAVING count(*) > 1",
]


def questions(*golds: str) -> list[Question]:
    return [Question(f"q/{n:02}", "ferries", f"Question number {n}?", sql) for n, sql in enumerate(golds)]


def make(ferries: Database, sandbox: Sandbox, asked: list[Question], **settings) -> AgentExamples:
    cfg = AgentsConfig(**{"style": "brief", **settings})
    return make_examples(asked, {"ferries": ferries}, cfg, sandbox)


def of(made: AgentExamples, agent: str) -> list[Example]:
    return [example for example in made.examples if example.agent == agent]


@pytest.mark.parametrize("style", ["brief", "mac_sql"])
def test_every_agent_gets_its_example(ferries: Database, sandbox: Sandbox, style: str) -> None:
    asked = questions(*GOLDS)
    made = make(ferries, sandbox, asked, style=style, augment=False)
    assert Counter(example.agent for example in made.examples) == {agent: len(GOLDS) for agent in AGENTS}
    assert made.skipped == {agent: {} for agent in AGENTS}
    for example in made.examples:
        gold = next(question for question in asked if question.id == example.question_id)
        assert example.id == f"{gold.id}/{example.agent}"
        assert (example.question, example.gold_sql, example.db_id) == (gold.text, gold.sql, "ferries")
        assert AGENT_FILES[example.agent].parse(example.target).readable
        assert gold.text in example.source
        if style == "mac_sql":
            assert agent_of(example.source) == example.agent


@pytest.mark.parametrize("style", ["brief", "mac_sql"])
def test_decomposer_targets_run_and_end_with_the_gold_query(ferries: Database, sandbox: Sandbox, style: str) -> None:
    made = make(ferries, sandbox, questions(*GOLDS), style=style, augment=False)
    steps = {}
    for example in of(made, "decomposer"):
        answer = decomposer.parse(example.target)
        assert answer.sql == example.gold_sql
        assert all(sandbox.run(ferries.path, step.sql).ok for step in answer.steps)
        steps[example.gold_sql] = [step.question for step in answer.steps]
    assert [len(steps[sql]) for sql in GOLDS] == [1, 1, 1, 2, 3, 1]
    assert steps[GOLDS[3]] == ["Find the average seats of vessel.", "Question number 3?"]
    assert steps[GOLDS[0]] == ["" if style == "brief" else "Question number 0?"]


def test_refiner_rows_fail_and_their_targets_run(ferries: Database, sandbox: Sandbox) -> None:
    made = make(ferries, sandbox, questions(*GOLDS), refiner_per_question=4)
    rows = of(made, "refiner")
    for row in rows:
        fault = refiner.fault(sandbox.run(ferries.path, row.broken_sql))
        assert fault is not None
        assert fault.error == row.error
        assert row.error in row.source
        assert " ".join(row.broken_sql.split()) in row.source
        assert refiner.parse(row.target).sql == row.gold_sql
        assert sandbox.run(ferries.path, row.gold_sql).ok
    assert {"q/00/refiner", "q/00/refiner/2", "q/00/refiner/4"} <= {row.id for row in rows}
    kinds = [(row.question_id, made.corruptions[row.id]) for row in rows]
    assert len(set(kinds)) == len(kinds), "no two faults of a question are of one type"
    assert max(Counter(question for question, _ in kinds).values()) == 4


def test_what_cannot_be_made_is_counted_under_its_reason(ferries: Database, sandbox: Sandbox) -> None:
    asked = questions(
        "SELECT name FROM vessel",
        "SELECT nam FROM vessel",
        "SELECT name FROM boat",
        "SELEC name",
        "SELECT name FROM sqlite_master",
        "DELETE FROM vessel",
        "SELECT 1",
    )
    asked.append(replace(asked[0], id="q/lost", db_id="nowhere"))
    made = make(ferries, sandbox, asked)
    assert {row.question_id for row in made.examples} == {"q/00", "q/06"}
    common = {
        "its database is missing": 1,
        "gold SQL fails: no such column": 1,
        "gold SQL fails: no such table": 1,
        "gold SQL fails: syntax": 1,
        "gold SQL fails: denied": 1,
        "gold SQL names a table that the schema lacks": 1,
    }
    assert made.skipped["selector"] == made.skipped["decomposer"] == common
    assert sum(made.skipped["refiner"].values()) - sum(common.values()) == 2 - len(of(made, "refiner"))


def test_nothing_to_break_is_counted(ferries: Database, sandbox: Sandbox) -> None:
    made = make(ferries, sandbox, questions("SELECT 1"), roles=["refiner"])
    assert len(made.examples) + made.skipped["refiner"].get("no fault was found that fails", 0) == 1


def test_questions_of_several_steps_get_a_augment_in_training_only(ferries: Database, sandbox: Sandbox) -> None:
    asked = questions("SELECT captain FROM crossing WHERE delay > (SELECT avg(delay) FROM crossing)", GOLDS[0])
    made = make(ferries, sandbox, asked)
    seconds = {row.id: row for row in made.examples if row.id.endswith("/2")}
    assert set(seconds) == {"q/00/selector/2", "q/00/decomposer/2"}
    first = {row.id: row for row in made.examples}
    again, once = seconds["q/00/selector/2"], first["q/00/selector"]
    assert again.source != once.source
    assert selector.parse(again.target).tables == selector.parse(once.target).tables
    order = [table for table in selector.parse(again.target).tables]  # noqa: C416
    places = [again.source.index(f"{table}: ") for table in order]
    assert places == sorted(places), "the answer names the tables in the order in which they are shown"
    narrow = seconds["q/00/decomposer/2"]
    assert "bicycles" not in narrow.source
    assert "captain" in narrow.source
    assert narrow.target == first["q/00/decomposer"].target
    for split in ("eval", "test"):
        assert len(make(ferries, sandbox, [replace(q, split=split) for q in asked]).examples) == 6


def test_long_answers_lose_their_first_steps(ferries: Database, sandbox: Sandbox) -> None:
    made = make(ferries, sandbox, questions(GOLDS[4]), max_target_tokens=80, augment=False)
    answer = decomposer.parse(of(made, "decomposer")[0].target)
    assert (len(answer.steps), answer.sql) == (2, GOLDS[4])
    assert made.shortened == 1
    whole = make(ferries, sandbox, questions(GOLDS[4]), max_target_tokens=80, style="mac_sql", augment=False)
    assert len(decomposer.parse(of(whole, "decomposer")[0].target).steps) == 3


def test_the_same_for_any_number_of_workers_and_other_faults_for_another_seed(ferries: Database) -> None:
    made = []
    for workers, seed in ((1, 0), (2, 0), (1, 1)):
        with Sandbox(workers) as sandbox:
            made.append(make(ferries, sandbox, questions(*GOLDS), seed=seed))
    assert made[0] == made[1]
    assert [row.broken_sql for row in of(made[0], "refiner")] != [row.broken_sql for row in of(made[2], "refiner")]


def test_a_question_gives_the_same_examples_in_any_company(ferries: Database, sandbox: Sandbox) -> None:
    asked = questions(*GOLDS)
    alone = make(ferries, sandbox, asked[3:4]).examples
    together = make(ferries, sandbox, asked).examples
    assert alone == tuple(row for row in together if row.question_id == asked[3].id)


def test_only_the_agents_asked_for(ferries: Database, sandbox: Sandbox) -> None:
    made = make(ferries, sandbox, questions(*GOLDS), roles=["refiner"])
    assert {row.agent for row in made.examples} == {"refiner"}
    assert set(made.skipped) == {"refiner"}


def test_evidence_and_the_token_budget_reach_the_prompt(ferries: Database, sandbox: Sandbox) -> None:
    asked = [replace(questions(GOLDS[0])[0], evidence="old refers to built < 1995")]
    made = make(ferries, sandbox, asked, max_source_tokens=80)
    for row in made.examples:
        assert "| evidence: old refers to built < 1995 |" in row.source
        assert estimate_tokens(row.source) <= 80


def test_a_damaged_database_costs_its_own_questions_alone(ferries: Database, sandbox: Sandbox, tmp_path: Path) -> None:
    content = bytearray(ferries.path.read_bytes())
    content[4096:] = b"\xff" * len(content[4096:])
    (tmp_path / "bad.sqlite").write_bytes(content)
    bad = Database("bad", tmp_path / "bad.sqlite", ferries.schema)
    asked = [questions(*GOLDS)[0], replace(questions(*GOLDS)[1], db_id="bad")]
    made = make_examples(asked, {"ferries": ferries, "bad": bad}, AgentsConfig(style="brief"), sandbox)
    assert {row.question_id for row in made.examples} == {asked[0].id}
    reason = f"{bad.path} cannot be read (database disk image is malformed)"
    assert made.skipped["decomposer"] == {reason: 1}


def test_progress_ends_at_the_number_of_questions(ferries: Database, sandbox: Sandbox) -> None:
    told: list[tuple[int, int]] = []
    cfg = AgentsConfig(style="brief")
    make_examples(
        questions(*GOLDS), {"ferries": ferries}, cfg, sandbox, progress=lambda done, total: told.append((done, total))
    )
    assert told == [(len(GOLDS), len(GOLDS))]
    assert make_examples([], {}, cfg, sandbox).examples == ()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"style": "long"}, "Unknown agents.style 'long'.*brief, mac_sql"),
        ({"roles": ["judge"]}, "Unknown agent 'judge'.*selector, decomposer, refiner"),
    ],
)
def test_unknown_styles_and_roles_are_refused(ferries: Database, sandbox: Sandbox, settings: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        make(ferries, sandbox, questions(*GOLDS), **settings)


def test_links_are_made_of_question_and_database_alone(ferries: Database, sandbox: Sandbox) -> None:
    """Another gold query, and the prompts stay to the letter; only the counts look at it."""
    asked = Question("q", "ferries", "Which captains sailed from Oststeg in fog?", "")
    golds = (
        "SELECT captain FROM crossing WHERE weather = 'fog'",
        "SELECT name FROM landing WHERE name = 'Oststeg' AND bank = 'left'",
    )
    prompts = []
    for gold in golds:
        cfg = AgentsConfig(style="brief", value_examples=0, value_links=4, roles=["selector", "decomposer"])
        made = make_examples([replace(asked, sql=gold)], {"ferries": ferries}, cfg, sandbox)
        prompts.append([row.source for row in made.examples])
        counts = made.links["decomposer"]
        assert counts["prompts"] == counts["prompts_with_links"] == 1
        assert counts["links"] >= 2
        wanted = gold.count("'") // 2
        assert (counts["gold_values"], counts["linked_exact"]) == (wanted, 1)
        assert counts["prompts_with_all_linked"] == (wanted == 1)
    assert prompts[0] == prompts[1]
    assert "name('Oststeg')" in prompts[0][0]
    assert "weather('fog')" in prompts[0][0]


def test_without_links_nothing_is_counted_and_nothing_changes(ferries: Database, sandbox: Sandbox) -> None:
    made = make(ferries, sandbox, questions(*GOLDS), style="brief", value_links=0)
    assert made.links == {}
    assert made.partly_linked == ()
    linked = make(ferries, sandbox, questions(*GOLDS), style="brief", value_links=4)
    assert [row.target for row in made.examples] == [row.target for row in linked.examples]
    assert [row.broken_sql for row in made.examples] == [row.broken_sql for row in linked.examples]


@pytest.mark.parametrize("data", ["spider", "geoquery"])
def test_public_corpora(shared: Path, tmp_path: Path, sandbox: Sandbox, data: str) -> None:
    """Recall of gold columns 1.00, no prompt over its budget, every Refiner row fails outside the sandbox as well."""
    cfg = DataConfig(format="spider" if data == "spider" else "text2sql", root=str(shared / "data" / data), limit=120)
    corpus = corpora.read(cfg, tmp_path)
    made = make_examples(corpus.questions, corpus.databases, AgentsConfig(style="brief", value_examples=2), sandbox)
    gold_failures = sum(made.skipped["selector"].values())
    assert len({row.question_id for row in of(made, "selector")}) == len(corpus.questions) - gold_failures
    assert len(of(made, "refiner")) > 0.95 * len(corpus.questions)
    for row in made.examples:
        database = corpus.databases[row.db_id]
        if row.agent == "selector":
            needed = set(resolve(row.gold_sql, database.schema).columns)
            assert needed <= selector.chosen(selector.parse(row.target), database.schema)
        elif row.agent == "refiner" and "None" not in row.error and "no rows" not in row.error:
            uri = f"file:{database.path}?mode=ro&immutable=1"
            with closing(sqlite3.connect(uri, uri=True)) as connection, pytest.raises(sqlite3.Error) as raised:
                connection.execute(row.broken_sql)
            assert str(raised.value) == row.error
