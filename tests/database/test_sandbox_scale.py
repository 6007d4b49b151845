"""Thousands of statements: real gold queries all run, memory stays flat, and it is fast."""

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from macsql.database.sandbox import Limits, Sandbox, Status

# What SQLite itself cannot run of Spider's questions: ORDER BY before a set operation, a table that is not there.
UNRUNNABLE = {Status.ERROR: 2, Status.NO_SUCH_TABLE: 1}


@pytest.fixture(scope="module")
def gold(shared: Path) -> list[tuple[Path, str]]:
    """Spider's 7,000 training and 475 development queries, each with its database."""
    folder = shared / "data" / "spider"
    questions = [q for name in ("train_spider", "dev") for q in json.loads((folder / f"{name}.json").read_text())]
    return [(folder / "database" / q["db_id"] / f"{q['db_id']}.sqlite", q["query"]) for q in questions]


def test_no_gold_query_is_denied_and_no_database_changes(gold: list[tuple[Path, str]]) -> None:
    def states() -> dict[Path, tuple[int, str]]:
        files = sorted({path for database, _ in gold for path in database.parent.iterdir()})
        return {path: (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files}

    before = states()
    with Sandbox(workers=2) as sandbox:
        statuses = [outcome.status for outcome in sandbox.run_many(gold)]
    failures = [status for status in statuses if status is not Status.OK]
    assert {status: failures.count(status) for status in set(failures)} == UNRUNNABLE
    assert len(statuses) == len(gold) == 7475
    assert states() == before


def test_two_cores_can_run_five_thousand_small_queries_a_second(gold: list[tuple[Path, str]]) -> None:
    """By processor time, which a busy machine does not change much: 2 cores / 5,000 = 400 microseconds per query."""

    def used() -> float:
        return sum(sum(process.cpu_times()[:2]) for process in [me, *me.children(recursive=True)])

    me = psutil.Process()
    with Sandbox(workers=2) as sandbox:
        list(sandbox.run_many(gold[:500]))
        before = used()
        for _ in sandbox.run_many(gold):
            pass
        assert (used() - before) / len(gold) < 400e-6


@pytest.mark.slow
def test_cost_grows_linearly_and_memory_stays_flat(gold: list[tuple[Path, str]]) -> None:
    nasty = [
        "SELECT printf('%.1000000c', 'x') FROM (VALUES (1), (2), (3))",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
        "SELECT hex(printf('%.2000000c', 'x'))",
        "SELEC",
        "DROP TABLE t",
        "SELECT '" + "x" * 90_000 + "'",
    ]

    def statements() -> Iterator[tuple[Path, str]]:
        for number, (database, sql) in enumerate(gold[:1500]):
            yield database, nasty[number // 10 % len(nasty)] if number % 10 == 0 else sql

    def resident() -> int:
        processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
        return sum(process.memory_info().rss for process in processes)

    with Sandbox(workers=2, limits=Limits(rows=20_000)) as sandbox:
        sizes, seconds = [], []
        for _ in range(6):
            begun = time.perf_counter()
            for _ in sandbox.run_many(statements()):
                pass
            seconds.append(time.perf_counter() - begun)
            sizes.append(resident())
    assert max(sizes[3:]) < sizes[1] + (16 << 20)
    assert min(seconds[3:]) < 1.5 * min(seconds[:3])
