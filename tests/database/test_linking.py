"""Which values of a database a question names: data pairs, hostile values and questions, time."""

import json
import sqlite3
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from macsql.database import value_index
from macsql.database.linking import KINDS, chosen, find_links, linked_values, other_numbers
from macsql.database.schema import Column, Database, Schema, Table, quoted, read_sqlite_schema
from macsql.database.value_index import ValueIndex, _indexed, fold, index_of, keys_of, read_value_index
from macsql.errors import UserError

CASES = json.loads((Path(__file__).parent / "data" / "value_links.json").read_text(encoding="utf-8"))


def database(path: Path, columns: dict[str, list]) -> Database:
    """A file with these values in columns "table.column" without a declared type."""
    tables: dict[str, dict[str, list]] = {}
    for name, values in columns.items():
        table, _, column = name.partition(".")
        tables.setdefault(table, {})[column] = values
    with closing(sqlite3.connect(path)) as connection:
        for table, held in tables.items():
            connection.execute(f"CREATE TABLE {quoted(table)} ({', '.join(map(quoted, held))})")
            for column, values in held.items():
                for value in values:
                    connection.execute(f"INSERT INTO {quoted(table)} ({quoted(column)}) VALUES ({written(value)})")
        connection.commit()
    return Database("d", path, read_sqlite_schema(path))


def written(value) -> str:
    if isinstance(value, dict):
        (kind, told), *_ = value.items()
        if kind == "repeat":
            return written(told[0] * told[1])
        return f"x'{told}'" if kind == "blob" else f"CAST(x'{told}' AS TEXT)"
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_links_of_a_question(case, tmp_path):
    index = read_value_index(database(tmp_path / "d.sqlite", case["columns"]))
    found = find_links(index, case["question"], case.get("evidence", ""))
    assert [[link.table, link.column, link.value, link.kind] for link in found] == case["links"]


def test_the_surest_and_longest_are_chosen(tmp_path):
    columns = {"t.a": ["Oslo", "New York", "LIMA", "cat"], "t.b": ["Lima"]}
    one = database(tmp_path / "d.sqlite", columns)
    question = "cats from Lima, Oslo and New York"
    assert linked_values(one, question, most=2) == {("t", "a"): ("New York", "Oslo"), ("t", "b"): ("Lima",)}
    assert linked_values(one, question, most=9)["t", "a"] == ("New York", "Oslo", "LIMA", "cat")
    assert linked_values(one, question, most=0) == {}


WORDS = st.sampled_from(["Oslo", "new", "York", "São", "the", "cats", "B-2", "O'Brien", "Straße", "n", "é", "12345"])
TEXTS = st.lists(WORDS | st.text(max_size=6), max_size=8).map(" ".join)
COLUMNS = st.lists(st.lists(TEXTS, max_size=6, unique=True), min_size=1, max_size=3)


def index(columns: list[list[str]]) -> ValueIndex:
    return ValueIndex(tuple(_indexed("t", f"c{n}", texts) for n, texts in enumerate(columns) if texts))


@settings(max_examples=300, deadline=None)
@given(COLUMNS, TEXTS)
@example([["A", "1"]], "🄐 ½")
def test_links_are_what_the_question_says_and_do_not_overlap(columns, question):
    links = find_links(index(columns), question)
    for link in links:
        assert link.value in columns[int(link.column[1:])]
        said = question[link.start : link.end]
        key, other = keys_of([said.replace("\n", " ")])[0], keys_of([link.value])[0]
        close = {"exact": said == link.value, "folded": key == other, "plural": other in other_numbers(key)}
        assert close.get(link.kind, OSA.distance(key, other) == 1)
    for column in range(len(columns)):
        spans = sorted((link.start, link.end) for link in links if link.column == f"c{column}")
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    values = chosen(links, 2)
    assert all(0 < len(found) <= 2 for found in values.values())


@settings(max_examples=100, deadline=None)
@given(COLUMNS, TEXTS, st.randoms())
def test_links_do_not_hang_on_the_order_of_rows(columns, question, dice):
    before = find_links(index(columns), question)
    for texts in columns:
        dice.shuffle(texts)
    assert find_links(index(columns), question) == before


@settings(max_examples=200)
@given(st.lists(st.text(max_size=12), max_size=6))
def test_many_texts_at_once_are_folded_as_one_by_one(texts):
    assert keys_of(texts) == [keys_of([text])[0] for text in texts]
    assert all(fold(fold(text)) == fold(text) for text in texts)


ONE_EDIT = st.tuples(st.text("abcde ", min_size=7, max_size=12), st.integers(0, 11), st.sampled_from("abcdx"))


