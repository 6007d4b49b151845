"""The question grammar on schemas that were not made for it."""

import random
import sqlite3
import sys
from contextlib import closing

import pytest
import typeguard
from hypothesis import given, settings
from hypothesis import strategies as st

from macsql.corpora.pocket import make_database
from macsql.corpora.splits import normal_text
from macsql.database.schema import Database, read_sqlite_schema
from macsql.grammar import TEMPLATES, plurals, read_facts
from macsql.grammar.draft import literal, spoken
from macsql.grammar.plurals import a, many, one


@pytest.mark.parametrize(
    ("single", "several"),
    [
        ("singer", "singers"),
        ("city", "cities"),
        ("box", "boxes"),
        ("match", "matches"),
        ("class", "classes"),
        ("bus", "buses"),
        ("key", "keys"),
        ("home address", "home addresses"),
        ("person", "people"),
        ("child", "children"),
        ("series", "series"),
        ("street market", "street markets"),
        ("movie", "movies"),
        ("cookie", "cookies"),
        ("news", "news"),
        ("status", "statuses"),
        ("alias", "aliases"),
        ("analysis", "analyses"),
        ("menu", "menus"),
        ("selfie", "selfies"),
        ("data", "data"),
        ("agenda", "agendas"),
        ("staff", "staff"),
        ("gps", "gps"),
        ("hero", "heroes"),
        ("id", "ids"),
        ("selection", "selections"),
        ("", ""),
    ],
)
def test_plurals(single, several):
    assert (many(single), many(several)) == (several, several)
    assert (one(several), one(single)) == (single, single)


@given(st.text(max_size=20))
def test_any_name_has_a_singular_and_a_plural(name):
    assert one(one(name)) == one(name)
    assert many(name) == many(one(name))
    assert bool(one(name)) == bool(many(name)) == bool(name)


def test_reading_inflect_leaves_typeguard_as_it_was(monkeypatch):
    before = typeguard.typechecked
    monkeypatch.delitem(sys.modules, "inflect", raising=False)
    plurals._engine.__wrapped__()
    assert typeguard.typechecked is before
    monkeypatch.setitem(sys.modules, "inflect", None)
    with pytest.raises(ImportError):
        plurals._engine.__wrapped__()
    assert typeguard.typechecked is before


def test_words_for_values():
    assert [spoken(v) for v in ("red", "New York", "o'clock", "a, b", 3, -2.5)] == [
        "red", "New York", '"o\'clock"', '"a, b"', "3", "-2.5"
    ]  # fmt: skip
    assert [literal(v) for v in ("o'clock", 3, -2.5)] == ["'o''clock'", "3", "-2.5"]
    assert [a(w) for w in ("animal", "ship", "user", "hour")] == ["an animal", "a ship", "a user", "an hour"]


def database_at(path, script):
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
        connection.commit()
    return Database(path.stem, path, read_sqlite_schema(path))


HARD = """
CREATE TABLE "order" (id INTEGER PRIMARY KEY, "group" TEXT, "total price" REAL, "a""b" TEXT, "Größe" INTEGER);
INSERT INTO "order" VALUES (1, 'it''s', 1.5, 'x', 3), (2, 'two  ', -2.5, 'x', NULL), (3, 'ok', 1e300, 'y', 5),
                           (4, 'ok', 0, 'y', 9), (5, 'ok', 2, 'z "q"', 12);
CREATE TABLE "line item" ("order id" INTEGER REFERENCES "order"(id), kind TEXT, amount INTEGER);
INSERT INTO "line item" VALUES (1, 'red', 1), (1, 'blue', 2), (2, 'red', 3), (3, 'red', 4), (NULL, 'blue', 5);
CREATE TABLE empty (x TEXT);
CREATE TABLE odd (b BLOB, mixed, huge REAL, long TEXT, n TEXT);
INSERT INTO odd VALUES (x'00ff', 1, 9e999, printf('%0100d', 1), NULL), (x'00', 'one', 1, printf('%0100d', 2), '');
CREATE VIEW v AS SELECT * FROM empty;
CREATE TABLE self (id INTEGER PRIMARY KEY, boss INTEGER REFERENCES self(id), name TEXT);
INSERT INTO self VALUES (1, NULL, 'Ada'), (2, 1, 'Ben');
"""


@pytest.fixture(scope="module")
def hard(tmp_path_factory):
    return database_at(tmp_path_factory.mktemp("hard") / "hard.sqlite", HARD)


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    path = tmp_path_factory.mktemp("port") / "port.sqlite"
    path.write_bytes(make_database("port"))
    return Database("port", path, read_sqlite_schema(path))


def run(database, sql):
    with closing(sqlite3.connect(database.path)) as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("which", ["hard", "port"])
