"""Typed outcomes, limits, files of every kind, the order and laziness of batches, timings, the cache."""

import itertools
import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macsql.database.readonly import COARSE, FINE, SWITCH
from macsql.database.sandbox import Limits, Sandbox, Status
from macsql.errors import UserError

COUNT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {}) SELECT {} FROM n"


def make_database(path: Path, rows: int = 3) -> Path:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT, age REAL)")
    connection.executemany("INSERT INTO singer VALUES (?, ?, ?)", [(i, f"singer {i}", i / 2) for i in range(rows)])
    connection.commit()
    connection.close()
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_database(tmp_path_factory.mktemp("sandbox") / "singers.sqlite")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=2) as shared_by_the_module:
        yield shared_by_the_module


def test_an_answer_has_its_columns_rows_and_costs(sandbox: Sandbox, database: Path) -> None:
    outcome = sandbox.run(database, "SELECT name AS singer, age, NULL, x'00ff' FROM singer ORDER BY id DESC LIMIT 2")
    assert outcome.ok
    assert outcome.columns == ("singer", "age", "NULL", "x'00ff'")
    assert outcome.rows == (("singer 2", 1.0, None, b"\x00\xff"), ("singer 1", 0.5, None, b"\x00\xff"))
    assert (outcome.message, outcome.exception) == ("", "")
    assert outcome.steps > 0
    assert 0 < outcome.seconds < 30


@pytest.mark.parametrize(
    ("sql", "status", "exception", "message"),
    [
        ("SELEC 1", "syntax", "sqlite3.OperationalError", 'near "SELEC": syntax error'),
        ("SELECT 'x", "syntax", "sqlite3.OperationalError", 'unrecognized token: "\'x"'),
        ("SELECT 1 FROM (", "syntax", "sqlite3.OperationalError", "incomplete input"),
        ("SELECT * FROM song", "no such table", "sqlite3.OperationalError", "no such table: song"),
        ("SELECT s.title FROM singer s", "no such column", "sqlite3.OperationalError", "no such column: s.title"),
        ("SELECT id FROM singer a, singer b", "error", "sqlite3.OperationalError", "ambiguous column name: id"),
        ("SELECT sin(1, 2)", "error", "sqlite3.OperationalError", "wrong number of arguments to function sin()"),
        (
            "SELECT id FROM singer WHERE sum(id) > 0",
            "error",
            "sqlite3.OperationalError",
            "misuse of aggregate function sum()",
        ),
        ("DROP TABLE singer", "denied", "sqlite3.DatabaseError", "not authorized"),
        ("SELECT 'no such table: x' FROM", "syntax", "sqlite3.OperationalError", "incomplete input"),
    ],
)
def test_an_error_has_its_type_and_the_words_of_sqlite(
    sandbox: Sandbox, database: Path, sql: str, status: str, exception: str, message: str
) -> None:
    outcome = sandbox.run(database, sql)
    assert (outcome.status.value, outcome.exception, outcome.message) == (status, exception, message)
    assert not outcome.ok
    assert outcome.rows == ()


def test_a_statement_ends_at_its_time_limit(sandbox: Sandbox, database: Path) -> None:
    outcome = sandbox.run(database, COUNT.format(10**12, "count(*)"), Limits(seconds=0.1))
    assert outcome.status is Status.TIMEOUT
    assert 0.1 <= outcome.seconds < 1.1


@pytest.mark.parametrize(("rows", "status"), [(1000, "ok"), (1001, "too many rows")])
def test_rows_are_capped(sandbox: Sandbox, database: Path, rows: int, status: str) -> None:
    outcome = sandbox.run(database, COUNT.format(rows, "i"), Limits(rows=1000))
    assert outcome.status.value == status
    assert len(outcome.rows) == (rows if outcome.ok else 0)


def test_bytes_are_capped(sandbox: Sandbox, database: Path) -> None:
    sql = COUNT.format(100, "printf('%.1000c', 'x')")
    assert sandbox.run(database, sql, Limits(bytes=200_000)).ok
    assert sandbox.run(database, sql, Limits(bytes=50_000)).status is Status.TOO_MANY_ROWS


