"""Answers as models write them, read; and no text at all that makes a reader fail."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macsql.agents import decomposer, refiner, selector
from macsql.agents.decomposer import Step
from macsql.records import AGENTS


def rows(name: str) -> list[dict]:
    text = (Path(__file__).parent / "data" / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("row", rows("selector_answers.jsonl"), ids=lambda row: repr(row["answer"])[:50])
def test_selector_answers(row: dict) -> None:
    selection = selector.parse(row["answer"])
    tables = {name: list(d) if isinstance(d, tuple) else d for name, d in selection.tables.items()}
    assert (selection.readable, tables) == (row["readable"], row["tables"])


@pytest.mark.parametrize("row", rows("sql_answers.jsonl"), ids=lambda row: repr(row["answer"])[:50])
def test_sql_answers(row: dict) -> None:
    read = decomposer.parse(row["answer"])
    steps = [[step.question, step.sql] for step in read.steps]
    assert (read.readable, steps, read.sql) == (row["readable"], row["steps"], row["sql"])
    fix = refiner.parse(row["answer"])
    assert (fix.readable, fix.sql) == (row["readable"], row["sql"])


PARTS = [
    "```",
    "```sql\n",
    "```json",
    "\n",
    "SELECT",
    "{",
    "}",
    "[",
    '"t": "keep_all"',
    "Sub question 1:",
    "SQL",
    "x",
    "'",
]


@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(PARTS), max_size=20).map("".join)))
def test_reading_never_raises(answer: str) -> None:
    for agent in AGENTS:
        read = {"selector": selector, "decomposer": decomposer, "refiner": refiner}[agent].parse(answer)
        assert isinstance(read.readable, bool)
    found = decomposer.parse(answer)
    assert not found.readable or found.sql


def test_nesting_without_end_is_unreadable() -> None:
    assert not selector.parse("[" * 100_000).readable
    assert not selector.parse('{"a":' * 100_000).readable
    assert not selector.parse("```json\n" + "[" * 100_000 + "\n```").readable


SQL = st.text(st.characters(exclude_categories=["C"], exclude_characters="`"), min_size=1).map(str.strip).filter(bool)
WORDS = st.from_regex(r"[A-Za-z0-9 ,?]{0,30}", fullmatch=True).map(str.strip)


@given(st.lists(st.builds(Step, WORDS, SQL), min_size=1, max_size=5), st.sampled_from(["brief", "mac_sql"]))
def test_written_steps_are_read_back(steps: list[Step], style: str) -> None:
    read = decomposer.parse(decomposer.write(steps, style))
    assert read.readable
    assert read.sql == steps[-1].sql
    short = style == "brief" and len(steps) == 1
    assert read.steps == ((Step("", steps[0].sql),) if short else tuple(steps))


@given(SQL)
def test_a_written_fix_is_read_back(sql: str) -> None:
    assert refiner.parse(refiner.write(sql)) == refiner.Fix(True, sql)


def test_steps_fit_a_budget_from_the_end() -> None:
    steps = [Step("first", "a " * 50), Step("second", "b " * 20), Step("third", "c " * 20)]
    assert decomposer.fitting(steps, 10_000) == steps
    assert decomposer.fitting(steps, 120) == steps[1:]
    assert decomposer.fitting(steps, 1) == steps[2:]
