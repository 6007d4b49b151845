"""The fenced blocks that MAC-SQL's answers are made of, written and found again."""

import re

_BLOCK = re.compile(r"```[ \t]*(\w*)[ \t]*\n?(.*?)```", re.DOTALL)
# "with" is a word of prose too: it begins a query where a name and its definition follow
_BARE_SQL = re.compile(
    r"""\b(?:SELECT\b|WITH\s+(?:RECURSIVE\s+)?(?:\w+|"[^"]+"|`[^`]+`|\[[^\]]+\])\s*(?:\([^()]*\)\s*)?"""
    r"""AS\s*(?:(?:NOT\s+)?MATERIALIZED\s*)?\()""",
    re.IGNORECASE,
)
_BEFORE_PROSE = re.compile(r"\b(?:to|I|we|you|will|must|should|can|could|would|please|then)\s+$", re.IGNORECASE)
_BEFORE_PART = re.compile(r"(?:\(|\b(?:UNION|ALL|INTERSECT|EXCEPT))\s*$", re.IGNORECASE)
_AFTER_SQL = re.compile(r"```|\bSub question \d|\bQuestion Solved", re.IGNORECASE)


def fenced(text: str, language: str) -> str:
    """`text` as a Markdown block."""
    return f"```{language}\n{text}\n```"


def blocks(answer: str, language: str) -> list[tuple[int, str]]:
    """(where it starts, text) of every closed block of a language, or of none named; empty ones are left out."""
    found = [(match.start(), match[1].lower(), match[2].strip()) for match in _BLOCK.finditer(answer)]
    return [(start, text) for start, named, text in found if named in (language, "") and text]


def bare_sql(answer: str) -> str | None:
    """The SQL of an answer without fences, which T5's vocabulary cannot write: all from SELECT or WITH on.

    Any model's answer is read so, because any model may leave the fences out.

    "To select the names, ..." is prose where another SELECT follows that is no part of the first.
    """
    found = list(_BARE_SQL.finditer(answer))
    if not found:
        return None
    first, *others = found
    if others and first[0] == "select" and _BEFORE_PROSE.search(answer[: first.start()]):
        first = next((match for match in others if not _BEFORE_PART.search(answer[: match.start()])), first)
    return _AFTER_SQL.split(answer[first.start() :])[0].strip()
