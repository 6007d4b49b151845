"""`spider-ex`: pairs with their verdicts, test suites, plugged values, and statements that would do harm."""

import json
import sqlite3
from pathlib import Path

import pytest

from macsql.database.sandbox import Sandbox
from macsql.errors import UserError
from macsql.protocols.bench import Bench, Options, Pair
from macsql.protocols.spider.ex import GAVE_UP, as_run, execution_match, execution_match_fixed

DATA = Path(__file__).parent / "data"
PAIRS = [json.loads(line) for line in (DATA / "spider_ex_pairs.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(workers=1) as sandbox:
        yield sandbox


@pytest.fixture
def folder(tmp_path):
    make(tmp_path / "club" / "club.sqlite")
    return tmp_path


def make(path, change=""):
    path.parent.mkdir(exist_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript((DATA / "club.sql").read_text() + change)
    connection.close()


def verdicts(pairs, bench, reading=execution_match):
    return [score.value for score in reading([Pair(n, "club", *pair) for n, pair in enumerate(pairs)], bench)]


def test_pairs(folder, sandbox):
    before = (folder / "club" / "club.sqlite").read_bytes()
    texts = [(pair["gold"], pair["pred"]) for pair in PAIRS]
    strict = verdicts(texts, Bench(folder, sandbox))
    fixed = verdicts(texts, Bench(folder, sandbox), execution_match_fixed)
    wrong = [
        pair["why"]
        for pair, one, other in zip(PAIRS, strict, fixed, strict=True)
        if (one, other) != tuple(pair[key] for key in ("strict", "fixed"))
    ]
    assert wrong == []
    assert (folder / "club" / "club.sqlite").read_bytes() == before
    assert [path.name for path in (folder / "club").iterdir()] == ["club.sqlite"]


def test_every_file_of_the_suite_must_match(folder, sandbox):
    pair = ("SELECT name FROM member WHERE age > 40", "SELECT name FROM member WHERE age = 41")
    make(folder / "club" / "club_2.sqlite")
    make(folder / "club" / "club.sqlite.bak")
    (folder / "club" / "club.db").write_text("no part of the suite")
    assert verdicts([pair], Bench(folder, sandbox)) == [True]
    make(folder / "club" / "older.sqlite.bak", "UPDATE member SET age = 50;")
    assert verdicts([pair], Bench(folder, sandbox)) == [False]


def test_a_pair_stops_at_its_first_failing_file(folder, sandbox):
    make(folder / "club" / "club_2.sqlite", "DROP TABLE member;")
    right, wrong = execution_match(
        [Pair(0, "club", "SELECT name FROM member", pred) for pred in ("SELECT name FROM member", "SELECT 1")],
        Bench(folder, sandbox),
    )
    assert (right.value, right.of_gold) == (None, True)
    assert (wrong.value, wrong.of_gold) == (False, False)  # gold fails only on a file that it never saw


def test_gold_errors_have_no_verdict(folder, sandbox):
    (score,) = execution_match([Pair(0, "club", "SELECT title FROM member", "SELECT 1")], Bench(folder, sandbox))
    assert score.value is None
    assert score.message == "no such column: title"


def test_keep_distinct(folder, sandbox):
    bench = Bench(folder, sandbox, Options(keep_distinct=True))
    pairs = [
        ("SELECT DISTINCT place FROM visit", "SELECT place FROM visit"),
        ("SELECT DISTINCT place FROM visit", "SELECT DISTINCT place FROM visit"),
        ("SELECT name FROM member", "SELECT name FROM member; SELECT 1"),  # no longer cut
    ]
    assert verdicts(pairs, bench) == [False, True, False]


@pytest.mark.parametrize(
    ("gold", "pred", "plain", "plugged"),
    [
        ("SELECT name FROM member WHERE age = 30", "SELECT name FROM member WHERE age = 19", False, True),
        ("SELECT name FROM member WHERE name = 'Ann'", "SELECT name FROM member WHERE name = 'bob'", False, True),
        (
            "SELECT name FROM member WHERE age = 30 AND weight = 60.0",
            "SELECT name FROM member WHERE weight = 1.5 AND age = 7",
            False,
            True,
        ),
        (
            "SELECT name FROM member WHERE age = 30 LIMIT 1",
            "SELECT name FROM member WHERE age = 19 LIMIT 3",
            False,
            True,
        ),
        ("SELECT name FROM member", "SELECT name FROM member WHERE age = 19", False, False),  # gold has no value
        ("SELECT name FROM member WHERE age = 30", "SELECT name FROM member WHERE age < 19", False, False),
        ("SELECT name FROM member WHERE age = 30", "SELECT age FROM member", False, False),  # no slot
        (
            "SELECT T1.name FROM member AS T1 WHERE T1.age = 30;",
            "SELECT T1.name FROM member AS T1 WHERE T1.age = 5;",
            False,
            True,
        ),
        ("SELECT place FROM visit WHERE year = '2020'", "SELECT place FROM visit WHERE year = '2019'", False, True),
    ],
)
def test_plug_value(folder, sandbox, gold, pred, plain, plugged):
    assert verdicts([(gold, pred)], Bench(folder, sandbox)) == [plain]
    assert verdicts([(gold, pred)], Bench(folder, sandbox, Options(plug_value=True))) == [plugged]


def test_plug_value_gives_up_and_says_so(folder, sandbox, monkeypatch):
    monkeypatch.setattr("macsql.protocols.spider.ex.MAX_VARIANTS", 200)
    gold = "SELECT name FROM member WHERE age IN (1, 2, 3, 30)"
    pred = "SELECT age FROM member WHERE age IN (" + ", ".join(str(60 + n) for n in range(30)) + ")"  # 4 ** 30 ways
    bench = Bench(folder, sandbox, Options(plug_value=True))
    (score,) = execution_match([Pair(0, "club", gold, pred)], bench)
    assert (score.value, score.outcome) == (False, GAVE_UP)


def test_an_endless_statement_that_writes_is_stopped(folder, sandbox):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO log SELECT i FROM n"
    bench = Bench(folder, sandbox, Options(time_limit=0.5))
    assert verdicts([("SELECT line FROM log", endless)], bench) == [False]


def test_as_run():
    assert (
        as_run("SELECT DISTINCT a FROM t WHERE b > = YEAR(CURDATE()) ; SELECT 2")
        == "SELECT  a FROM t WHERE b >= 2020; "
    )
    assert as_run("SELECT DISTINCT a", keep_distinct=True) == "SELECT DISTINCT a"


def test_an_unknown_database(tmp_path, sandbox):
    with pytest.raises((UserError, FileNotFoundError)):
        execution_match([Pair(0, "nowhere", "SELECT 1", "SELECT 1")], Bench(tmp_path, sandbox))


@pytest.mark.parametrize("name", ["spider_llm", "spider_t5", "spider_mutated", "spider_edge_cases"])
def test_official_verdicts(shared, sandbox, name):
    rows = [json.loads(line) for line in (shared / "parity" / f"{name}.jsonl").read_text().splitlines()]
    pairs = [Pair(index, row["db_id"], row["gold"], row["pred"]) for index, row in enumerate(rows)]
    scores = execution_match(pairs, Bench(shared / "data" / "spider" / "database", sandbox))
    differ = [row for row, score in zip(rows, scores, strict=True) if score.value is not row["exec"]]
    assert differ == []
