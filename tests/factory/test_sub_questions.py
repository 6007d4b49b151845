"""The pieces of a query and their words, for hand-made queries."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from macsql.database.schema import Database, Schema
from macsql.database.sql_tree import SqlUnreadableError, resolve
from macsql.factory.sub_questions import in_words, pieces

GOLDS = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "data" / "golds.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("gold", GOLDS, ids=lambda gold: gold["sql"][:60])
def test_sub_questions_in_words(ferries: Database, gold: dict) -> None:
    asked = []
    with closing(sqlite3.connect(ferries.path)) as connection:
        for piece in pieces(resolve(gold["sql"], ferries.schema)):
            try:
                connection.execute(piece)
            except sqlite3.Error:
                continue  # a correlated subquery
            asked.append(in_words(piece, ferries.schema))
    assert asked == gold["steps"]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT  name FROM vessel", []),
        ("(SELECT name FROM vessel)", ["SELECT name FROM vessel"]),
        (
            "SELECT name  FROM vessel  WHERE built  =  ( SELECT max(built)  FROM vessel ) ;",
            ["SELECT max(built)  FROM vessel"],
        ),
        (
            "SELECT name FROM vessel UNION ALL SELECT name FROM landing EXCEPT SELECT day FROM crossing ORDER BY 1",
            ["SELECT name FROM vessel", "SELECT name FROM landing", "SELECT day FROM crossing"],
        ),
        (
            "SELECT name FROM vessel WHERE (built > 2 OR seats IN (SELECT delay FROM crossing)) AND built > (SELECT 1)",
            ["SELECT delay FROM crossing", "SELECT 1"],
        ),
        (
            "WITH a AS (SELECT name FROM vessel) SELECT name FROM a UNION SELECT name FROM landing",
            [
                "SELECT name FROM vessel",
                "WITH a AS (SELECT name FROM vessel) SELECT name FROM a",
                "SELECT name FROM landing",
            ],
        ),
    ],
)
def test_pieces_keep_the_text_as_it_stands(schema: Schema, sql: str, expected: list[str]) -> None:
    assert list(pieces(resolve(sql, schema))) == expected


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT count(*) FROM vessel WHERE built IS NULL", "Find the number of vessel where built is missing."),
        (
            "SELECT count(*) FROM vessel WHERE NOT built IS NULL",
            "Find the number of vessel where built is not missing.",
        ),
        (
            "SELECT DISTINCT name FROM vessel ORDER BY built DESC",
            "Find the name of vessel in descending order of built.",
        ),
        ("SELECT name FROM vessel ORDER BY seats LIMIT 3", "Find the name of vessel with the 3 lowest seats."),
        ("SELECT name FROM vessel LIMIT 2", "Find the name of vessel but only 2."),
        ("SELECT max(seats) - min(seats) FROM vessel", "Find the highest seats minus lowest seats of vessel."),
        (
            "SELECT * FROM landing WHERE bank IN ('left', 'up')",
            "Find the whole record of landing where bank is one of left, up.",
        ),
        ("SELECT count(DISTINCT bank) FROM landing", "Find the number of different bank of landing."),
        (
            "SELECT bank, count(*) FROM landing GROUP BY bank HAVING count(*) >= 2",
            "Find the bank and number of landing for each bank with number of landing is at least 2.",
        ),
        ("SELECT strftime('%Y', day) FROM inspection", "Find the STRFTIME('%Y', day) of inspection."),
    ],
)
def test_wording(schema: Schema, sql: str, words: str) -> None:
    assert in_words(sql, schema) == words


def test_what_cannot_be_read_is_not_asked(schema: Schema) -> None:
    with pytest.raises(SqlUnreadableError):
        in_words("SELECT colour FROM vessel", schema)
