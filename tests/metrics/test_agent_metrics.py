"""What the metrics of the three agents say of answers written by hand, and of whatever else may come."""

import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from macsql.agents.fences import fenced
from macsql.database.schema import Database
from macsql.database.sql_tree import resolve
from macsql.database.tables_json import read_tables_json
from macsql.errors import UserError
from macsql.factory.selection import right_selection
from macsql.metrics import score, summary
from macsql.metrics.taxonomy import SELECTOR_OUTCOMES, SQL_OUTCOMES
from macsql.records import AGENTS, Prediction

DATA = Path(__file__).parent / "data"
CASES = [
    {"agent": agent, **json.loads(line)}
    for agent in AGENTS
    for line in (DATA / f"{agent}_answers.jsonl").read_text().splitlines()
]


def prediction(case, number=0):
    return Prediction(
        id=f"{number}",
        agent=case["agent"],
        question_id=f"q{number}",
        db_id=case.get("db_id", "zoo"),
        question="",
        gold_sql=case["gold"],
        target="",
        raw_output=case["answer"],
        output=case["answer"],
        truncated=case.get("truncated", False),
        broken_sql=case.get("broken", ""),
    )


ROWS = [prediction(case, number) for number, case in enumerate(CASES)]


@pytest.fixture(scope="module")
def scored(zoo, sandbox):
    return score(ROWS, {"zoo": zoo}, sandbox)


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{case['agent']}: {case['why']}" for case in CASES])
def test_answers(scored, number):
    case, verdict = CASES[number], scored.verdicts[number]
    assert verdict.outcome == case["outcome"], verdict
    for name, value in case["scores"].items():
        found = verdict.scores[name]
        assert found is None if value is None else found == pytest.approx(value), name
    assert verdict.message == case.get("message", verdict.message)
    assert verdict.sql == case.get("sql", verdict.sql)


def test_verdicts_come_in_the_order_of_the_predictions(scored):
    assert [verdict.id for verdict in scored.verdicts] == [row.id for row in ROWS]
    assert [verdict.agent for verdict in scored.verdicts] == [row.agent for row in ROWS]


def test_every_word_of_the_taxonomy_is_met(scored):
    for agent in AGENTS:
        met = {verdict.outcome for verdict in scored.verdicts if verdict.agent == agent}
        words = SELECTOR_OUTCOMES if agent == "selector" else SQL_OUTCOMES
        assert met <= set(words)
        if agent != "refiner":
            assert met == set(words)


def test_metrics_are_means_of_the_verdicts(scored):
    for agent in AGENTS:
        verdicts = [verdict for verdict in scored.verdicts if verdict.agent == agent]
        assert scored.metrics[f"{agent}/count"] == len(verdicts)
        for name in verdicts[0].scores:
            values = [verdict.scores[name] for verdict in verdicts if verdict.scores[name] is not None]
            assert scored.metrics[f"{agent}/{name}"] == pytest.approx(sum(values) / len(values))
        shares = [value for key, value in scored.metrics.items() if key.startswith(f"{agent}/outcome/")]
        assert sum(shares) == pytest.approx(1)
        gold_errors = sum(case["outcome"] == "gold error" for case in CASES if case["agent"] == agent)
        assert scored.metrics[f"{agent}/gold_errors"] == gold_errors > 0
    assert scored.metrics["decomposer/spider_em_gold_errors"] == 2  # one does not run, one is beyond the grammar


def test_right_is_execution_accuracy_in_its_fixed_reading(scored):
    for agent in ("decomposer", "refiner"):
        for verdict in (verdict for verdict in scored.verdicts if verdict.agent == agent):
            judged = verdict.scores["execution_accuracy_fixed"]
            assert (verdict.outcome == "right") == (judged == 1.0)
            assert (verdict.outcome in ("gold error", "no database")) == (judged is None)


def test_metric_names_suit_mlflow(scored):
    assert all(re.fullmatch(r"[a-z_]+/[a-z_/0-9]+", key) for key in scored.metrics)
    assert all(math.isfinite(value) for value in scored.metrics.values())


def test_the_keys_do_not_depend_on_what_came_out(scored, zoo, sandbox):
    good = [row for row, case in zip(ROWS, CASES, strict=True) if case["outcome"] == "right"]
    few = score(good, {"zoo": zoo}, sandbox).metrics
    assert {key for key in scored.metrics if "/outcome/" in key} == {key for key in few if "/outcome/" in key}


def test_scoring_again_or_in_another_order_gives_the_same(scored, zoo, sandbox):
    again = score(ROWS[::-1], {"zoo": zoo}, sandbox)
    assert again.verdicts[::-1] == scored.verdicts
    assert again.metrics.keys() == scored.metrics.keys()
    assert all(again.metrics[key] == pytest.approx(value) for key, value in scored.metrics.items())


