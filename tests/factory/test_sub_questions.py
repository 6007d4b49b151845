"""The pieces of a query, for hand-made queries."""

import json
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from macsql.database.schema import Database, Schema
from macsql.database.sql_tree import resolve
from macsql.factory.sub_questions import pieces
from macsql.factory.wording import UntellableError, in_words

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
            with suppress(UntellableError):
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
