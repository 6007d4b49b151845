"""spider-em against pairs written by hand for each rule, and what must hold for any text."""

import json
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macsql.errors import UserError
from macsql.protocols.spider.em import (
    COMPONENTS,
    GoldUnreadable,
    exact_match,
    hardness,
    read_spider_schema,
)
from macsql.spider_sql.schema import SpiderSchema, foreign_key_map

DATA = Path(__file__).parent / "data"
KEYS = {
    "db_id": "library",
    "table_names_original": ["Author", "book", "loan"],
    "column_names_original": [
        [-1, "*"],
        [0, "author_id"],
        [1, "book_id"],
        [1, "author_id"],
        [1, "Editor_id"],
        [2, "book_id"],
    ],
    "foreign_keys": [[3, 1], [4, 1], [5, 2]],
}


def pairs(name: str) -> list[dict]:
    return [json.loads(line) for line in (DATA / name).read_text().splitlines()]


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("library") / "a library #1.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DATA / "library.sql").read_text())
    return path


@pytest.fixture(scope="module")
def library(database) -> SpiderSchema:
    return read_spider_schema(database, KEYS)


def failing(verdict) -> list[str]:
    """Names of what differs: components, then "FROM tables" where only these are left to differ."""
    names = [name for name, score in verdict.components.items() if not score.score]
    return names or ([] if verdict.tables_match else ["FROM tables"])


# One rule a pair.


@pytest.mark.parametrize("pair", pairs("spider_em_pairs.jsonl"), ids=lambda pair: pair["note"])
def test_each_rule(library, pair):
    verdict = exact_match(library, pair["gold"], pair["pred"])
    found = ["unparsed"] if not verdict.pred_parsed else ["crash"] if verdict.error else failing(verdict)
    assert found == pair["failing"]
    assert verdict.exact == (not found)
    assert bool(verdict.error) == (found in (["unparsed"], ["crash"]))
    assert tuple(verdict.components) == COMPONENTS


@pytest.mark.parametrize("pair", pairs("spider_hardness_pairs.jsonl"), ids=lambda pair: pair["gold"])
def test_hardness(library, pair):
    if pair["hardness"] is None:
        with pytest.raises(GoldUnreadable):
            hardness(library, pair["gold"])
    else:
        assert hardness(library, pair["gold"]) == pair["hardness"]


def test_the_reason_names_what_is_wrong(library):
    assert "'nobody' is not a table" in exact_match(library, "SELECT name FROM author", "select name from nobody").error
    assert (
        "'price' is not a column" in exact_match(library, "SELECT name FROM author", "select price from author").error
    )


def test_an_unreadable_prediction_matches_only_what_gold_does_not_have(library):
    verdict = exact_match(library, "SELECT name FROM author WHERE born > 1", "no SQL")
    assert {name for name, score in verdict.components.items() if not score.score} == {
        "select",
        "select(no AGG)",
        "where",
        "where(no OP)",
        "keywords",
    }


def test_the_fixed_reading_leaves_names_and_literals_whole(library):
    gold = "SELECT title FROM book ORDER BY market_value"
    assert not exact_match(library, gold, gold).exact
    assert exact_match(library, gold, gold, "fixed").exact
    gold = "SELECT title FROM book WHERE year = 1 AND pages > 2"
    assert exact_match(library, gold, "select title from book where year = value and pages > value", "fixed").exact
    gold = "SELECT count(*) FROM (SELECT title FROM book WHERE title = 'face value')"
    assert not exact_match(library, gold, gold).exact
    assert exact_match(library, gold, gold, "fixed").exact


def test_the_fixed_reading_takes_value_for_a_column_where_it_is_one():
    schema = SpiderSchema({"price": ("value", "day")})
    assert not exact_match(schema, "SELECT value FROM price", "select value from price").exact
    assert exact_match(schema, "SELECT value FROM price", "select value from price", "fixed").exact


# What the evaluator knows of a database.


def test_the_schema_has_ordinary_tables_in_lower_case(library):
    assert set(library.tables) == {"author", "book", "member", "loan", "sqlite_sequence"}
    assert library.tables["author"] == ("author_id", "name", "country", "born")


def test_linked_columns_stand_for_one_another(library):
    assert library.linked["book.editor_id"] == library.linked["author.author_id"] == "author.author_id"


def test_sets_of_links_are_never_merged():
    entry = {
        "table_names_original": ["a", "b", "c", "d"],
        "column_names_original": [[-1, "*"], [0, "x"], [1, "x"], [2, "x"], [3, "x"]],
        "foreign_keys": [[1, 2], [3, 4], [2, 3]],  # the last joins the first set, and 3 stays in the second as well
    }
    assert foreign_key_map(entry) == {"a.x": "a.x", "b.x": "a.x", "c.x": "c.x", "d.x": "c.x"}