def test_every_query_runs(template, which, request):
    database = request.getfixturevalue(which)
    facts = read_facts(database)
    drafts = [draft for seed in range(60) if (draft := TEMPLATES[template](random.Random(seed), facts)) is not None]
    for draft in drafts:
        run(database, draft.sql)
        assert all(text == text.strip() and text[-1] in ".?" and "  " not in text for text in draft.paraphrases)
    if which == "port":
        assert drafts, "the pocket databases are made for every template"
        assert len({normal_text(t) for t in drafts[0].paraphrases}) == len(drafts[0].paraphrases) >= 2
        assert all(run(database, draft.sql) is not None for draft in drafts)


def test_facts_come_from_the_rows(hard):
    facts = read_facts(hard)
    tables = {table.name: table for table in facts.tables}
    assert list(tables) == ["order", "line item", "odd", "self"]
    assert facts.skipped["table without rows"] == 1
    kinds = {column.name: column.kind for column in tables["order"].columns}
    assert kinds == {"id": "key", "group": "text", "total price": "number", 'a"b': "text", "Größe": "number"}
    assert {column.name: column.kind for column in tables["odd"].columns} == {
        "b": "other",
        "mixed": "other",
        "huge": "other",  # infinite
        "long": "other",  # nothing that a question would name
        "n": "other",
    }
    group = tables["order"].columns[1]
    assert group.values == ("ok", "it's")  # most frequent first; one ends in spaces and stays away
    assert [(link.child.name, link.parent.name) for link in facts.links] == [("line item", "order")]
    assert facts.links[0].column.nulls


def test_keys_are_no_measures_and_years_are_not_averaged(tmp_path):
    rows = "(1, 1990, 4), (2, 2000, 5), (3, 2001, 7)"
    script = f"CREATE TABLE t (t_id INTEGER, year INTEGER, size INTEGER); INSERT INTO t VALUES {rows};"
    columns = read_facts(database_at(tmp_path / "t.sqlite", script)).tables[0].columns
    assert [(column.kind, column.measure) for column in columns] == [
        ("key", False),
        ("number", False),
        ("number", True),
    ]


@pytest.mark.parametrize(
    ("script", "templates"),
    [
        # a tie for the first place: no single answer to "the most common"
        ("CREATE TABLE t (c TEXT); INSERT INTO t VALUES ('a'),('a'),('b'),('b');", ["most_common"]),
        # a NULL among the inner values empties NOT IN
        (
            "CREATE TABLE p (id INTEGER PRIMARY KEY, c TEXT); CREATE TABLE k (p INTEGER REFERENCES p(id));"
            "INSERT INTO p VALUES (1,'a'),(2,'b'); INSERT INTO k VALUES (1),(NULL);",
            ["without"],
        ),
    ],
)
def test_questions_without_one_right_answer_are_not_asked(tmp_path, script, templates):
    facts = read_facts(database_at(tmp_path / "t.sqlite", script))
    for template in templates:
        assert all(TEMPLATES[template](random.Random(seed), facts) is None for seed in range(40))


def test_an_order_with_ties_shows_nothing_but_the_order(tmp_path):
    script = (
        "CREATE TABLE t (c TEXT, n INTEGER); INSERT INTO t VALUES ('a', 1), ('b', 1), ('c', 2), ('d', 3), ('e', 4);"
    )
    facts = read_facts(database_at(tmp_path / "t.sqlite", script))
    for seed in range(40):
        assert TEMPLATES["ordered"](random.Random(seed), facts).sql.startswith("SELECT n FROM t ORDER BY n ")
        assert TEMPLATES["top_rows"](random.Random(seed), facts).sql.startswith("SELECT DISTINCT n FROM t ORDER BY n ")


NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
VALUES = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(), NAMES, st.binary(max_size=4))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(NAMES, min_size=1, max_size=3, unique_by=str.lower),
    st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=6),
    st.sampled_from(["TEXT", "INTEGER", "NUMERIC", "WHATEVER(3)", ""]),
)
def test_any_table_gives_queries_that_run(tmp_path_factory, names, rows, kind):
    columns = [f'"c{n} {name.replace(chr(34), chr(34) * 2)}" {kind}' for n, name in enumerate(names)]
    table = '"' + names[0].replace('"', '""') + '"'
    path = tmp_path_factory.mktemp("any") / "t.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        try:
            connection.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
        except sqlite3.OperationalError:  # names that start with sqlite_ are SQLite's own
            return
        connection.executemany(
            f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})", [r[: len(names)] for r in rows]
        )
        connection.commit()
    database = Database("t", path, read_sqlite_schema(path))
    facts = read_facts(database)
    with closing(sqlite3.connect(path)) as connection:
        for number, template in enumerate(TEMPLATES.values()):
            draft = template(random.Random(number), facts)
            if draft is not None:
                connection.execute(draft.sql).fetchall()