@settings(max_examples=300)
@given(ONE_EDIT, st.sampled_from(["wrong", "missing", "added", "swapped"]))
def test_any_one_letter_may_be_wrong(drawn, how):
    text, place, letter = drawn
    key = " ".join(text.split())
    place %= max(len(key), 1)
    said = {
        "wrong": key[:place] + letter + key[place + 1 :],
        "missing": key[:place] + key[place + 1 :],
        "added": key[:place] + letter + key[place:],
        "swapped": key[:place] + key[place : place + 2][::-1] + key[place + 2 :],
    }[how]
    near = value_index.NearKeys()
    near.add(key)
    allowed = value_index.may_be_misspelt(key) and value_index.may_be_misspelt(said) and said != key
    assert near.like(said) == ([key] if allowed else [])


def test_an_index_is_read_once_while_its_file_is_the_same(tmp_path, monkeypatch):
    one = database(tmp_path / "d.sqlite", {"t.a": ["Oslo"]})
    first = index_of(one)
    monkeypatch.setattr(value_index, "read_value_index", None)
    assert index_of(one) is first
    monkeypatch.undo()
    (tmp_path / "d.sqlite").unlink()
    assert linked_values(database(tmp_path / "d.sqlite", {"t.a": ["Lima"]}), "Oslo or Lima") == {("t", "a"): ("Lima",)}
    monkeypatch.setattr(value_index, "MAX_HELD", 1)
    index_of(database(tmp_path / "e.sqlite", {"t.a": ["x", "y"]}))
    assert len(value_index._HELD) == 1, "those not used for the longest time are let go"


def test_the_file_is_not_written_to_and_nothing_is_put_beside_it(tmp_path):
    one = database(tmp_path / "d.sqlite", {"t.a": ["Oslo"]})
    before = one.path.read_bytes(), one.path.stat().st_mtime_ns
    read_value_index(one)
    assert (one.path.read_bytes(), one.path.stat().st_mtime_ns) == before
    assert list(tmp_path.iterdir()) == [one.path]


def test_what_the_file_does_not_have_has_no_texts(tmp_path):
    one = database(tmp_path / "d.sqlite", {"t.a": ["Oslo"]})
    columns = (Column("a", ""), Column("b", ""))
    schema = Schema("d", (Table("t", columns), Table("u", columns)))
    found = read_value_index(Database("d", one.path, schema))
    assert [(texts.table, texts.column) for texts in found.columns] == [("t", "a")]


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    path = tmp_path / "d.sqlite"
    path.write_bytes(b"no database" * 400)
    schema = Schema("d", (Table("t", (Column("a", ""),)),))
    with pytest.raises(UserError, match=r"d\.sqlite cannot be read"):
        read_value_index(Database("d", path, schema))
    with pytest.raises(UserError, match="cannot be opened"):
        linked_values(Database("d", tmp_path / "none.sqlite", schema), "Oslo")


def test_of_large_tables_the_first_rows_are_read_and_that_is_told(tmp_path, monkeypatch):
    columns = {"t.a": [f"value {n}x" for n in range(50)], "u.a": ["Oslo"]}
    one = database(tmp_path / "d.sqlite", columns)
    monkeypatch.setattr(value_index, "MAX_ROWS", 20)
    found = read_value_index(one)
    assert found.partly == ("t",)
    assert [len(texts.written) for texts in found.columns] == [20, 1]
    monkeypatch.setattr(value_index, "MAX_CELLS", 10)
    assert 0 < len(read_value_index(one).columns[0].written) <= 10


def test_a_question_of_ten_thousand_words_and_a_large_database_take_no_time(tmp_path):
    path = tmp_path / "d.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (a TEXT, b TEXT)")
        rows = ((f"Name{n} Of{n % 97}", f"{n:06d}") for n in range(60_000))
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
        connection.commit()
    one = Database("d", path, read_sqlite_schema(path))
    start = time.process_time()
    assert linked_values(one, "who is name59999 of53") == {("t", "a"): ("Name59999 Of53",)}
    assert time.process_time() - start < 4, "about 0.2 s on a quiet machine"
    start = time.process_time()
    for _ in range(100):
        linked_values(one, "What is the average age of all the people who are called name17 of17 or the like?")
    assert time.process_time() - start < 5, "about 0.3 ms a question"
    start = time.process_time()
    linked_values(one, "which name17 of17 " * 3_334)
    assert time.process_time() - start < 5


def test_kinds_are_told_from_the_closest_on():
    assert KINDS == ("exact", "folded", "plural", "near")
