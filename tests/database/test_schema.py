"""Schemas read from SQLite files and from tables.json."""

import json
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macsql.database.opening import connect
from macsql.database.schema import (
    ForeignKey,
    identifier,
    quoted,
    read_sqlite_schema,
    with_declared_types,
    words,
)
from macsql.database.tables_json import read_tables_json
from macsql.errors import UserError


def make(path, script):
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return path


def test_reads_tables_columns_types_and_keys(tmp_path):
    path = make(
        tmp_path / "zoo.sqlite",
        """
        CREATE TABLE keeper (keeperId INTEGER PRIMARY KEY, "full name" varchar(20), born);
        CREATE TABLE animal (id INTEGER, tag INTEGER, k INTEGER REFERENCES KEEPER,
                             doubled INTEGER GENERATED ALWAYS AS (tag * 2), PRIMARY KEY (id, tag));
        """,
    )
    schema = read_sqlite_schema(path)
    assert schema.db_id == "zoo"
    assert [table.name for table in schema.tables] == ["keeper", "animal"]
    keeper, animal = schema.tables
    assert [(c.name, c.type, c.full_name, c.primary_key) for c in keeper.columns] == [
        ("keeperId", "INTEGER", "keeper id", True),
        ("full name", "VARCHAR(20)", "full name", False),
        ("born", "", "born", False),
    ]
    assert [(c.name, c.primary_key) for c in animal.columns] == [
        ("id", True),
        ("tag", True),
        ("k", False),
        ("doubled", False),
    ]
    assert schema.foreign_keys == (ForeignKey("animal", "k", "keeper", "keeperId"),)


def test_leaves_out_views_virtual_tables_and_keys_to_nothing(tmp_path):
    path = make(
        tmp_path / "odd.sqlite",
        """
        CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, b REFERENCES missing(id), c REFERENCES a(ghost));
        INSERT INTO a VALUES (1, 2, 3);
        CREATE VIEW v AS SELECT * FROM a;
        CREATE VIRTUAL TABLE f USING fts4(text);
        """,
    )
    schema = read_sqlite_schema(path)
    assert [table.name for table in schema.tables] == ["a"]
    assert schema.foreign_keys == ()


@pytest.mark.parametrize("module", ["fts4(text)", "fts5(text)", "rtree(id, low, high)"])
def test_a_virtual_tables_own_tables_are_told_by_what_they_are_not_by_their_names(tmp_path, module):
    script = f"CREATE TABLE a_b (x); CREATE VIRTUAL TABLE a USING {module}; CREATE TABLE a_review (x);"
    assert [table.name for table in read_sqlite_schema(make(tmp_path / "d.sqlite", script)).tables] == [
        "a_b",
        "a_review",
    ]


def test_names_may_be_empty_or_blank(tmp_path):
    path = make(tmp_path / "d.sqlite", 'CREATE TABLE " " ("" TEXT, "  " INTEGER, "1" REAL);')
    assert [(c.name, c.full_name) for c in read_sqlite_schema(path).tables[0].columns] == [
        ("", ""),
        ("  ", "  "),
        ("1", "1"),
    ]


def test_composite_foreign_key_keeps_its_order(tmp_path):
    path = make(
        tmp_path / "pair.sqlite",
        """
        CREATE TABLE p (x INTEGER, y INTEGER, PRIMARY KEY (x, y));
        CREATE TABLE c (u INTEGER, w INTEGER, n INTEGER REFERENCES p(x), FOREIGN KEY (u, w) REFERENCES p);
        """,
    )
    assert read_sqlite_schema(path).foreign_keys == (
        ForeignKey("c", "n", "p", "x"),
        ForeignKey("c", "u", "p", "x"),
        ForeignKey("c", "w", "p", "y"),
    )


def test_file_that_is_missing_or_no_database_is_named(tmp_path):
    with pytest.raises(UserError, match=r"The database file .*gone.sqlite"):
        read_sqlite_schema(tmp_path / "gone.sqlite")
    noise = tmp_path / "noise.sqlite"
    noise.write_bytes(b"This is no database, and longer than a header would be. " * 40)
    with pytest.raises(UserError, match=r"noise.sqlite cannot be read"):
        read_sqlite_schema(noise)


