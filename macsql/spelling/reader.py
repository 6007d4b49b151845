"""Who says what an answer may be, and which of several is taken."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Reader(Protocol):
    """Reads an answer as it is written, and says of each character whether it may come next.

    A text comes as one character for each byte of its UTF-8, because tokens may end inside a letter. States are
    hashable, and equal where the same may follow.
    """

    odd: frozenset[str]  # letters and signs beyond ASCII that an answer may hold

    def begin(self) -> Hashable:
        """The state before the first character."""

    def advance(self, state: Any, char: str) -> Hashable | None:
        """The state behind one more character; None where it may not come next."""

    def complete(self, state: Any) -> bool:
        """Whether the answer may end here."""

    def far(self, state: Any) -> int:
        """About how many characters are missing to an end of the answer; cheap to ask."""

    def closing(self, state: Any) -> str | None:
        """Text that ends the answer well, and soon; None where none is found."""

    def kept(self, state: Any) -> dict[Any, Any] | None:
        """Where to keep what follows from this state, shared by readers for which the same follows; None: nowhere.

        What holds a quote, or comes of a mark, may be of this answer alone and is never kept.
        """


@dataclass(frozen=True)
class Guide:
    """What is known of a prompt's answer beforehand, and which of several answers is to be taken."""

    reader: Reader | None = None  # what may be written; None: anything
    choose: Callable[[Sequence[str]], int] | None = None  # the place of one answer, given best first; None: the best
