"""Encoded text read backwards into plain text as it is written: a codec's `decode`, one character at a time.

What is read goes on to a `Reader`. A mark is known whole only behind its end, and a space belongs to the mark beside it
where there is one, so both are held back until it is clear what they are; what is held back could become something
that the reader accepts.
"""

import re
import string
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from macsql.spelling.reader import Reader
from macsql.spelling.runs import Run, spoken

_HEX = re.compile(r"@x[0-9a-f]{0,6}")
_LOST = frozenset(".,?!")  # the decoder of T5's tokenizer takes the space before these away


class Written(NamedTuple):
    """How far an answer has come."""

    inner: Any  # the reader's state
    held: str = ""  # a space, the beginning of a mark, or both
    swallow: bool = False  # the next space belongs to the mark before it
    run: Run = Run()  # of the built-in tokenizer's pieces


class Spelling:
    """How a model's tokens spell an answer."""

    def __init__(self, marks: Mapping[str, str], words: bool, runs: bool = False) -> None:
        """`marks`: of the codec, as they are written -> their text.

        `words`: the tokenizer is of T5's kind, whose answers begin with a space that is none. `runs`: it is the
        built-in one, whose pieces have marks of their own.
        """
        self.texts = {mark: plain(text) for mark, text in marks.items()}
        self.words, self.runs = words, runs
        self._begun = {mark[:count] for mark in self.texts for count in range(1, len(mark) + 1)}

    def begin(self, reader: Reader) -> Written:
        """Before the first token."""
        return Written(reader.begin(), "", self.words)

    def advance(self, reader: Reader, written: Written, piece: str) -> Written | None:
        """Behind a token that spells `piece`; None where it may not come next."""
        if not self.runs:
            return self._written(reader, written, piece)
        text, run = spoken(written.run, piece)
        if not text and run == written.run:  # another mark that changes nothing: an answer of these would never end
            return None
        after = self._written(reader, written, text)
        if after is None or (run.capital and not any(True for _ in self._capitals(reader, after, run))):
            return None
        return after._replace(run=run)

    def capitals(self, reader: Reader, written: Written) -> Iterator[str]:
        """Where the next letter is to be a capital: what may come, with the space that may stand before it."""
        if written.run.capital:
            yield from self._capitals(reader, written, written.run)

    def _capitals(self, reader: Reader, written: Written, run: Run) -> Iterator[str]:
        for space in ("", " ") if run.alnum else ("",):
            spaced = self._written(reader, written, space)
            if spaced is not None:
                for letter in string.ascii_uppercase:
                    if self._written(reader, spaced, letter) is not None:
                        yield space + letter

    def _written(self, reader: Reader, written: Written, piece: str) -> Written | None:
        if not self.texts and not self.words:
            inner = _read(reader, written.inner, piece)
            return None if inner is None else Written(inner)
        for char in piece:
            after = self._step(reader, written, char)
            if after is None:
                return None
            written = after
        return written

    def complete(self, reader: Reader, written: Written) -> bool:
        """Whether the answer may end here."""
        if written.run.capital:
            return False
        if written.held.strip():
            flushed = self._flush(reader, written, "")
            return flushed is not None and reader.complete(flushed.inner)
        return reader.complete(written.inner)

    def _step(self, reader: Reader, written: Written, char: str) -> Written | None:
        inner, held, swallow, _ = written
        mark = held.lstrip(" ")
        if mark:
            if self._marks(mark + char):
                return self._holding(reader, inner, held + char)
            flushed = self._flush(reader, written, char)
            return None if flushed is None else self._step(reader, flushed, char)
        if char == " ":
            if swallow:
                return Written(inner)
            if not held:
                return self._holding(reader, inner, " ")
            after = reader.advance(inner, " ")
            return None if after is None else self._holding(reader, after, " ")
        if self._marks(char):
            return self._holding(reader, inner, held + char)
        return self._plain(reader, inner, held if not (self.words and char in _LOST) else "", char)

    def _plain(self, reader: Reader, inner: Any, held: str, text: str) -> Written | None:
        after = _read(reader, inner, held + text)
        return None if after is None else Written(after)

    def _marks(self, text: str) -> bool:
        """Whether a mark may begin so."""
        return text in self._begun or (bool(self.texts) and _HEX.fullmatch(text) is not None)

    def _holding(self, reader: Reader, inner: Any, held: str) -> Written | None:
        """The same with more held back, where something acceptable can come of it."""
        mark = held.lstrip(" ")
        if not mark and reader.advance(inner, " ") is not None:
            return Written(inner, held)
        if self.words and not mark and any(reader.advance(inner, char) is not None for char in _LOST):
            return Written(inner, held)
        for written, text in self.texts.items():
            if written.startswith(mark) and _read(reader, inner, text) is not None:
                return Written(inner, held)
        if self.texts and "@x".startswith(mark[:2]):
            for char in reader.odd:
                if f"@x{ord(char):x}".startswith(mark) and _read(reader, inner, plain(char)) is not None:
                    return Written(inner, held)
        return None

    def _flush(self, reader: Reader, written: Written, following: str) -> Written | None:
        """What is held back read as what it is, `following` coming next."""
        mark = written.held.lstrip(" ")
        text = self.texts.get(mark)
        if text is None and _HEX.fullmatch(mark) and len(mark) > 2:
            code = int(mark[2:], 16)
            text = plain(chr(code)) if code <= 0x10FFFF and not 0xD800 <= code < 0xE000 else None
        word = mark[-1].isalnum() and (following.isalnum() or following == "_")
        if text is None or word:
            return self._plain(reader, written.inner, written.held[: -len(mark)], mark)
        after = _read(reader, written.inner, text)
        return None if after is None else Written(after, "", True)


def plain(text: str) -> str:
    """One character for each byte of UTF-8, as a `Reader` takes it."""
    return text.encode("utf-8", "replace").decode("latin-1")


def _read(reader: Reader, state: Any, text: str) -> Any:
    for char in text:
        state = reader.advance(state, char)
        if state is None:
            return None
    return state