def test_connection_writes_nothing_and_takes_any_path(tmp_path):
    path = make(
        tmp_path / "what? 100% #1" / "a b.sqlite", "CREATE TABLE t (x); INSERT INTO t VALUES (CAST(x'ff61' AS TEXT));"
    )
    before = sorted(tmp_path.rglob("*"))
    with closing(connect(path)) as connection:
        assert connection.execute("SELECT x FROM t").fetchall() == [("a",)]  # a byte that is no UTF-8 is dropped
        with pytest.raises(sqlite3.OperationalError):
            connection.execute("INSERT INTO t VALUES (1)")
    assert sorted(tmp_path.rglob("*")) == before


ENTRY = {
    "db_id": "zoo",
    "table_names_original": ["Keeper", "Animal"],
    "table_names": ["keeper", "animal in a cage"],
    "column_names_original": [[-1, "*"], [0, "Id"], [0, "Name"], [1, "Tag"], [1, "KeeperId"]],
    "column_names": [[-1, "*"], [0, "id"], [0, "full name"], [1, "tag"], [1, "keeper id"]],
    "column_types": ["text", "number", "text", "number", "number"],
    "primary_keys": [1, [3, 4]],
    "foreign_keys": [[4, 1]],
}


def changed(**fields):
    return json.dumps([ENTRY | fields])


def with_column(column):
    return changed(column_names_original=[*ENTRY["column_names_original"][:-1], column])


def test_null_and_numbers_in_tables_json(tmp_path):
    path = tmp_path / "tables.json"
    names = [*ENTRY["column_names_original"][:-1], [1, 2019]]
    words = [*ENTRY["column_names"][:-1], [1, None]]
    content = changed(
        db_id=5,
        table_names_original=["Keeper", 7],
        table_names=["keeper", None],
        column_names_original=names,
        column_names=words,
        column_types=["text", None, "text", 3, "number"],
        primary_keys=None,
    )
    path.write_text(content)
    schema = read_tables_json(path)["5"]
    assert [(t.name, t.full_name) for t in schema.tables] == [("Keeper", "keeper"), ("7", "7")]
    assert [(c.name, c.type, c.full_name) for t in schema.tables for c in t.columns] == [
        ("Id", "", "id"),
        ("Name", "TEXT", "full name"),
        ("Tag", "3", "tag"),
        ("2019", "NUMBER", "2019"),
    ]
    assert schema.foreign_keys == (ForeignKey("7", "2019", "Keeper", "Id"),)


def test_reads_tables_json(tmp_path):
    path = tmp_path / "tables.json"
    path.write_text(json.dumps([ENTRY]), encoding="utf-8-sig")
    schema = read_tables_json(path)["zoo"]
    keeper, animal = schema.tables
    assert (keeper.name, animal.full_name) == ("Keeper", "animal in a cage")
    assert [(c.name, c.type, c.full_name) for c in keeper.columns] == [
        ("Id", "NUMBER", "id"),
        ("Name", "TEXT", "full name"),
    ]
    assert [c.primary_key for t in schema.tables for c in t.columns] == [True, False, True, True]
    assert schema.foreign_keys == (ForeignKey("Animal", "KeeperId", "Keeper", "Id"),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "should hold a list"),
        ("[1", "is not JSON"),
        ('[{"db_id": "x"}]', "entry x is not one of a tables.json .it has no table_names_original"),
        ("[7]", "entry number 0 is not one of a tables.json .it should be an object"),
        ('[{"db_id": "x", "table_names_original": null}]', "entry x .* .table_names_original should be a list"),
        ("[" * 100_000, "is not JSON"),
        (changed(foreign_keys=[[4, 99]]), "entry zoo .*foreign_keys names column 99, which no table has"),
        (changed(foreign_keys=[[4, 0]]), "entry zoo .*foreign_keys names column 0, which no table has"),
        (changed(foreign_keys=[[4, -1]]), "entry zoo .*foreign_keys names column -1, which no table has"),
        (changed(foreign_keys=[[4, None]]), "entry zoo .*foreign_keys names column None"),
        (changed(foreign_keys=[4, 1]), "entry zoo .*foreign_keys has 4 where a pair of columns should be"),
        (changed(primary_keys=[99]), "entry zoo .*primary_keys names column 99"),
        (changed(primary_keys=[0]), "entry zoo .*primary_keys names column 0"),
        (changed(table_names=["one"]), "entry zoo .*2 table_names_original and 1 table_names"),
        (changed(column_types=["text"]), "entry zoo .*5 columns and 1 column_types"),
        (changed(column_names=[[-1, "*"]]), r"entry zoo .*column_names should have \[table, name\] for column 1"),
        (changed(table_names_original=[None, "Animal"]), "entry zoo .*table 0 has None where a name should be"),
        (changed(table_names_original=["Keeper", ["Animal"]]), "entry zoo .*table 1 has .'Animal'. where a name"),
        (with_column([0, None]), "entry zoo .*column 4 has None where a name should be"),
        (with_column([2, "x"]), "entry zoo .*column 4 belongs to table 2, and there are 2"),
        (with_column([-2, "x"]), "entry zoo .*column 4 belongs to table -2"),
        (with_column(["0", "x"]), r"entry zoo .*column_names_original should have \[table, name\] for column 4"),
        (changed(db_id=None), "entry number 0 .*the database has None where a name should be"),
        (changed(db_id=True), "entry number 0 .*the database has True where a name should be"),
        (json.dumps([ENTRY, ENTRY | {"foreign_keys": []}]), "entry zoo .*another entry has the same db_id"),
    ],
)
def test_bad_tables_json_is_named(tmp_path, content, message):
    path = tmp_path / "tables.json"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        read_tables_json(path)


