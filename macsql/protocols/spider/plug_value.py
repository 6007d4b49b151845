"""Spider's `plug_value`: what a prediction would be worth if its values were right.

Every value slot of the prediction is filled with every value of the gold query. The rules for what a value is are
those of the official script, chance hits included: a quoted text, and a word between blanks that looks like a number
(a name such as `x1` does too).
"""

import re
from collections.abc import Iterator
from itertools import product

from sqlparse import tokens as kinds

from macsql.protocols.spider.lexing import first_statement

SLOT = "VALUERARE"  # the word that stands for a value in the official script; a query that holds it is read the same
FLOAT = re.compile(r"[-+]?\d*\.\d+")
INTEGER = re.compile(r"[^tT]\d+")  # not behind a t: T1 is a table's alias
ALIAS = re.compile(r"[Tt]\d+\.")


def variants(gold: str, pred: str) -> Iterator[str]:
    """The prediction with each combination of the gold query's values in its slots, lazily: their number is
    (gold values) ** (slots). None at all where gold has no value and the prediction has a slot.

    Everything but the values comes out lower-cased, its tokens one blank apart.
    """
    _, values = _read(gold)
    words, _ = _read(pred)
    slots = [place for place, word in enumerate(words) if word == SLOT.lower()]
    for choice in product(dict.fromkeys(values), repeat=len(slots)):
        filled = list(words)
        for place, value in zip(slots, choice, strict=True):
            filled[place] = value
        yield " ".join(filled)


def _read(sql: str) -> tuple[list[str], list[str]]:
    """The query's words with a slot for each value, and the values."""
    bare = sql.strip().replace(";", "").replace("\t", "")
    text = " ".join(value for kind, value in first_statement(bare) if kind is not kinds.Whitespace)
    text = re.sub(r"[tT][123]\.\*", "*", text)
    text = re.sub(r"(T\d+\.)\s", r"\1", text)
    quoted = (kinds.String.Single, kinds.String.Symbol)
    values = [value for kind, value in first_statement(text) if kind in quoted]
    for value in values:
        text = text.replace(value.strip(), SLOT)
    words = text.split()
    for pattern in (FLOAT, INTEGER):
        numbers = {found.strip() for found in pattern.findall(" ".join(words))}
        values += [word for word in words if word in numbers]
        words = [SLOT if word in numbers else word for word in words]
    spaced = (word.replace(".", " . ").split() if ALIAS.search(word) else [word] for word in words)
    return [part.lower() for parts in spaced for part in parts], values