def test_memory_is_capped_and_a_fresh_worker_follows(sandbox: Sandbox, database: Path) -> None:
    tight = Limits(memory=64 << 20)
    hungry = COUNT.format(10**9, "printf('%.100000c', 'x') || i") + " ORDER BY 1"
    assert sandbox.run(database, hungry, tight).status is Status.MEMORY
    assert sandbox.run(database, "SELECT count(*) FROM singer", tight).rows == ((3,),)


@pytest.mark.parametrize("bad", [{"seconds": 0}, {"seconds": math.nan}, {"rows": -1}, {"memory": 1000}])
def test_impossible_limits_are_refused_by_name(bad: dict[str, float]) -> None:
    with pytest.raises(UserError, match=next(iter(bad))):
        Limits(**bad)  # type: ignore[arg-type]


def test_no_workers_are_refused() -> None:
    with pytest.raises(UserError, match="at least 1 worker"):
        Sandbox(workers=0)


@pytest.mark.parametrize("name", ["a b.sqlite", "50%41.sqlite", "what?mode=rwc.sqlite", "c#d.sqlite", "ä&ö=😀.sqlite"])
def test_any_file_name_is_opened_as_it_is(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    path = make_database(tmp_path / name)
    assert sandbox.run(path, "SELECT count(*) FROM singer").rows == ((3,),)
    assert names(tmp_path) == [name]


def test_a_relative_path_means_the_parents_folder(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_database(tmp_path / "here.sqlite")
    monkeypatch.chdir(tmp_path)
    assert sandbox.run(Path("here.sqlite"), "SELECT count(*) FROM singer").rows == ((3,),)


def test_a_missing_file_is_the_users_error_and_starts_no_worker(tmp_path: Path) -> None:
    with Sandbox() as fresh:
        with pytest.raises(UserError, match=r"nowhere\.sqlite"):
            fresh.run(tmp_path / "nowhere.sqlite", "SELECT 1")
        with pytest.raises(UserError, match="regular file"):
            fresh.run(tmp_path, "SELECT 1")
        with pytest.raises(UserError, match=r"nowhere\.sqlite"):
            next(fresh.run_many([(tmp_path / "nowhere.sqlite", "SELECT 1")]))
        assert not fresh._started
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"question,sql\n" * 100, "file is not a database"),
        (b"SQLite format 3\x00" + b"\xff" * 8176, "file is not a database"),
    ],
)
def test_a_file_that_is_no_database_is_an_outcome(
    sandbox: Sandbox, tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "odd.sqlite"
    path.write_bytes(content)
    outcome = sandbox.run(path, "SELECT 1")
    assert (outcome.status, outcome.exception) == (Status.ERROR, "sqlite3.DatabaseError")
    assert message in outcome.message
    assert path.read_bytes() == content


def test_a_damaged_database_is_an_outcome(sandbox: Sandbox, tmp_path: Path) -> None:
    path = make_database(tmp_path / "damaged.sqlite", rows=2000)
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\x07" * (len(content) - 4096))
    outcome = sandbox.run(path, "SELECT * FROM singer")
    assert (outcome.status, outcome.message) == (Status.ERROR, "database disk image is malformed")


@pytest.mark.parametrize(
    ("sql", "status"),
    [
        ("SELECT 1 WHERE " + " OR ".join(["1 = 2"] * 990), Status.OK),
        ("SELECT 1 WHERE " + " OR ".join(["1 = 2"] * 1100), Status.DENIED),
        (" UNION ".join(["SELECT 1"] * 500), Status.OK),
        (" UNION ".join(["SELECT 1"] * 501), Status.DENIED),
        ("SELECT 'x' LIKE '" + "%x" * 24_000 + "'", Status.OK),
        ("SELECT 1 WHERE 1 IN (" + ", ".join(map(str, range(100_000))) + ")", Status.OK),
    ],
    ids=["990 terms", "1100 terms", "500 selects", "501 selects", "a long pattern", "a long list"],
)
def test_what_sqlite_takes_by_itself_is_taken(sandbox: Sandbox, database: Path, sql: str, status: Status) -> None:
    assert sandbox.run(database, sql).status is status


def test_an_empty_file_is_an_empty_database(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "empty.sqlite").touch()
    assert sandbox.run(tmp_path / "empty.sqlite", "SELECT * FROM sqlite_master").rows == ()


def test_a_database_in_wal_mode_is_read_without_its_side_files(sandbox: Sandbox, tmp_path: Path) -> None:
    path = make_database(tmp_path / "wal.sqlite")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("INSERT INTO singer VALUES (9, 'new', 1)")
    connection.commit()
    with pytest.raises(UserError, match=r"changes waiting in .*wal\.sqlite-wal"):
        sandbox.run(path, "SELECT count(*) FROM singer")
    connection.close()
    assert sandbox.run(path, "SELECT count(*) FROM singer").rows == ((4,),)
    assert names(tmp_path) == ["wal.sqlite"]


def test_text_that_is_not_utf8_comes_without_its_bad_bytes(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "latin.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (name TEXT)")
    connection.execute("INSERT INTO t VALUES (CAST(x'4dfc6c6c6572' AS TEXT))")
    connection.commit()
    connection.close()
    assert sandbox.run(path, "SELECT name FROM t").rows == (("Mller",),)


def test_a_changed_file_is_read_anew_and_leaves_the_cache(sandbox: Sandbox, tmp_path: Path) -> None:
    path = make_database(tmp_path / "growing.sqlite", rows=1)
    for rows in (1, 500):
        path.unlink()
        make_database(path, rows)
        assert sandbox.run(path, "SELECT count(*) FROM singer", cache=True).rows == ((rows,),)


def test_a_cached_result_is_not_run_again_and_the_cache_is_bounded(database: Path) -> None:
    with Sandbox(cache_bytes=200_000) as fresh:
        first = fresh.run(database, "SELECT random()", cache=True)
        assert fresh.run(database, "SELECT random()", cache=True) is first
        assert fresh.run(database, "SELECT random()").rows != first.rows
        assert list(fresh.run_many([(database, "SELECT 1"), (database, "SELECT random()")], cache=True))[1] is first
        for number in range(300):
            fresh.run(database, f"SELECT {number}, random()", cache=True)
        assert fresh._cache.size <= 200_000
        assert fresh.run(database, "SELECT random()", cache=True) is not first
        assert fresh.run(database, "SELECT salary FROM singer", cache=True).status is Status.NO_SUCH_COLUMN


def test_run_many_keeps_the_order_and_reads_ahead_a_little(sandbox: Sandbox, database: Path) -> None:
    taken = 0

    def statements() -> Iterator[tuple[Path, str]]:
        nonlocal taken
        for taken in itertools.count():
            yield database, "SELEC" if taken % 7 == 0 else f"SELECT {taken}"

    outcomes = sandbox.run_many(statements())
    for number, outcome in enumerate(itertools.islice(outcomes, 500)):
        assert outcome.rows == (((number,),) if number % 7 else ())
        assert taken - number < 1000
    outcomes.close()  # type: ignore[attr-defined]
    assert sandbox.run(database, "SELECT 1").ok


def test_run_many_goes_on_after_each_kind_of_failure(sandbox: Sandbox, database: Path) -> None:
    failures = {
        "SELECT instr(printf('%.9000000c', 'x'), printf('%.4000000c', 'x') || 'y')": Status.TIMEOUT,
        COUNT.format(10**12, "count(*)"): Status.TIMEOUT,
        COUNT.format(10**9, "i"): Status.TOO_MANY_ROWS,
        "SELECT hex(hex(hex(printf('%.2000000c', 'x'))))": Status.MEMORY,
        "DELETE FROM singer": Status.DENIED,
    }
    statements = [(database, sql) for bad in failures for sql in ["SELECT 1", bad, "SELECT 2", "SELECT 3"]]
    outcomes = list(sandbox.run_many(statements, Limits(seconds=0.5, rows=1000)))
    assert [outcome.status for outcome in outcomes[1::4]] == list(failures.values())
    assert [o.rows for o in outcomes[0::4] + outcomes[2::4] + outcomes[3::4]] == [
        ((n,),) for n in (1, 2, 3) for _ in failures
    ]


def test_run_within_run_many_does_not_wait_for_ever(database: Path) -> None:
    with Sandbox(workers=1) as single:
        outer = single.run_many([(database, f"SELECT {number}") for number in range(300)])
        assert [(single.run(database, "SELECT 7").rows, outcome.rows) for outcome in outer][299] == (((7,),), ((299,),))


def test_large_results_come_in_portions_and_complete(sandbox: Sandbox, database: Path) -> None:
    def large(number: int) -> str:  # 1 MB each: two fit into the limit together
        return COUNT.format(200, f"{number}, printf('%.5000c', 'x')")

    outcomes = sandbox.run_many([(database, large(number)) for number in range(40)], Limits(bytes=2_000_000))
    assert [(len(outcome.rows), outcome.rows[0][0]) for outcome in outcomes] == [(200, n) for n in range(40)]


def test_repeated_runs_are_timed_within_the_one_limit(sandbox: Sandbox, database: Path) -> None:
    outcome, seconds = sandbox.run_repeated(database, "SELECT count(*) FROM singer", times=50)
    assert outcome.rows == ((3,),)
    assert len(seconds) == 50
    assert all(0 < one < 1 for one in seconds)
    slow = COUNT.format(200_000, "count(*)")
    outcome, seconds = sandbox.run_repeated(database, slow, times=10_000, limits=Limits(seconds=0.5))
    assert outcome.rows == ((200_000,),)
    assert 1 <= len(seconds) < 10_000
    assert sum(seconds) < 0.6
    assert sandbox.run_repeated(database, "SELECT x", times=5)[1] == ()


def test_steps_are_the_same_in_every_run(sandbox: Sandbox, database: Path, tmp_path: Path) -> None:
    statements = [COUNT.format(size, what) for size in (1, 50, 700, 3000, 40_000) for what in ("i", "count(*)")]
    first = [sandbox.run(database, sql).steps for sql in statements]
    other = make_database(tmp_path / "other.sqlite")
    again = [outcome.steps for outcome in sandbox.run_many((other, sql) for sql in statements * 5)]
    assert again == first * 5
    assert first[0] < first[2] < first[4] < first[6] < first[8]


def test_steps_are_those_that_sqlite_counts(sandbox: Sandbox, database: Path) -> None:
    for size in (1, 10, 100, 700, 715, 720, 3000, 20_000):
        for what in ("i", "count(*)"):
            sql, exact = COUNT.format(size, what), 0

            def tick() -> None:
                nonlocal exact
                exact += 1

            with sqlite3.connect(":memory:") as connection:
                connection.execute("SELECT 1 FROM sqlite_master").fetchall()
                connection.set_progress_handler(tick, 1)
                connection.execute(sql).fetchall()
            resolution = FINE if exact < SWITCH else COARSE
            assert sandbox.run(database, sql).steps == exact // resolution * resolution


def test_full_text_spatial_and_json_tables_can_be_read(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "virtual.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE VIRTUAL TABLE song USING fts5(title);
        INSERT INTO song VALUES ('Blue moon'), ('Red sun');
        CREATE VIRTUAL TABLE "stage A" USING rtree(id, x0, x1);
        INSERT INTO "stage A" VALUES (1, 0.0, 2.0);
        """
    )
    connection.close()
    for sql, rows in {
        "SELECT title FROM song WHERE song MATCH 'moon'": (("Blue moon",),),
        'SELECT id FROM "stage A" WHERE x0 < 1': ((1,),),
        "SELECT value FROM json_each('[4, 5]')": ((4,), (5,)),
    }.items():
        assert sandbox.run(path, sql).rows == rows
    assert sandbox.run(path, "INSERT INTO song(song) VALUES ('rebuild')").status is Status.DENIED


@given(st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_text_has_an_outcome(sandbox: Sandbox, database: Path, text: str) -> None:
    outcome = sandbox.run(database, text)
    assert outcome.status not in (Status.CRASH, Status.TIMEOUT, Status.MEMORY)


@given(
    st.lists(
        st.one_of(
            st.none(),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        ),
        min_size=1,
        max_size=8,
    )
)
@settings(max_examples=100, deadline=None)
def test_values_come_back_as_sqlite_gives_them(sandbox: Sandbox, database: Path, values: list[object]) -> None:
    with sqlite3.connect(":memory:") as connection:
        literals = [connection.execute("SELECT quote(?)", (value,)).fetchone()[0] for value in values]
        expected = connection.execute(f"SELECT {', '.join(literals)}").fetchall()
    assert sandbox.run(database, f"SELECT {', '.join(literals)}").rows == tuple(expected)
