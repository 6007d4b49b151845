"""Gold SQL written plainly: the same rows, never longer, and the same again when it is written again."""

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from macsql import corpora
from macsql.agents import decomposer, refiner
from macsql.config import AgentsConfig, DataConfig
from macsql.database.outcome import Outcome
from macsql.database.readonly import Status
from macsql.database.sql_tree import SqlUnreadableError, resolve
from macsql.errors import UserError
from macsql.factory.examples import make_examples
from macsql.factory.plain_sql import NotPlainError, plainly, same_rows
from macsql.factory.prepared import prepare
from macsql.records import Question

PAIRS = [json.loads(line) for line in Path("tests/data/plain_sql.jsonl").read_text(encoding="utf-8").splitlines()]
LONG = PAIRS[0]["gold"]
SAMPLE = 150  # queries of a corpus


@pytest.mark.parametrize("pair", PAIRS, ids=range(len(PAIRS)))
def test_a_query_is_written_plainly_and_gives_its_rows(ferries, sandbox, pair):
    gold, wanted = pair["gold"], pair["plain"]
    if wanted.startswith("kept: "):
        with pytest.raises(NotPlainError, match=wanted.removeprefix("kept: ")):
            plainly(gold, ferries.schema)
        return
    plain = plainly(gold, ferries.schema)
    assert plain == wanted
    assert plainly(plain, ferries.schema) == plain
    outcomes = [sandbox.run(ferries.path, sql) for sql in (gold, plain)]
    assert outcomes[0].ok
    assert same_rows(*outcomes, resolve(gold, ferries.schema))


@pytest.mark.parametrize(
    "sql", ["", "DROP TABLE vessel", "SELECT x.y FROM vessel", "SELECT 1 FROM nothing", "(" * 5000]
)
def test_what_cannot_be_read_is_told(ferries, sql):
    with pytest.raises(SqlUnreadableError):
        plainly(sql, ferries.schema)


@pytest.mark.parametrize(
    ("sql", "other", "same"),
    [
        ("SELECT name FROM vessel", ((2,), (1,), (1,)), True),
        ("SELECT name FROM vessel", ((2,), (2,), (1,)), False),
        ("SELECT name FROM vessel", ((1.0,), (1,), (2,)), False),
        ("SELECT name FROM vessel ORDER BY name", ((2,), (1,), (1,)), False),
        ("SELECT name FROM vessel ORDER BY name", ((1,), (1,), (2,)), True),
    ],
)
def test_rows_are_compared_strictly(ferries, sql, other, same):
    rows = Outcome(Status.OK, ("name",), ((1,), (1,), (2,)))
    assert same_rows(rows, replace(rows, rows=other), resolve(sql, ferries.schema)) is same
    assert not same_rows(rows, Outcome(Status.ERROR), resolve(sql, ferries.schema))


def made_of(ferries, sandbox, sql, *golds):
    asked = [Question(f"q/{n}", "ferries", f"Question {n}?", gold) for n, gold in enumerate(golds)]
    return make_examples(asked, {"ferries": ferries}, AgentsConfig(style="brief", sql=sql, augment=False), sandbox)


def test_answers_are_plain_and_the_gold_stays_as_published(ferries, sandbox):
    golds = [pair["gold"] for pair in PAIRS]
    published, plain = made_of(ferries, sandbox, "published", *golds), made_of(ferries, sandbox, "plain", *golds)
    assert published.plain == {}
    kept = Counter(pair["plain"] for pair in PAIRS if pair["plain"].startswith("kept: "))
    assert plain.plain == {**kept, "written plainly": len(PAIRS) - kept.total()}
    before = {row.id: row for row in published.examples}
    for row in plain.examples:
        pair = PAIRS[int(row.question_id.removeprefix("q/"))]
        wanted = pair["gold"] if pair["plain"].startswith("kept: ") else pair["plain"]
        assert row.gold_sql == pair["gold"]
        if row.agent == "selector":  # it names the same tables and columns
            assert row == before[row.id]
        else:
            agent = decomposer if row.agent == "decomposer" else refiner
            assert agent.parse(row.target).sql == wanted
            assert "alias0" not in row.broken_sql or "alias0" in wanted


def test_a_query_that_would_give_other_rows_is_kept(ferries, sandbox, monkeypatch):
    monkeypatch.setattr("macsql.factory.examples.plainly", lambda *_: "SELECT name FROM landing")
    made = made_of(ferries, sandbox, "plain", LONG)
    assert made.plain == {"kept: it would give other rows": 1}
    assert decomposer.parse(next(row.target for row in made.examples if row.agent == "decomposer")).sql == LONG


def test_the_notes_say_what_was_written_plainly(tiny, tmp_path):
    tracking = replace(tiny.tracking, state_dir=str(tmp_path))
    config = replace(tiny, tracking=tracking, agents=replace(tiny.agents, sql="plain"))
    assert [note for note in prepare(config).about["notes"] if "kept as published" in note]
    assert not [
        note for note in prepare(replace(config, agents=tiny.agents)).about["notes"] if note.startswith("agents.sql")
    ]
    with pytest.raises(UserError, match=r"Unknown agents\.sql 'short'"):
        prepare(replace(config, agents=replace(tiny.agents, sql="short")))


@pytest.mark.parametrize(
    ("name", "format", "written"),
    [("geoquery", "text2sql", 1.0), ("spider_published", "spider", 0.8), ("bird", "bird", 0.75)],
)
def test_public_corpora(shared, tmp_path, sandbox, name, format, written):
    """The share that is written plainly is at least `written`; 1.00, 0.89 and 0.86 over all of their queries."""
    root = shared / "data" / name
    if not root.is_dir():
        pytest.skip(f"no {root}")
    corpus = corpora.read(DataConfig(format=format, root=str(root)), tmp_path)
    golds = sorted({(row.db_id, row.sql) for row in corpus.questions if row.db_id in corpus.databases})
    done, jobs = 0, []
    for db_id, gold in random.Random(0).sample(golds, SAMPLE):
        database = corpus.databases[db_id]
        try:
            plain = plainly(gold, database.schema)
        except (NotPlainError, SqlUnreadableError):
            continue
        done += 1
        assert len(plain) <= len(gold)
        assert plainly(plain, database.schema) == plain
        jobs.append((database, gold, plain))
    assert done >= written * SAMPLE
    runs = iter(list(sandbox.run_many((database.path, sql) for database, *pair in jobs for sql in pair)))
    for database, gold, plain in jobs:
        one, other = next(runs), next(runs)
        assert not one.ok or same_rows(one, other, resolve(gold, database.schema)), plain
