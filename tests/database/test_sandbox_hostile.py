"""The hostile corpus: every statement gets its typed outcome in time, and nothing on disk is another than before."""

import hashlib
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from macsql.database.sandbox import Limits, Outcome, Sandbox

CORPUS = Path(__file__).parent / "hostile" / "statements.jsonl"
LIMITS = Limits(seconds=0.2, rows=20_000, bytes=4 << 20, memory=256 << 20)


def read_corpus(outside: Path) -> list[dict[str, Any]]:
    """The statements; `fill` says which mark stands for which text, repeated how often."""
    cases = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]
    for case in cases:
        case["sql"] = case["sql"].replace("{outside}", str(outside))
        for mark, (text, times) in case.get("fill", {}).items():
            case["sql"] = case["sql"].replace(mark, text * times)
    return cases


@pytest.fixture
def database(tmp_path: Path) -> Path:
    folder = tmp_path / "a folder with # ? % %41 and blanks"
    folder.mkdir()
    path = folder / "singers.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT, age INT);
        CREATE INDEX by_age ON singer (age);
        CREATE VIEW adults AS SELECT * FROM singer WHERE age >= 18;
        CREATE VIEW trap AS SELECT load_extension('x'), randomblob(1000000000);
        CREATE VIRTUAL TABLE notes USING fts5(text);
        INSERT INTO notes VALUES ('a song'), ('a b');
        """
    )
    rows = [(number, f"singer {number}", number % 90) for number in range(1000)]
    connection.executemany("INSERT INTO singer VALUES (?, ?, ?)", rows)
    connection.commit()
    connection.close()
    return path


def state(folder: Path) -> dict[str, Any]:
    """Everything below a folder: contents and times of change."""
    return {
        str(path): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "")
        for path in sorted([folder, *folder.rglob("*")])
    }


def judge(case: dict[str, Any], outcome: Outcome) -> str:
    """What is wrong with an outcome; empty if nothing is."""
    if outcome.status not in case["expect"]:
        return f"{case['name']}: {outcome.status.value} ({outcome.message[:80]}), not one of {case['expect']}"
    if not outcome.ok and outcome.rows:
        return f"{case['name']}: rows without success"
    if not outcome.ok and not outcome.message:
        return f"{case['name']}: no message"
    return ""


def test_each_statement_is_answered_in_time_and_changes_nothing(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cases = read_corpus(tmp_path / "stolen.sqlite")
    assert len(cases) > 200
    before, children = state(tmp_path), set(psutil.Process().children())
    faults = []
    with Sandbox(workers=1, limits=LIMITS) as sandbox:
        sandbox.run(database, "SELECT 1")  # the worker's start is not the statement's time
        for case in cases:
            begun = time.monotonic()
            outcome = sandbox.run(database, case["sql"])
            seconds = time.monotonic() - begun
            if seconds > LIMITS.seconds + 1:
                faults.append(f"{case['name']}: {seconds:.2f} s")
            faults.append(judge(case, outcome))
    assert [fault for fault in faults if fault] == []
    assert state(tmp_path) == before
    assert set(psutil.Process().children()) == children


def test_in_batches_each_has_its_outcome_and_the_next_statement_notices_nothing(database: Path, tmp_path: Path) -> None:
    cases = [case for case in read_corpus(tmp_path / "stolen.sqlite") if "timeout" not in case["expect"]]
    before = state(tmp_path)
    after = ["SELECT count(*) FROM notes('b')", "SELECT count(*) FROM adults"]
    with Sandbox(workers=2, limits=LIMITS) as sandbox:
        outcomes = list(sandbox.run_many((database, sql) for case in cases for sql in [case["sql"], *after]))
    assert [judge(case, outcome) for case, outcome in zip(cases, outcomes[::3], strict=True)] == [""] * len(cases)
    assert {outcome.rows for outcome in outcomes[1::3]} == {((1,),)}
    assert len({(outcome.rows, outcome.steps) for outcome in outcomes[2::3]}) == 1
    assert state(tmp_path) == before


def test_no_file_descriptor_is_left(database: Path) -> None:
    process = psutil.Process()
    before = process.num_fds()
    for _ in range(3):
        with Sandbox(workers=2, limits=LIMITS) as sandbox:
            list(
                sandbox.run_many(
                    [(database, "SELECT instr(printf('%.9000000c', 'x'), printf('%.4000000c', 'x') || 'y')")]
                )
            )
            sandbox.run(database, "SELECT 1")
    assert process.num_fds() == before
