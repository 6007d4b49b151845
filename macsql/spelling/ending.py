"""The last tokens of an answer are kept for its end: what is begun is closed before the token limit cuts it off."""

from collections.abc import Iterator, Sequence
from typing import Any

from macsql.spelling.pieces import Pieces
from macsql.spelling.reader import Reader
from macsql.spelling.runs import CAPITAL, JOIN, WORD
from macsql.spelling.spelling import Spelling, Written

GROWS = 24  # tokens that one more token may add to what an end may need by a guess
GROWN = 128  # characters that one more token may add to the way to an end: a further sub-question with its SQL
SPARE = 24
MOST_STEPS = 2000  # of a search for the tokens of one text


class Fixed:
    """Reads one text and nothing else; the state is how much of it is read."""

    def __init__(self, text: str) -> None:
        self.text = text
        letters = text.encode("latin-1").decode("utf-8", "ignore")
        self.odd = frozenset(letter for letter in letters if not letter.isascii())

    def begin(self) -> int:
        """Nothing is read."""
        return 0

    def advance(self, state: int, char: str) -> int | None:
        """One more character, where it is the next."""
        return state + 1 if self.text[state : state + 1] == char else None

    def complete(self, state: int) -> bool:
        """Whether all is read."""
        return state == len(self.text)

    def kept(self, state: int) -> dict[Any, Any] | None:  # noqa: ARG002
        """Nothing is kept."""
        return None

    def far(self, state: int) -> int:
        """Characters that are left."""
        return len(self.text) - state

    def closing(self, state: int) -> str:
        """The rest."""
        return self.text[state:]

    def next_characters(self, written: Written) -> tuple[str, ...]:
        """Those that pieces may go on with where no codec has marks: a tokenizer's own, a letter as it is or low."""
        char = self.text[written.inner : written.inner + 1]
        return tuple(dict.fromkeys((" ", WORD, JOIN, CAPITAL, char, char.lower())))


class Endings:
    """The tokens that end answers."""

    def __init__(self, pieces: Pieces, spelling: Spelling) -> None:
        self.pieces, self.spelling = pieces, spelling

    def far(self, reader: Reader, written: Written) -> int:
        """Tokens that an end may need, rather too many."""
        return 2 * reader.far(written.inner) + SPARE

    def grows(self, path: Sequence[int]) -> int:
        """Tokens that one more token may add to a way to an end: as many as `GROWN` characters of this one take."""
        return max(1, -(-GROWN * len(path) // max(1, sum(len(self.pieces.texts[token] or "") for token in path))))

    def path(self, reader: Reader, written: Written) -> tuple[int, ...] | None:
        """Tokens that end the answer, its end token aside; None where none are found."""
        for text in self._texts(reader, written):
            found = self._spelt(Fixed(text), written)
            if found is not None:
                return found
        return None

    def _texts(self, reader: Reader, written: Written) -> Iterator[str]:
        """What may be written from here to the end, what is held back included."""
        mark = written.held.lstrip(" ")
        if mark:
            for spelt, text in self.spelling.texts.items():
                if spelt.startswith(mark):
                    yield from self._behind(reader, written.inner, text)
            yield from self._behind(reader, written.inner, written.held)
        elif written.run.capital:
            for text in self.spelling.capitals(reader, written):
                yield from self._behind(reader, written.inner, text)
        else:
            yield from self._behind(reader, written.inner, "")
            yield from self._behind(reader, written.inner, " ")

    @staticmethod
    def _behind(reader: Reader, state: Any, text: str) -> Iterator[str]:
        for char in text:
            state = reader.advance(state, char)
            if state is None:
                return
        closing = reader.closing(state)
        if closing is not None:
            yield text + closing

    def _spelt(self, fixed: Fixed, written: Written) -> tuple[int, ...] | None:
        """The tokens of a text, long ones first."""
        start = Written(0, written.held, written.swallow, written.run)
        todo: list[tuple[Written, tuple[int, ...]]] = [(start, ())]
        seen = {start}
        narrow = None if self.spelling.texts else fixed.next_characters
        for _ in range(MOST_STEPS):
            if not todo:
                return None
            now, tokens = todo.pop()
            if self.spelling.complete(fixed, now):
                return tokens
            ways: dict[Written, int] = {}
            for token in self.pieces.acceptable(self.spelling, fixed, now, narrow):
                after = self.spelling.advance(fixed, now, self.pieces.texts[token] or "")
                if after is not None and after not in seen:
                    ways.setdefault(after, token)
            seen.update(ways)
            for after in sorted(ways, key=lambda one: (one.inner, len(one.held))):  # the farthest is looked at next
                todo.append((after, (*tokens, ways[after])))
        return None
