"""BIRD's scores: pairs with their verdicts, the efficiency rules, and statements that would do harm."""

import json
import math
import sqlite3
from pathlib import Path

import pytest

from macsql.database.sandbox import Sandbox
from macsql.protocols import bird
from macsql.protocols.bench import Bench, Options, Pair

DATA = Path(__file__).parent / "data"
PAIRS = [json.loads(line) for line in (DATA / "bird_pairs.jsonl").read_text().splitlines()]
SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT count(*) * 0 + 4 FROM n"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(workers=1) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("databases")
    (folder / "club").mkdir()
    connection = sqlite3.connect(folder / "club" / "club.sqlite")
    connection.executescript((DATA / "club.sql").read_text())
    connection.close()
    return folder


def values(scorer, pairs, bench):
    return [score.value for score in scorer([Pair(n, "club", *pair) for n, pair in enumerate(pairs)], bench)]


def test_pairs(folder, sandbox):
    before = (folder / "club" / "club.sqlite").read_bytes()
    texts = [(pair["gold"], pair["pred"]) for pair in PAIRS]
    bench = Bench(folder, sandbox)
    found = {
        "ex": values(bird.execution_accuracy, texts, bench),
        "fixed": values(bird.execution_accuracy_fixed, texts, bench),
        "soft_f1": [round(value, 9) for value in values(bird.soft_f1_scores, texts, bench)],
    }
    expected = {key: [pair[key] for pair in PAIRS] for key in found}
    expected["soft_f1"] = [round(value, 9) for value in expected["soft_f1"]]
    wrong = [
        (key, pair["why"])
        for key in found
        for pair, one, other in zip(PAIRS, found[key], expected[key], strict=True)
        if one != other
    ]
    assert wrong == []
    assert (folder / "club" / "club.sqlite").read_bytes() == before
    assert [path.name for path in (folder / "club").iterdir()] == ["club.sqlite"]


def test_a_gold_error_is_marked_and_scores_nothing(folder, sandbox):
    pair = Pair(0, "club", "SELECT title FROM member", "SELECT 1")
    for scorer in (bird.execution_accuracy, bird.efficiency, bird.rewarded_efficiency, bird.soft_f1_scores):
        (score,) = scorer([pair], Bench(folder, sandbox))
        assert (score.value, score.of_gold) == (0, True)


def test_the_limit_is_for_both_together(folder, sandbox):
    bench = Bench(folder, sandbox, Options(time_limit=20.0))
    pair = (folder / "club" / "club.sqlite", SLOW), (folder / "club" / "club.sqlite", SLOW + " ")
    seconds = sum(outcome.seconds for outcome in bench.run(pair).values())
    bench.options = Options(time_limit=seconds * 0.9)
    (score,) = bird.execution_accuracy([Pair(0, "club", SLOW, SLOW + " ")], bench)
    assert (score.value, score.outcome) == (False, "timeout")


@pytest.mark.parametrize(
    ("ratios", "mean"),
    [
        ([], 0.0),
        ([1.0], 0.0),  # no ratio is strictly inside of no deviation
        ([0.1] * 100, 0.0),
        ([1.0, 2.0], 1.5),
        ([1.0, 2.0, 3.0], 2.0),
        ([1.0, 1.1] * 10 + [50.0], 1.05),  # the outlier goes
        ([1.0] * 8 + [50.0], sum([1.0] * 8 + [50.0]) / 9),  # among nine nothing is three deviations off
    ],
)
def test_mean_ratio(ratios, mean):
    assert bird.mean_ratio(ratios) == pytest.approx(mean)


@pytest.mark.parametrize(
    ("ratio", "given"),
    [(0, 0), (9, 1.25), (2, 1.25), (1.99, 1), (1, 1), (0.99, 0.75), (0.5, 0.75), (0.49, 0.5), (0.25, 0.5), (0.2, 0.25)],
)
def test_reward(ratio, given):
    assert bird.reward(ratio) == given


def test_efficiency_from_given_times(folder, sandbox):
    path = folder / "club" / "club.sqlite"
    bench = Bench(folder, sandbox)
    pairs = [("SELECT 1", "SELECT 1 "), ("SELECT 1", "SELECT 2")]
    bench.ratios = {((path, gold), (path, pred)): (0.5, 1.0, 0.9) for gold, pred in pairs}
    assert values(bird.efficiency, pairs, bench) == [pytest.approx(math.sqrt(0.8)), 0.0]
    assert values(bird.rewarded_efficiency, pairs, bench) == [pytest.approx(math.sqrt(0.75)), 0.0]


def test_times_are_measured(folder, sandbox):
    bench = Bench(folder, sandbox, Options(ves_repeats=5))
    fast, slow = values(bird.efficiency, [(SLOW, "SELECT 4"), ("SELECT 4", SLOW)], bench)
    assert fast > 1 > slow > 0
    assert {len(ratios) for ratios in bench.ratios.values()} == {5}


def test_steps_are_the_same_every_time(folder, sandbox):
    pairs = [(SLOW, "SELECT 4"), ("SELECT 4", SLOW), (SLOW, SLOW + " "), (SLOW, "SELECT 5")]
    first, second = (values(bird.step_efficiency, pairs, Bench(folder, sandbox)) for _ in range(2))
    assert first == second
    assert first[0] > 10
    assert 0 < first[1] < 0.1
    assert first[2:] == [1.0, 0.0]


@pytest.mark.parametrize("name", ["spider_llm", "spider_t5", "spider_mutated"])
def test_official_verdicts(shared, sandbox, name):
    rows = [json.loads(line) for line in (shared / "parity" / f"{name}.jsonl").read_text().splitlines()]
    pairs = [Pair(index, row["db_id"], row["gold"], row["pred"]) for index, row in enumerate(rows)]
    scores = bird.execution_accuracy(pairs, Bench(shared / "data" / "spider" / "database", sandbox))
    differ = [row for row, score in zip(rows, scores, strict=True) if score.value is not row["bird_ex"]]
    assert differ == []
