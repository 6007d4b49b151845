"""Texts in quotes: copies of what the prompt says, so that a query compares with nothing that nobody named."""

import re
from collections.abc import Iterable, Iterator

from macsql.constraints.names import plain

ALWAYS = (
    "%y",
    "%m",
    "%d",
    "%h",
    "%j",
    "%s",
    "%y-%m",
    "%y-%m-%d",
    "now",
    "y",
    "n",
    "t",
    "f",
    "m",
    "yes",
    "no",
    "true",
    "false",
    ",",
    "/",
    "-",
    ":",
    "",
)
WILD = "%_"
MOST = 120  # characters of a text
OCCURRENCES = 20  # of a part, that are looked at for how it may end


class CopiedTexts:
    """Quoted texts whose words stand in `sources`, in one piece and whatever their case; % and _ may stand between."""

    def __init__(self, sources: Iterable[str]) -> None:
        self.text = "\n".join(plain(source).lower() for source in sources)
        self._known: dict[str, bool] = {}

    def begins(self, text: str) -> bool:
        """Whether a text that may be written begins so, its quote included."""
        inner, quote = self._inner(text), text[0]
        if inner is None or len(inner) > MOST:
            return False
        if (len(text) - 1 - len(text[1:].rstrip(quote))) % 2:  # closed, or the first of two quotes
            return self.holds(text) or self._copied(inner + quote, whole=False)
        return self._copied(inner, whole=False)

    def holds(self, text: str) -> bool:
        """Whether this is a whole text, from quote to quote."""
        quote = text[0]
        body = text[1:]
        ends = len(body) - len(body.rstrip(quote))
        if ends % 2 == 0:
            return False
        inner = self._inner(text)
        return inner is not None and self._copied(inner, whole=True)

    def whole(self, text: str) -> str | None:
        """A whole text that begins so, to the end of a word where one has begun; None where none is at hand."""
        quote = text[0]
        if self.holds(text):
            return text
        for begun in (text, text + quote):
            inner = self._inner(begun)
            if inner is None or (begun == text and text[1:].endswith(quote) and not text.endswith(quote * 2)):
                continue
            if self.holds(begun + quote):
                return begun + quote
            known = [one[len(inner) :] for one in ALWAYS if one.startswith(inner.lower())]
            for more in (*known, *self._onward(re.split(r"[%_]+", inner.lower())[-1])):
                if self.holds(token := begun + more.replace(quote, quote * 2) + quote):
                    return token
        return None

    def _onward(self, part: str) -> Iterator[str]:
        """What may follow a part where the sources hold it, up to the end of the next word."""
        at = self.text.find(part) if part else -1
        for _ in range(OCCURRENCES):
            if at < 0:
                return
            match = re.compile(r"[^0-9a-z]*[0-9a-z\x80-\xff]*").match(self.text, at + len(part))
            if match and "\n" not in match[0]:
                yield match[0]
            at = self.text.find(part, at + 1)

    def _inner(self, text: str) -> str | None:
        """What stands between the quotes so far, a doubled quote as one; None where it goes on behind its end."""
        quote, body = text[0], text[1:]
        at, inner = 0, []
        while at < len(body):
            if body[at] == quote:
                if at + 1 == len(body):
                    break  # the end, or the first of two
                if body[at + 1] != quote:
                    return None
                at += 1
            inner.append(body[at])
            at += 1
        return "".join(inner)

    def _copied(self, inner: str, whole: bool) -> bool:
        key = f"{inner}\0{whole:d}"
        if key not in self._known:
            self._known[key] = self._search(inner.lower(), whole)
        return self._known[key]

    def _search(self, inner: str, whole: bool) -> bool:
        if "  " in inner or inner[:1] == " " or (whole and inner[-1:] == " "):
            return False
        if (whole and inner in ALWAYS) or (not whole and any(one.startswith(inner) for one in ALWAYS)):
            return True
        if len(inner) - len(inner.lstrip("%_-./:,")) > 2:
            return False  # so that what may not begin so is no whole text either
        if all(sign in "%_-./:," for sign in inner):
            return True
        if all(c.isdigit() or c in "-./:% " for c in inner):
            return len(inner) <= 20  # numbers, dates and times
        if self._stands(inner, whole):
            return True
        parts = re.split(r"[%_]+", inner)
        wild = len(parts) > 1
        return wild and all(self._stands(part, whole=False, loose=n > 0) for n, part in enumerate(parts))

    def _stands(self, part: str, whole: bool, loose: bool = False) -> bool:
        """Whether the sources hold a part: from the beginning of a word, and when whole to the end of one."""
        part = part.strip()
        at = self.text.find(part)
        while at >= 0:
            begins = not at or not self.text[at].isalnum() or not self.text[at - 1].isalnum()
            end = at + len(part)
            ends = end == len(self.text) or not part[-1:].isalnum() or not self.text[end].isalnum()
            if (begins or loose) and (ends or not whole):
                return True
            at = self.text.find(part, at + 1)
        return False


class AnyTexts:
    """Quoted texts of any content; for counting what the grammar alone refuses."""

    def begins(self, text: str) -> bool:
        """Anything up to the closing quote."""
        return CopiedTexts._inner(self, text) is not None  # type: ignore[arg-type]

    def holds(self, text: str) -> bool:
        """From quote to quote."""
        body = text[1:]
        return (len(body) - len(body.rstrip(text[0]))) % 2 == 1

    def whole(self, text: str) -> str | None:
        """The text and its closing quote."""
        return (
            text if self.holds(text) else next((t for t in (text + text[0], text + text[0] * 2) if self.holds(t)), None)
        )
