"""What is exported reads back as it was, and a folded query gives the same rows."""

import json
import sqlite3
import time
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macsql.errors import UserError
from macsql.protocols.export import Format, export, fold
from macsql.protocols.files import read_pairs
from macsql.records import Prediction

ODD = [
    "SELECT a\n  FROM t -- the table\n WHERE b = 'x\ty'",
    "SELECT '-- no comment', \"a\tb\" /* two\nlines */ FROM t;",
    "",
    "   \n",
    "-- nothing else",
    "SELECT 'unfinished\n",
    "\ufeffSELECT 1",
    "SELECT '\udc80'",
    "SELECT '\u2028', '\x85', '\x1c' \x1c",
    "SELECT 1\t----- bird -----\tother",
    '{"0": "SELECT 1"}',
]


def predictions(texts, agent="decomposer"):
    return [
        Prediction(
            f"q{n}/{agent}",
            agent,
            f"q{n}",
            f"db {n}",
            "How many\nare there?",
            f"SELECT {n}\n",
            "",
            sql,
            f"```sql\n{sql}\n```",
        )
        for n, sql in enumerate(texts)
    ]


@pytest.mark.parametrize("format", get_args(Format))
@pytest.mark.parametrize("agent", ["decomposer", "refiner"])
def test_read_back(tmp_path, format, agent):
    *files, gold = export(predictions(ODD, agent), format, tmp_path / "deep" / "folder")
    assert files
    for file in files:
        pairs, _ = read_pairs(gold, file)
        assert [pair.db_id for pair in pairs] == [f"db {n}" for n in range(len(ODD))]
        assert [pair.gold for pair in pairs] == [f"SELECT {n}" for n in range(len(ODD))]
        assert [pair.pred for pair in pairs] == [fold(text) for text in ODD]


def test_the_official_shapes(tmp_path):
    rows = predictions(["SELECT a\nFROM t", ""])
    assert export(rows, "spider", tmp_path)[0].read_text() == "SELECT a FROM t\nselect\n"
    assert (tmp_path / "gold.sql").read_text() == "SELECT 0\tdb 0\nSELECT 1\tdb 1\n"
    assert json.loads(export(rows, "bird", tmp_path)[0].read_text()) == {
        "0": "SELECT a FROM t\t----- bird -----\tdb 0",
        "1": "select\t----- bird -----\tdb 1",
    }
    pairs, lines, _ = export(rows, "mac-sql", tmp_path)
    assert json.loads(pairs.read_text())[0] == ["How many\nare there?", "SELECT a FROM t\t----- bird -----\tdb 0"]
    assert [json.loads(line)["pred"] for line in lines.read_text().splitlines()] == ["SELECT a FROM t", "select"]


@pytest.mark.parametrize(
    ("sql", "folded"),
    [
        ("SELECT a,\n\tb  FROM t", "SELECT a, b  FROM t"),
        ("SELECT 'a\nb'", "SELECT ('a' || char(10) || 'b')"),
        ("SELECT 'it''s\t'", "SELECT ('it''s' || char(9) || '')"),
        ("SELECT a -- '\nFROM t", "SELECT a   FROM t"),
        ("SELECT a/* ; */FROM t", "SELECT a FROM t"),
        ("SELECT `a\nb`", "SELECT `a b`"),
        ("\n\t", "select"),
    ],
)
def test_fold(sql, folded):
    assert fold(sql) == folded


LITERAL = st.text(alphabet="ab'\n\t\r-/* \"", max_size=8).map(lambda text: "'" + text.replace("'", "''") + "'")
GAP = st.sampled_from([" ", "\n", "\t", " -- it's\n", '/* " */', "\r\n"])


@given(st.lists(LITERAL, min_size=1, max_size=4), GAP, GAP)
def test_a_folded_query_gives_the_same_rows(literals, before, between):
    sql = f"SELECT{before}{f',{between}'.join(literals)}{between}"
    folded = fold(sql)
    assert not set("\n\r\t") & set(folded)
    connection = sqlite3.connect(":memory:")
    assert connection.execute(folded).fetchall() == connection.execute(sql).fetchall()


@given(st.text(max_size=30))
def test_any_text_fits_on_a_line(sql):
    folded = fold(sql)
    assert folded.strip() == folded != ""
    assert not set("\n\r\t") & set(folded)
    assert fold(folded) == folded


@pytest.mark.parametrize("text", [" ", "[", "`", '"', "'", "' ", "-- ", "/*", "'' \n", "(\t"])
def test_folding_is_linear(text):
    begun = time.perf_counter()
    fold("SELECT" + text * 30_000 + "x")
    assert time.perf_counter() - begun < 1


def test_bad_input(tmp_path):
    with pytest.raises(UserError, match="no format 'csv': choose one of spider, bird, mac-sql"):
        export(predictions(["SELECT 1"]), "csv", tmp_path)
    with pytest.raises(UserError, match=r"one agent .* of none"):
        export([], "spider", tmp_path)
    with pytest.raises(UserError, match=r"one agent .* of decomposer, refiner"):
        export([*predictions(["SELECT 1"]), *predictions(["SELECT 1"], "refiner")], "spider", tmp_path)
    with pytest.raises(UserError, match="a selector answers with a schema"):
        export(predictions(["x"], "selector"), "spider", tmp_path)