def test_nothing_gives_nothing(zoo, sandbox):
    nothing = score([], {"zoo": zoo}, sandbox)
    assert nothing.metrics == {}
    assert nothing.verdicts == []


def test_a_mean_of_nothing_is_left_out(zoo, sandbox):
    only = [row for row, case in zip(ROWS, CASES, strict=True) if case["outcome"] == "gold error"]
    metrics = score(only, {"zoo": zoo}, sandbox).metrics
    absent = ["decomposer/execution_accuracy", "decomposer/spider_em", "refiner/fix_rate", "selector/column_recall"]
    assert not [name for name in absent if name in metrics]
    assert metrics["decomposer/gold_errors"] == metrics["decomposer/count"] == 1


def test_a_mean_is_over_the_agent_s_own_verdicts(scored):
    half = [verdict for verdict in scored.verdicts if verdict.agent == "refiner"]
    assert summary(half) == {key: value for key, value in scored.metrics.items() if key.startswith("refiner/")}


def test_a_missing_file_is_named(zoo, sandbox, tmp_path):
    gone = Database("zoo", tmp_path / "gone.sqlite", zoo.schema)
    with pytest.raises(UserError, match=r"gone\.sqlite"):
        score([row for row in ROWS if row.agent == "refiner"], {"zoo": gone}, sandbox)


WORDS = '``` ```sql ```json SELECT name FROM keeper ; { } "keeper" : [ ] \' " value ORDER BY ( ) é DISTINCT -- /* 1'
TOKENS = st.sampled_from([*WORDS.split(), "\n", "```sql\n", "\0", "\ud800", "DROP TABLE keeper"])
TEXT = st.lists(TOKENS, max_size=15).map(" ".join) | st.text(max_size=40)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers=st.lists(st.tuples(st.sampled_from(AGENTS), TEXT, TEXT, TEXT), max_size=6))
def test_any_text_gets_a_verdict(zoo, sandbox, answers):
    before = zoo.path.read_bytes()
    cases = [{"agent": agent, "answer": out, "gold": gold, "broken": old} for agent, out, gold, old in answers]
    rows = [prediction(case, number) for number, case in enumerate(cases)]
    found = score(rows, {"zoo": zoo}, sandbox)
    assert [verdict.id for verdict in found.verdicts] == [row.id for row in rows]
    values = [value for verdict in found.verdicts for value in verdict.scores.values() if value is not None]
    assert all(0 <= value <= 1 for value in values)
    assert zoo.path.read_bytes() == before


@pytest.fixture(scope="module")
def spider(shared):
    root = shared / "data" / "spider"
    schemas = read_tables_json(root / "tables.json")
    files = {name: root / "database" / name / f"{name}.sqlite" for name in schemas}
    return {name: Database(name, file, schemas[name]) for name, file in files.items() if file.is_file()}


@pytest.mark.parametrize("name", ["spider_llm", "spider_mutated", "spider_edge_cases"])
def test_the_official_verdicts_come_out_of_whole_answers(shared, spider, sandbox, name):
    known = [json.loads(line) for line in (shared / "parity" / f"{name}.jsonl").read_text().splitlines()[:500]]
    cases = [
        {"agent": "decomposer", "db_id": row["db_id"], "gold": row["gold"], "answer": fenced(row["pred"], "sql")}
        for row in known
    ]
    verdicts = score([prediction(case, number) for number, case in enumerate(cases)], spider, sandbox).verdicts
    for row, verdict in zip(known, verdicts, strict=True):
        assert (verdict.scores["spider_em"], verdict.scores["execution_accuracy"]) == (row["exact"], row["exec"]), row


def test_the_selector_s_own_targets_are_right(shared, spider, sandbox):
    known = json.loads((shared / "data" / "spider" / "dev.json").read_text())
    cases = []
    for row in known:
        selection = right_selection(resolve(row["query"], spider[row["db_id"]].schema))
        answer = fenced(json.dumps(dict(selection.tables)), "json")
        cases.append({"agent": "selector", "db_id": row["db_id"], "gold": row["query"], "answer": answer})
    scored = score([prediction(case, number) for number, case in enumerate(cases)], spider, sandbox)
    wanted = ["outcome/right", "readable", "table_f1", "column_recall", "answerable"]
    assert {name: scored.metrics[f"selector/{name}"] for name in wanted} == dict.fromkeys(wanted, 1)
    assert 0 < scored.metrics["selector/column_precision"] < 1
    assert 0 < scored.metrics["selector/compression"] < 1
