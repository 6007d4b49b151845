"""The fenced blocks that MAC-SQL's answers are made of, written and found again."""

import re

_BLOCK = re.compile(r"```[ \t]*(\w*)[ \t]*\n?(.*?)```", re.DOTALL)
_BARE_SQL = re.compile(r"\b(?:SELECT|WITH)\b.*", re.DOTALL | re.IGNORECASE)
_AFTER_SQL = re.compile(r"```|\bSub question \d|\bQuestion Solved", re.IGNORECASE)


def fenced(text: str, language: str) -> str:
    """`text` as a Markdown block."""
    return f"```{language}\n{text}\n```"


def blocks(answer: str, language: str) -> list[tuple[int, str]]:
    """(where it starts, text) of every closed block of a language, or of none named; empty ones are left out."""
    found = [(match.start(), match[1].lower(), match[2].strip()) for match in _BLOCK.finditer(answer)]
    return [(start, text) for start, named, text in found if named in (language, "") and text]


def bare_sql(answer: str) -> str | None:
    """The SQL of an answer that lost its fences, as T5's own vocabulary makes it: all from SELECT or WITH on."""
    match = _BARE_SQL.search(answer)
    return _AFTER_SQL.split(match[0])[0].strip() if match else None
