"""The marks in pieces of the built-in tokenizer, read back into text as they are written: what its decoder does.

See `macsql.pocket.word_tokenizer`. `WORD` is a space behind a letter or digit and nothing elsewhere, `JOIN` is nothing,
`CAPITAL` makes the next letter a capital; `CAPITAL` and `WORD` behind it change places.
"""

from functools import lru_cache
from typing import NamedTuple

WORD, JOIN, CAPITAL = "▁", "‿", "⇧"


class Run(NamedTuple):
    """What of the pieces so far decides how the next one is read."""

    alnum: bool = False  # a letter or digit of ASCII stands before, or did before a `CAPITAL`
    capital: bool = False  # the next letter is one
    idle: bool = False  # the last mark has changed nothing


@lru_cache(maxsize=1 << 14)
def spoken(run: Run, piece: str) -> tuple[str, Run]:
    """(the text that a piece stands for, what is known behind it)."""
    text = ""
    for char in piece:
        if char == WORD:
            text += " " if run.alnum else ""
            run = Run(False, run.capital, not run.alnum)
        elif char == JOIN:
            run = Run(False, run.capital, not run.alnum)
        elif char == CAPITAL:
            run = Run(run.alnum and not run.capital, True, run.capital)
        else:
            text += char.upper() if run.capital and char.isascii() else char
            run = Run(char.isascii() and char.isalnum())
    return text, run
