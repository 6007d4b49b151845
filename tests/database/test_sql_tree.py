"""SQLite itself says which columns a statement reads: what we resolve must be the same."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macsql.database.schema import Database, Schema
from macsql.database.sql_tree import SqlUnreadableError, parse, resolve
from macsql.database.tables_json import read_tables_json

GOLDS = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "data" / "golds.jsonl").read_text(encoding="utf-8").splitlines()
]


def read_by_sqlite(connection: sqlite3.Connection, sql: str) -> tuple[set[str], set[tuple[str, str]]]:
    """Tables and (table, column) pairs that SQLite's authorizer is asked about, in lower case."""
    reads: set[tuple[str, str]] = set()

    def note(action: int, table: str | None, column: str | None, *_: object) -> int:
        if action == sqlite3.SQLITE_READ and table and not table.startswith("sqlite_master"):
            reads.add((table.lower(), (column or "").lower()))
        return sqlite3.SQLITE_OK

    connection.set_authorizer(note)
    connection.execute(f"EXPLAIN {sql}").fetchall()
    return {table for table, _ in reads}, {(table, column) for table, column in reads if column}


def named(sql: str, schema: Schema) -> tuple[set[str], set[tuple[str, str]]]:
    found = resolve(sql, schema)
    return {t.lower() for t in found.tables}, {(t.lower(), c.lower()) for t, c in found.columns}


# SQLite calls a rowid by the column that it is, looks up a star in EXISTS, and is silent on how tables are joined
NOT_AS_SQLITE = ("rowid", "EXISTS (SELECT *", "USING", "NATURAL")


@pytest.mark.parametrize("sql", [gold["sql"] for gold in GOLDS if not any(p in gold["sql"] for p in NOT_AS_SQLITE)])
def test_names_what_sqlite_reads(ferries: Database, sql: str) -> None:
    with closing(sqlite3.connect(ferries.path)) as connection:
        tables, columns = read_by_sqlite(connection, sql)
    own = {table.name for table in ferries.schema.tables}  # SQLite counts a CTE or subquery as a table of its own
    assert named(sql, ferries.schema) == (tables & own, {pair for pair in columns if pair[0] in own})


def test_rowid_is_no_column(schema: Schema) -> None:
    assert resolve("SELECT name FROM vessel WHERE rowid = 2", schema).columns == (("vessel", "name"),)


@pytest.mark.parametrize("join", ["JOIN inspection USING (vessel_id)", "NATURAL JOIN inspection"])
def test_a_shared_column_is_needed_on_both_sides(schema: Schema, join: str) -> None:
    found = resolve(f"SELECT result FROM vessel {join} WHERE seats > 70", schema)
    needed = {("vessel", "vessel_id"), ("inspection", "vessel_id"), ("inspection", "result"), ("vessel", "seats")}
    assert set(found.columns) == needed


def test_a_star_in_exists_asks_for_no_column(schema: Schema) -> None:
    found = resolve("SELECT name FROM vessel WHERE EXISTS (SELECT * FROM landing)", schema)
    assert found.columns == (("vessel", "name"),)
    assert found.tables == ("vessel", "landing")


def test_columns_come_in_the_order_of_the_text(schema: Schema) -> None:
    found = resolve("SELECT T2.captain, T1.name FROM vessel T1 JOIN crossing T2 ON T1.vessel_id = T2.vessel_id", schema)
    assert [column for _, column in found.columns] == ["captain", "name", "vessel_id", "vessel_id"]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT name FROM boat", "names a table that the schema lacks"),
        ("SELECT colour FROM vessel", "names a column that the schema lacks"),
        ("SELECT T9.name FROM vessel AS T1", "names a column that the schema lacks"),
        ("SELECT `colour` FROM vessel", "names a column that the schema lacks"),
        ("SELEC name FROM vessel", "does not parse"),
        ("SELECT name FROM (vessel", "does not parse"),
        ("DELETE FROM vessel", "is not one SELECT"),
        ("SELECT 1; SELECT 2", "is not one SELECT"),
        ("", "is not one SELECT"),
        ("SELECT " + "(" * 5000 + "1" + ")" * 5000, "does not parse"),
    ],
)
def test_says_why_it_cannot_read(schema: Schema, sql: str, reason: str) -> None:
    with pytest.raises(SqlUnreadableError) as caught:
        resolve(sql, schema)
    assert caught.value.reason == reason


WORDS = [
    "SELECT",
    "FROM",
    "WHERE",
    "vessel",
    "name",
    "(",
    ")",
    ",",
    "*",
    "=",
    "'",
    '"',
    "JOIN",
    "WITH",
    "AS",
    "UNION",
    ";",
]


@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join)))
def test_any_text_is_read_or_refused(sql: str) -> None:
    try:
        resolve(sql, Schema("empty", ()))
    except SqlUnreadableError:
        return
    parse(sql)


def test_spider_golds_name_what_sqlite_reads(shared: Path) -> None:
    spider = shared / "data" / "spider"
    schemas = read_tables_json(spider / "tables.json")
    rows = json.loads((spider / "train_spider.json").read_text(encoding="utf-8"))[::7]
    connections: dict[str, sqlite3.Connection] = {}
    compared = 0
    for row in sorted(rows, key=lambda row: row["db_id"]):
        db_id, sql = row["db_id"], row["query"]
        if db_id not in connections:
            path = spider / "database" / db_id / f"{db_id}.sqlite"
            connections[db_id] = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
        try:
            tables, columns = read_by_sqlite(connections[db_id], sql)
        except sqlite3.Error:
            continue  # a gold query that does not run
        assert named(sql, schemas[db_id]) == (tables, columns), sql
        compared += 1
    for connection in connections.values():
        connection.close()
    assert compared > 0.99 * len(rows)


@pytest.mark.parametrize(
    "sql",
    ["SELECT name FROM vessel; -- done", "-- first\nSELECT name FROM vessel", "SELECT name FROM vessel ; ; /* x */"],
)
def test_comments_and_what_ends_a_statement_are_no_statement(schema: Schema, sql: str) -> None:
    assert resolve(sql, schema).columns == (("vessel", "name"),)
