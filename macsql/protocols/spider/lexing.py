"""SQL as sqlparse's lexer cuts it: Spider's execution score is defined through that lexer."""

from functools import lru_cache
from typing import Any

from sqlparse import lexer
from sqlparse.engine import FilterStack


def first_statement(sql: str) -> list[tuple[Any, str]]:
    """(token type, text) of the first statement, every character kept; nothing for a text of white space alone.

    The statement ends where sqlparse ends it: behind a free `;` (or a word GO), blanks and line comments included.
    """
    if ";" not in sql and "GO" not in sql.upper() and sql.strip():
        return list(lexer.tokenize(sql))  # one statement, and no time spent on finding that out
    for statement in FilterStack().run(sql):
        return [(token.ttype, token.value) for token in statement.flatten()]
    return []


@lru_cache(maxsize=4096)  # gold queries come back with every paraphrase of a question, and the lexer is slow
def without_distinct(sql: str) -> str:
    """The first statement without its DISTINCT words, in any case; their neighbours' blanks stay. Text inside quotes,
    backticks and comments is safe. A text without a statement comes back as it is."""
    if ";" not in sql and "GO" not in sql.upper() and "distinct" not in sql.lower():
        return sql  # nothing to cut or drop
    return "".join(text for _, text in first_statement(sql) if text.lower() != "distinct")
