"""A sub-question asks for what its SQL gives: it is read back by other code, run, and compared. Else it is not told."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from second_reading import Reader

from macsql.database.schema import Schema, read_sqlite_schema
from macsql.database.sql_tree import SqlUnreadableError
from macsql.factory.wording import UntellableError, in_words

SCRIPT = """
CREATE TABLE owner (id INTEGER PRIMARY KEY, name TEXT, age INTEGER, city TEXT);
CREATE TABLE pet (pet_id INTEGER PRIMARY KEY, owner_id INTEGER REFERENCES owner(id), name TEXT, weight INTEGER);
CREATE TABLE visit (visit_id INTEGER PRIMARY KEY, pet_id INTEGER REFERENCES pet(pet_id), price REAL, note TEXT,
                    "in or out" TEXT);
"""
TEXTS = ["Ann", "Bo", "Ann and Bo", "missing", "not Bo", "a, b", "name", "5", 'the "x"', "O'Neil's", "'x", "", None]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[sqlite3.Connection, Schema]]:
    path: Path = tmp_path_factory.mktemp("wording") / "pets.sqlite"
    dice = random.Random(5)
    numbers = [0, 1, 2, 3, None]
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCRIPT)
        for key in range(1, 31):
            owner = (key, dice.choice(TEXTS), dice.choice(numbers), dice.choice(TEXTS))
            pet = (key, dice.randint(1, 30), dice.choice(TEXTS), dice.choice(numbers))
            visit = (key, dice.randint(1, 30), dice.choice(numbers), dice.choice(TEXTS), dice.choice(TEXTS))
            connection.execute("INSERT INTO owner VALUES (?, ?, ?, ?)", owner)
            connection.execute("INSERT INTO pet VALUES (?, ?, ?, ?)", pet)
            connection.execute("INSERT INTO visit VALUES (?, ?, ?, ?, ?)", visit)
        connection.commit()
        yield connection, read_sqlite_schema(path)


COLUMNS = {
    "owner": ["id", "name", "age", "city"],
    "pet": ["pet_id", "owner_id", "name", "weight"],
    "visit": ["visit_id", "pet_id", "price", "note", '"in or out"'],
}
FROMS = {
    "owner": ["owner"],
    "pet": ["pet"],
    "visit": ["visit"],
    "owner JOIN pet ON owner.id = pet.owner_id": ["owner", "pet"],
    "visit JOIN pet ON visit.pet_id = pet.pet_id": ["visit", "pet"],
    "visit JOIN pet USING (pet_id)": ["visit", "pet"],
    "visit NATURAL JOIN pet": ["visit", "pet"],
    "owner JOIN pet ON owner.id = pet.owner_id JOIN visit ON visit.pet_id = pet.pet_id": ["owner", "pet", "visit"],
    "owner LEFT JOIN pet ON owner.id = pet.owner_id": ["owner", "pet"],
    "owner JOIN pet ON owner.id = pet.pet_id": ["owner", "pet"],
    "owner JOIN pet ON owner.id = pet.owner_id AND pet.weight > 1": ["owner", "pet"],
    "owner NATURAL JOIN pet": ["owner", "pet"],
    "owner, pet": ["owner", "pet"],
    "pet CROSS JOIN owner": ["owner", "pet"],
    "(SELECT * FROM pet WHERE weight > 1) AS pet": ["pet"],
}
VALUES = [*(f"'{text.replace(chr(39), chr(39) * 2)}'" for text in TEXTS if text is not None), "0", "1", "2.5", "NULL"]
AGGREGATES = ["avg", "sum", "max", "min", "count", "count(DISTINCT"]
OPERATORS = ["=", "<>", ">", ">=", "<", "<=", "LIKE", "IS", "IS NOT", "NOT LIKE"]


@st.composite
def expressions(draw: st.DrawFn, tables: list[str], aggregated: bool = False) -> str:
    table = draw(st.sampled_from(tables))
    column = f"{table}.{draw(st.sampled_from(COLUMNS[table]))}"
    other = f"{table}.{draw(st.sampled_from(COLUMNS[table]))}"
    kinds = [column] * 4 + [f"{column} + {other}", f"({column} - {other}) * {other}", f"-{column}", f"lower({column})"]
    if aggregated:
        name = draw(st.sampled_from(AGGREGATES))
        call = f"{name} {column})" if "(" in name else f"{name}({column})"
        kinds += [call] * 3 + ["count(*)", "count(1)", f"max({column}) - min({other})", f"sum({column} * {other})"]
    return draw(st.sampled_from(kinds))


@st.composite
def conditions(draw: st.DrawFn, tables: list[str], depth: int, aggregated: bool = False) -> str:
    kind = draw(
        st.sampled_from(["compare"] * 5 + ["and", "or", "brackets", "not", "in", "between", "null", "query", "exists"])
    )
    if kind in ("and", "or"):
        left, right = draw(conditions(tables, depth, aggregated)), draw(conditions(tables, depth, aggregated))
        return f"{left} {kind.upper()} {right}"
    if kind == "brackets":
        return f"({draw(conditions(tables, depth, aggregated))})"
    if kind == "not":
        return f"NOT ({draw(conditions(tables, depth, aggregated))})"
    left = draw(expressions(tables, aggregated))
    negated = draw(st.sampled_from(["", "NOT "]))
    values = st.sampled_from(VALUES)
    if kind == "in":
        return f"{left} {negated}IN ({', '.join(draw(st.lists(values, min_size=1, max_size=3)))})"
    if kind == "between":
        return f"{left} {negated}BETWEEN {draw(values)} AND {draw(values)}"
    if kind == "null":
        return f"{left} IS {negated}NULL"
    if kind == "query" and depth < 3:
        inner = draw(selects(depth + 1, width=1))
        return f"{left} {negated}IN ({inner})" if draw(st.booleans()) else f"{left} > ({inner})"
    if kind == "exists" and depth < 3:
        return f"{negated}EXISTS ({draw(selects(depth + 1))})"
    right = draw(st.one_of(values, values, expressions(tables, aggregated)))
    return f"{left} {draw(st.sampled_from(OPERATORS))} {right}"


@st.composite
def selects(draw: st.DrawFn, depth: int = 0, width: int = 0) -> str:
    text = draw(st.sampled_from(sorted(FROMS)))
    tables = FROMS[text]
    grouped = draw(st.booleans())
    items = draw(st.lists(expressions(tables, grouped), min_size=1, max_size=width or 3))
    items = draw(st.sampled_from([items, items, items, ["*"]])) if not width and not grouped else items
    sql = f"SELECT {draw(st.sampled_from(['', '', 'DISTINCT ']))}{', '.join(items)} FROM {text}"
    if draw(st.booleans()):
        sql += f" WHERE {draw(conditions(tables, depth))}"
    if grouped and draw(st.booleans()):
        sql += f" GROUP BY {', '.join(draw(st.lists(expressions(tables), min_size=1, max_size=2)))}"
        if draw(st.booleans()):
            sql += f" HAVING {draw(conditions(tables, depth, aggregated=True))}"
    if draw(st.sampled_from([True, False, False])):
        keys = draw(st.lists(expressions(tables, grouped), min_size=1, max_size=2))
        sql += " ORDER BY " + ", ".join(f"{key}{draw(st.sampled_from(['', ' DESC', ' NULLS LAST']))}" for key in keys)
    if draw(st.sampled_from([True, False, False])):
        sql += draw(st.sampled_from([" LIMIT 1", " LIMIT 3", " LIMIT 3 OFFSET 1"]))
    return sql


@st.composite
def queries(draw: st.DrawFn) -> str:
    sql = draw(selects())
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        sql += f" {draw(st.sampled_from(['UNION', 'UNION ALL', 'INTERSECT', 'EXCEPT']))} {draw(selects())}"
    return sql


def rows(connection: sqlite3.Connection, sql: str) -> list[tuple]:
    found = connection.execute(sql).fetchall()
    return found if "ORDER BY" in sql else sorted(found, key=repr)


@settings(max_examples=600, deadline=None)
@given(queries())
def test_a_second_reading_gives_the_same_rows(database, sql: str) -> None:
    connection, schema = database
    try:
        wanted = rows(connection, sql)
    except sqlite3.Error:
        event("does not run")
        return
    try:
        text = in_words(sql, schema)
    except (SqlUnreadableError, UntellableError) as error:
        event(f"not told: it {error}")
        return
    event("told")
    try:
        again = Reader(text, schema).sql
        found = rows(connection, again)
    except (AssertionError, IndexError, AttributeError, sqlite3.Error) as error:
        pytest.fail(f"{text}\n{sql}\n{error}")
    assert found == wanted, f"{text}\n{sql}\n{again}"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT count(*) FROM vessel WHERE built IS NULL", "number of vessel where built is missing"),
        ("SELECT count(*) FROM vessel WHERE NOT built IS NULL", "number of vessel where built is not missing"),
        (
            "SELECT DISTINCT name FROM vessel ORDER BY built DESC",
            "different name of vessel in descending order of built",
        ),
        ("SELECT DISTINCT name, built FROM vessel", "different combinations of name and built of vessel"),
        ("SELECT name FROM vessel ORDER BY seats LIMIT 3", "name of vessel with the 3 lowest seats"),
        ("SELECT name FROM vessel LIMIT 2", "name of vessel but only 2"),
        ("SELECT max(seats) - min(seats) FROM vessel", "highest seats minus lowest seats of vessel"),
        ("SELECT * FROM landing WHERE bank IN ('left', 'up')", "whole record of landing where bank is one of left, up"),
        ("SELECT count(DISTINCT bank) FROM landing", "number of different bank of landing"),
        (
            "SELECT bank, count(*) FROM landing GROUP BY bank HAVING count(*) >= 2",
            "bank and number of landing for each bank with number of landing is at least 2",
        ),
        ("SELECT strftime('%Y', day) FROM inspection", "STRFTIME('%Y', day) of inspection"),
        ("SELECT name FROM vessel WHERE NOT (built > 3)", "name of vessel where built is not more than 3"),
        (
            "SELECT name FROM vessel WHERE (built > 3 AND seats = 2)",
            "name of vessel where built is more than 3 and seats is 2",
        ),
        ("SELECT name FROM vessel WHERE name = 'Ada and Bo'", "name of vessel where name is 'Ada and Bo'"),
        ("SELECT name FROM vessel WHERE name = 'missing'", "name of vessel where name is 'missing'"),
        ("SELECT name FROM vessel WHERE name <> 'O''Neil'", "name of vessel where name is not O'Neil"),
        (
            "SELECT T1.day FROM crossing AS T1 JOIN vessel AS T2 ON T1.vessel_id = T2.vessel_id WHERE T2.vessel_id = 3",
            "day of crossing with vessel where vessel id is 3",
        ),
        (
            "SELECT DISTINCT name FROM vessel EXCEPT SELECT name FROM landing",
            "name of vessel, leaving out the name of landing",
        ),
    ],
)
def test_wording(schema: Schema, sql: str, said: str) -> None:
    assert in_words(sql, schema) == f"Find the {said}."


@pytest.mark.parametrize(
    ("where", "lost"),
    [
        ("FROM vessel WHERE NOT (built > 3 AND name = 'F')", "denies several conditions at once"),
        ("FROM vessel WHERE NOT (built > 3 OR name = 'F')", "denies several conditions at once"),
        ("FROM vessel WHERE (built > 3 OR seats < 9) AND name = 'F'", "has brackets among its conditions"),
        ("FROM vessel WHERE built = NULL", "uses NULL as a value"),
        ("FROM vessel WHERE (built + 1) * 2 > 9", "has brackets in a calculation"),
        ("FROM vessel GROUP BY name HAVING sum(built * 2) > 9", "has a function of a calculation"),
        ("FROM vessel ORDER BY built DESC, name ASC", "orders up and down"),
        ("FROM vessel ORDER BY 1", "orders by the number of a column"),
        ("FROM vessel ORDER BY built NULLS LAST", "says where missing values stand"),
        ("FROM vessel LIMIT 3 OFFSET 2", "has offset"),
        ("FROM vessel WHERE rowid = 2", "names what is not a column of the schema"),
        ("FROM vessel LEFT JOIN crossing USING (vessel_id)", "has a join that keeps rows without a partner"),
        ("FROM vessel, landing", "has a join that does not follow the one link"),
        ("FROM vessel JOIN inspection ON built < day", "has a join that does not follow the one link"),
        ("FROM vessel AS a JOIN vessel AS b ON a.vessel_id = b.vessel_id", "reads a table twice"),
        ("FROM (SELECT vessel_id FROM vessel)", "reads what is not a table of the schema"),
        ("FROM vessel UNION ALL SELECT 1", "keeps rows that are the same"),
        ("FROM vessel UNION SELECT 1 LIMIT 3", "orders or limits a set operation"),
        ("FROM vessel WHERE built > (SELECT avg(built) FROM vessel) AND seats = 3", "has a query in the middle"),
        (
            "FROM vessel AS v WHERE EXISTS (SELECT * FROM inspection AS i WHERE i.vessel_id = v.vessel_id)",
            "reads a column of the query around it",
        ),
    ],
)
def test_what_words_would_lose_is_not_told(schema: Schema, where: str, lost: str) -> None:
    with pytest.raises(UntellableError, match=f"^{lost}"):
        in_words(f"SELECT 1 {where}", schema)


def test_what_cannot_be_read_is_not_asked(schema: Schema) -> None:
    with pytest.raises(SqlUnreadableError):
        in_words("SELECT colour FROM vessel", schema)
