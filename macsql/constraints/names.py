"""Names as SQL writes them: bare, or in double quotes, backticks or brackets; upper and lower case do not differ."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import pairwise

from macsql.database.schema import identifier

_CLOSING = {'"': '"', "`": "`", "[": "]"}
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_PARTED = r"(?<=.)(?=(?:[Ii][Dd]|alias[0-9]+|data|info|details|and)$)|(?<=^[FLfl])(?=(?:name|NAME)$)"
_BORDER = re.compile(rf"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[^A-Za-z])|{_PARTED}", re.ASCII)


def plain(text: str) -> str:
    """Text as the acceptors see it: one character for each byte of UTF-8, because a token may end inside a letter."""
    return text.encode("utf-8").decode("latin-1")


def lower(text: str) -> str:
    """ASCII letters in lower case, others as they are: SQLite tells those apart, and here they are bytes."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


@lru_cache(maxsize=1 << 16)
def _words(spelt: str) -> tuple[tuple[str, ...], ...]:
    """Each word of a name in the ways in which it is written: as it is spelt, low, high, with a capital in front."""
    borders = [0, *(place for match in _BORDER.finditer(spelt) if (place := match.start())), len(spelt)]
    words = [spelt[start:stop] for start, stop in pairwise(borders)]
    return tuple(tuple({word, lower(word), _upper(word), _upper(word[:1]) + lower(word[1:])}) for word in words)


@lru_cache(maxsize=1 << 16)
def _written(text: str, spelt: str) -> bool:
    """Whether a name may be begun so."""
    for forms in _words(spelt):
        part, text = text[: len(forms[0])], text[len(forms[0]) :]
        if not any(form.startswith(part) for form in forms):
            return False
        if not text:
            return True
    return True


def _upper(text: str) -> str:
    return "".join(char.upper() if char.isascii() else char for char in text)


@lru_cache(maxsize=1 << 16)
def _is_bare(name: str) -> bool:
    return identifier(name) == name


class NameSet:
    """Some names (in lower case), to be read one character at a time.

    Each word of the schema's names stands in lower case, in upper case, with a capital at its front or as it is spelt:
    SQL takes any other mixture too, but a model that writes one is lost. `spelt`: the names of the schema, as it spells
    them; they alone may stand in quotes, in double quotes only those that cannot do without, or any where nothing but a
    name can stand (`quoted`).
    """

    def __init__(self, names: Iterable[str], spelt: Mapping[str, str], quoted: bool = False) -> None:
        self.names, self.spelt, self.quoted = sorted(names), spelt, quoted

    def begins(self, text: str) -> bool:
        """Whether a way to write one of the names begins so."""
        closing = _CLOSING.get(text[0])
        if closing is None:
            return any(_is_bare(name) and self._cased(text, name) for name in self.beginning(text))
        return self.read(text) is not None or any(
            self._quotable(name, text[0]) and self._cased(text[1:], name) for name in self.beginning(text[1:])
        )

    def read(self, text: str) -> str | None:
        """The name, in lower case, where this is one of them written in full."""
        closing = _CLOSING.get(text[0])
        if closing is not None and (len(text) < 3 or text[-1] != closing):
            return None
        written = text if closing is None else text[1:-1]
        name = next(self.beginning(written), None)  # the shortest stands first
        if name is None or name != lower(written) or not self._cased(written, name):
            return None
        usable = _is_bare(name) if closing is None else self._quotable(name, text[0])
        return name if usable else None

    def beginning(self, text: str) -> Iterator[str]:
        """The names that begin with a text, in whatever case."""
        beginning = lower(text)
        for place in range(bisect_left(self.names, beginning), len(self.names)):
            if not self.names[place].startswith(beginning):
                return
            yield self.names[place]

    def _quotable(self, name: str, quote: str) -> bool:
        if name not in self.spelt or _CLOSING[quote] in name:  # it would end inside the name
            return False
        return quote != '"' or self.quoted or not _is_bare(name)

    def _cased(self, text: str, name: str) -> bool:
        spelt = self.spelt.get(name)
        return spelt is None or _written(text, spelt)
