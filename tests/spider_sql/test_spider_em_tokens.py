"""The tokens are those of the word tokenizer that the official script uses, sentence splitting aside."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macsql.spider_sql.tokens import NotInGrammarError, tokenize

PIECES = [
    *"ab1 ,:.()[]{}<>=!*-`;@#$%&?«“‘„»”’–—/|+\n\t_",
    "cannot",
    "gimme ",
    "wanna",
    "WANNA ",
    "Gonna",
    "gotta",
    "lemme",
]
PIECES += ["..", "...", "--", "---", "``", " . ", ").", ", ", "select", "٣", "T1.a"]


@pytest.mark.parametrize(
    ("sql", "tokens"),
    [
        ("SELECT a,b FROM t", ["select", "a", ",", "b", "from", "t"]),
        ("a=5 b>=5 c > = 5 d ! = 5", ["a=5", "b", ">", "=5", "c", ">=", "5", "d", "!=", "5"]),
        ("a - b a-b a*b f(x) 1,2", ["a", "-", "b", "a-b", "a", "*", "b", "f", "(", "x", ")", "1,2"]),
        ("x = 'It' and Y = \"Its\"", ["x", "=", '"It"', "and", "y", "=", '"Its"']),
        ("T1.* .", ["t1.", "*", "."]),
        ("a <> b", ["a", "<", ">", "b"]),
        ("limit 3.", ["limit", "3", "."]),
        ("", []),
    ],
)
def test_tokens(sql, tokens):
    assert tokenize(sql) == tokens


def test_a_literal_is_one_only_by_itself():
    assert not any('"' in token for token in tokenize("name='x' 'a'and 'it''s'"))


def test_odd_quotes_are_refused():
    with pytest.raises(NotInGrammarError, match="odd number"):
        tokenize("a = 'O'Brien'")


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_tokens_are_those_of_the_word_tokenizer(text):
    tokenizer = pytest.importorskip("nltk.tokenize.destructive").NLTKWordTokenizer()
    words = re.sub(r"([!<>])\n=(?=\n|$)", r"\1=", "\n".join(tokenizer.tokenize(text)).lower())
    assert tokenize(text) == words.split()