@pytest.mark.parametrize(
    "entry", [{}, {**KEYS, "foreign_keys": [[1, 99]]}, {**KEYS, "foreign_keys": None}, {**KEYS, "foreign_keys": [[1]]}]
)
def test_a_bad_entry_of_tables_json_is_named(database, entry):
    with pytest.raises(UserError, match=r"tables\.json, database"):
        read_spider_schema(database, entry)


def test_files_that_are_no_database_are_named(tmp_path):
    with pytest.raises(UserError, match="cannot be opened: No such file"):
        read_spider_schema(tmp_path / "none.sqlite", None)
    (tmp_path / "text.sqlite").write_text("no database, though longer than a header of one hundred bytes would be" * 3)
    with pytest.raises(UserError, match=r"text\.sqlite: not readable"):
        read_spider_schema(tmp_path / "text.sqlite", None)


# Any text.

WORDS = re.findall(
    r"\S+",
    """select from where group order by limit intersect union except having join on as not between in like is exists
    and or asc desc distinct none max min count sum avg ( ) ( ) , . * + - / = > < >= != ! ; name author book t1 as t1
    t1.name author.born born title pages loan.days 1 2.5 value nan 1e9 'x' "y" ' " ` cannot 1, ,1 []""",
)
TEXTS = st.one_of(st.text(), st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join))
QUERIES = st.lists(st.sampled_from(WORDS), max_size=12).map(
    lambda words: "select name from author where born > 1 " + " ".join(words)
)
GOLD = "SELECT name FROM author WHERE born > 1 UNION SELECT title FROM book"


@settings(max_examples=400, deadline=None)
@given(pred=TEXTS | QUERIES, reading=st.sampled_from(["strict", "fixed"]))
def test_no_prediction_raises(library, pred, reading):
    found = exact_match(library, GOLD, pred, reading)
    assert found.exact == (found.pred_parsed and not found.error and not failing(found))


@settings(max_examples=400, deadline=None)
@given(gold=TEXTS | QUERIES, pred=QUERIES)
def test_a_gold_is_read_or_refused(library, gold, pred):
    try:
        level = hardness(library, gold)
    except GoldUnreadable:
        with pytest.raises(GoldUnreadable, match=r"."):
            exact_match(library, gold, pred)
    else:
        assert level in ("easy", "medium", "hard", "extra")
        exact_match(library, gold, pred)


@pytest.mark.parametrize(
    "pred",
    [
        "select name from author where born in (" * 5000,
        "select count(*) from (" * 5000,
        "select name from author union " * 5000,
        "(" * 100_000,
        "select name from author where " + "born = 1 and " * 10_000,
        "select " + "name, " * 10_000 + "name from author",
        "select name from author" + " " * 500_000 + ".",
        "'" * 100_000 + ". ) " * 50_000,
        "\ud800\x00",
    ],
    ids=range(9),
)
def test_huge_texts_end_soon(library, pred):
    started = time.process_time()
    assert not exact_match(library, GOLD, pred).exact
    assert time.process_time() - started < 2


COLUMNS = ("name", "country", "born", "author_id")
CONDITIONS = st.tuples(st.sampled_from(COLUMNS), st.sampled_from(["=", "!=", ">", "<", "like"]))


@st.composite
def selections(draw) -> tuple[list[str], list[tuple[str, str]]]:
    names = st.sampled_from([*COLUMNS, "count(*)", "max(born)", "min(born)"])
    return draw(st.lists(names, min_size=1, max_size=4)), draw(st.lists(CONDITIONS, max_size=3))


def spelt(items: list[str], conditions: list[tuple[str, str]], value: str) -> str:
    where = " and ".join(f"{column} {operator} {value}" for column, operator in conditions)
    return f"select {', '.join(items)} from author" + (f" where {where}" if where else "")


@given(parts=selections(), data=st.data())
def test_order_case_and_values_do_not_matter_but_items_do(library, parts, data):
    items, conditions = parts
    gold = spelt(items, conditions, "1")
    other = spelt(data.draw(st.permutations(items)), data.draw(st.permutations(conditions)), "'x'")
    assert exact_match(library, gold, other.upper().replace("'X'", "'x'")).exact
    assert not exact_match(library, gold, spelt([*items, "name"], conditions, "1")).exact
    assert not exact_match(library, gold, spelt(items, [*conditions, ("born", "=")], "1")).exact
