"""DISTINCT dropped and statements cut as sqlparse has it."""

import pytest
import sqlparse
from hypothesis import given
from hypothesis import strategies as st

from macsql.protocols.spider.lexing import without_distinct

PARTS = st.sampled_from(
    [
        "select",
        "DISTINCT",
        "distinct",
        " ",
        "\n",
        "a",
        ",",
        "(",
        ")",
        ";",
        "'distinct'",
        "'",
        '"',
        "`",
        "--",
        "/*",
        "*/",
        "go",
        "GO",
        "begin",
        "END",
        "$$",
        "1.5",
        "=",
    ]
)


@given(st.lists(PARTS, min_size=1, max_size=14).map("".join) | st.text(min_size=1, max_size=20))
def test_as_the_parsed_tree_has_it(sql):
    statements = sqlparse.parse(sql)
    if statements:  # a text of blanks has none, and stays
        tokens = [str(token) for token in statements[0].flatten()]
        assert without_distinct(sql) == "".join(token for token in tokens if token.lower() != "distinct")
    else:
        assert without_distinct(sql).strip() == ""


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT DISTINCT a FROM t", "SELECT  a FROM t"),
        ("SELECT count(distinct a)", "SELECT count( a)"),
        ("SELECT 'distinct', `distinct`", "SELECT 'distinct', `distinct`"),
        ("SELECT a; SELECT b", "SELECT a; "),
        ("SELECT ';' ; DROP TABLE t", "SELECT ';' ; "),
        ("SELECT distinctness", "SELECT distinctness"),
        ("", ""),
    ],
)
def test_pairs(sql, expected):
    assert without_distinct(sql) == expected
