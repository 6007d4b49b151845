"""SQL as sqlparse's lexer cuts it: Spider's execution score is defined through that lexer."""

from typing import Any

from sqlparse.engine import FilterStack


def first_statement(sql: str) -> list[tuple[Any, str]]:
    """(token type, text) of the first statement, every character kept; nothing for a text of white space alone.

    The statement ends where sqlparse ends it: behind a free `;` (or a word GO), blanks and line comments included.
    """
    for statement in FilterStack().run(sql):
        return [(token.ttype, token.value) for token in statement.flatten()]
    return []


def without_distinct(sql: str) -> str:
    """The first statement without its DISTINCT words, in any case; their neighbours' blanks stay. Text inside quotes,
    backticks and comments is safe. A text without a statement comes back as it is."""
    if ";" not in sql and "GO" not in sql.upper() and "distinct" not in sql.lower():
        return sql  # nothing the lexer could cut or drop: it is slow
    return "".join(text for _, text in first_statement(sql) if text.lower() != "distinct")
