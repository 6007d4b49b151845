"""Which values of a column a prompt shows."""

import sqlite3
from contextlib import closing

import pytest

from macsql.database.schema import Column, Database, Schema, Table, read_sqlite_schema
from macsql.database.values import MAX_LENGTH, choose, read_value_examples


def counted(*values):
    """Value -> count as `count_values` gives it: most frequent first, equals in SQLite's order."""
    return {value: values.count(value) for value in sorted(set(values), key=lambda v: (-values.count(v), str(v)))}


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (counted("a", "b", "b"), ("b", "a")),
        (counted("a", "b", "b", None), (None, "b", "a")),
        (counted(*"abcdefgh"), tuple("abcdef")),
        (counted(*range(10)), (0, 1, 2, 3, 4, 5)),
        (counted(*range(11)), ()),  # many numbers: a measure
        (counted(*range(11), "x"), (0, 1, 10, 2, 3, 4)),  # not numeric as soon as it holds text
        (counted("2020-01-02", "2021/3/4", "05.06.2020"), ("05.06.2020",)),
        (counted("2020-01-02", "soon"), ("2020-01-02", "soon")),
        (counted("x" * (MAX_LENGTH + 1), "y"), ()),
        (counted("x" * MAX_LENGTH), ("x" * MAX_LENGTH,)),
        (counted("see http://a.b/c", "y"), ()),
        (counted("https://a.b", "y"), ()),
        (counted("eve@mail.example", "y"), ()),
        (counted("at @ sign"), ("at @ sign",)),
        (counted(b"\x00"), ()),
        (counted("", "  ", "a", " a "), ("a",)),
        (counted(None), ()),
        (counted(""), ()),
        ({}, ()),
        (counted(1.5, None), (None, 1.5)),
    ],
)
def test_choice(counts, expected):
    assert choose(counts) == expected


def test_budget_is_the_callers():
    assert choose(counted("a", "b", "c", None), most=2) == (None, "a", "b")
    assert choose(counted("a", None), most=0) == ()


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "d.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("""
            CREATE TABLE p (code TEXT PRIMARY KEY, kind TEXT);
            CREATE TABLE c (p TEXT REFERENCES p(code), memberID TEXT, Email TEXT, homeUrl TEXT,
                            "odd ""name" TEXT, n INTEGER);
            INSERT INTO p VALUES ('a', 'x'), ('b', 'x'), ('c', NULL), ('d', 'w'), ('e', 'v');
            INSERT INTO c VALUES ('a', 'm', 'e', 'u', 'o', 3), ('a', 'm', 'e', 'u', 'o', 3);
        """)
        connection.commit()
    return Database("d", path, read_sqlite_schema(path))


def test_keys_and_names_that_identify_have_none(database):
    assert read_value_examples(database) == {
        ("p", "code"): (),  # primary key, and referred to
        ("p", "kind"): (None, "x", "v", "w"),  # equals in the order of values
        ("c", "p"): (),  # foreign key
        ("c", "memberID"): (),
        ("c", "Email"): (),
        ("c", "homeUrl"): (),
        ("c", 'odd "name'): ("o",),
        ("c", "n"): (3,),
    }


def test_column_that_the_file_lacks_has_none(database):
    schema = Schema("d", (Table("p", (Column("kind", ""), Column("ghost", ""))), Table("ghosts", (Column("x", ""),))))
    found = read_value_examples(Database("d", database.path, schema))
    assert found == {("p", "kind"): (None, "x", "v", "w"), ("p", "ghost"): (), ("ghosts", "x"): ()}