def test_declared_types_replace_the_corpus_words(tmp_path):
    path = make(tmp_path / "zoo.sqlite", "CREATE TABLE keeper (ID INTEGER, name VARCHAR(9)); CREATE TABLE other (x)")
    listing = tmp_path / "tables.json"
    listing.write_text(json.dumps([ENTRY]))
    merged = with_declared_types(read_tables_json(listing)["zoo"], read_sqlite_schema(path))
    assert [c.type for t in merged.tables for c in t.columns] == ["INTEGER", "VARCHAR(9)", "NUMBER", "NUMBER"]
    assert [c.name for c in merged.tables[0].columns] == ["Id", "Name"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("area_code", "area code"),
        ("areaCode", "area code"),
        ("AreaCode2", "area code2"),
        ("GNPOld", "gnp old"),
        ("ISBN", "isbn"),
        ("Home Town", "home town"),
        ("%", "%"),
        ("", ""),
    ],
)
def test_words(name, expected):
    assert words(name) == expected


NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@given(NAMES.filter(lambda name: not name.lower().startswith("sqlite_")))  # SQLite keeps these names for itself
def test_any_name_at_all_can_be_written(name):
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE {quoted(name)} (x INTEGER, {quoted(name + '!')} INTEGER)")
        connection.execute(f"INSERT INTO {quoted(name)} VALUES (1, 2)")
        assert connection.execute(f"SELECT {identifier(name + '!')} FROM {identifier(name)}").fetchall() == [(2,)]


# Every keyword of SQLite's documentation: a name that is one of them must come out usable too.
KEYWORDS = """
abort action add after all alter always analyze and as asc attach autoincrement before begin between by
cascade case cast check collate column commit conflict constraint create cross current current_date
current_time current_timestamp database default deferrable deferred delete desc detach distinct do drop each
else end escape except exclude exclusive exists explain fail filter first following for foreign from full
generated glob group groups having if ignore immediate in index indexed initially inner insert instead
intersect into is isnull join key last left like limit match materialized natural no not nothing notnull null
nulls of offset on or order others outer over partition plan pragma preceding primary query raise range
recursive references regexp reindex release rename replace restrict returning right rollback row rows
savepoint select set table temp temporary then ties to transaction trigger unbounded union unique update using
vacuum values view virtual when where window with without
"""


@pytest.mark.parametrize("word", KEYWORDS.split())
def test_keywords_work_as_names(word):
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE {quoted(word)} ({quoted(word)} INTEGER, x INTEGER)")
        connection.execute(f"INSERT INTO {quoted(word)} VALUES (7, 1)")
        name = identifier(word)
        sql = f"SELECT T1.{name} FROM {name} AS T1 JOIN {name} AS T2 ON T1.{name} = T2.{name} WHERE T1.x = 1"
        assert connection.execute(sql).fetchall() == [(7,)]
        sql = f"SELECT max({name}) FROM {name} WHERE {name} = 7 GROUP BY {name} ORDER BY {name} DESC"
        assert connection.execute(sql).fetchall() == [(7,)]


def test_spider_schemas_agree_with_their_files(shared):
    schemas = read_tables_json(shared / "data/spider/tables.json")
    assert len(schemas) == 156
    for db_id, schema in schemas.items():
        path = shared / f"data/spider/database/{db_id}/{db_id}.sqlite"
        if path.is_file():
            declared = read_sqlite_schema(path, db_id)
            merged = with_declared_types(schema, declared)
            assert [t.name.lower() for t in merged.tables if t.name.lower() not in declared.by_name] in (
                [],
                ["sqlite_sequence"],
            )
