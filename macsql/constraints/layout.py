"""How an agent's answer is laid out: the fixed words round SQL, a sub-question, or the Selector's decisions.

All that may follow is held as alternatives: the rest of a fixed text, SQL on its way, or free words, each with what
comes behind it.
"""

import json
import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

from macsql.agents.decomposer import MAX_STEPS
from macsql.constraints.automaton import Automaton, Place, Texts
from macsql.constraints.closing import close, guess
from macsql.constraints.names import plain
from macsql.database.schema import Schema, Table

LONGEST_QUESTION = 400  # characters of a sub-question
Follow = Callable[[Hashable], Sequence["Part"]]
Image = Callable[[str], str]


_QUOTES = ("'", '"')


class Part(NamedTuple):
    """One way on: the rest of `fixed`, or SQL at a place, or free words so far; then `then`, None for the end."""

    then: Hashable
    fixed: str = ""
    place: Place | None = None
    free: int = -1


State = tuple[Part, ...]


class Layout:
    """A `Reader` of answers of one layout."""

    def __init__(self, odd: Iterable[str], automaton: Automaton | None = None, texts: Texts | None = None) -> None:
        self.odd, self.automaton, self.texts = frozenset(odd), automaton, texts
        self.shared: dict[Any, Any] = {}
        self._tails: dict[Hashable, str | None] = {}

    def follow(self, then: Any) -> Sequence[Part]:
        """What may come at this point of the layout, the shortest way to its end first; "" is its beginning."""
        raise NotImplementedError

    def begin(self) -> State:
        """Before the first character."""
        return tuple(self.follow(""))

    def advance(self, state: State, char: str) -> State | None:
        """Behind one more character."""
        if len(state) == 1 and state[0].fixed:  # the common ways on first
            part = state[0]
            return (part._replace(fixed=part.fixed[1:]),) if part.fixed[0] == char else None
        found: dict[Part, None] = {}
        for part in state:
            for after in self._after(part, char):
                found[after] = None
        return tuple(found) or None

    def complete(self, state: State) -> bool:
        """Whether the answer may end here."""
        return any(self._ends(part) for part in state)

    def far(self, state: State) -> int:
        """About how many characters are missing to an end."""
        return min(
            self._behind(part, len(part.fixed) + (guess(part.place.node) if part.place else 1)) for part in state
        )

    def closing(self, state: State) -> str | None:
        """Text that ends the answer well, and soon; None where none is found."""
        ways = [text for part in state if (text := self._closing(part)) is not None]
        return min(ways, key=len, default=None)

    def _behind(self, part: Part, far: int) -> int:
        return far + (0 if part.then is None else len(self._tail(part.then) or ""))

    def _closing(self, part: Part) -> str | None:
        own: str | None = part.fixed
        if part.place is not None:
            assert self.texts is not None
            own = close(part.place, self.texts)
        elif not part.fixed and not part.free:
            own = "?"
        tail = "" if part.then is None else self._tail(part.then)
        return None if own is None or tail is None else own + tail

    def _tail(self, then: Hashable) -> str | None:
        """What is written behind a part at the least."""
        if then not in self._tails:
            self._tails[then] = self._closing(self.follow(then)[0])
        return self._tails[then]

    def kept(self, state: State) -> dict[Any, Any] | None:
        """Shared by the answers of this layout to one schema, but for what is inside of a quoted text."""
        for part in state:
            if part.place is not None and part.place.part[:1] in _QUOTES:
                return None
        return self.shared

    def _after(self, part: Part, char: str) -> Iterable[Part]:
        if part.fixed:
            if part.fixed[0] == char:
                yield part._replace(fixed=part.fixed[1:])
            return
        if part.place is not None:
            assert self.automaton is not None
            assert self.texts is not None
            place = self.automaton.advance(part.place, char, self.texts)
            if place is not None:
                yield part._replace(place=place)
            if not self.automaton.complete(part.place, self.texts):
                return
        elif part.free >= 0:
            if char not in "\n`{" and part.free < LONGEST_QUESTION:
                yield part._replace(free=part.free + 1)
            if not part.free:
                return
        if part.then is not None:
            for more in self.follow(part.then):
                yield from self._after(more, char)

    def _ends(self, part: Part) -> bool:
        if part.fixed:
            return False
        if part.place is not None:
            assert self.automaton is not None
            assert self.texts is not None
            if not self.automaton.complete(part.place, self.texts):
                return False
        elif part.free >= 0 and not part.free:
            return False
        return part.then is None or any(self._ends(more) for more in self.follow(part.then))


class SqlAnswer(Layout):
    """A block of SQL alone (`alone`), sub-questions with a block each (`steps`), or either."""

    def __init__(
        self, automaton: Automaton, texts: Texts, odd: Iterable[str], alone: bool, steps: bool, image: Image
    ) -> None:
        super().__init__(odd, automaton, texts)
        self.alone, self.steps, self.image = alone, steps, image
        self.shared = automaton.shared.setdefault((alone, steps), {})

    def follow(self, then: Any) -> Sequence[Part]:
        """See `macsql.agents.decomposer.write`."""
        assert self.automaton is not None
        if then == "":
            alone = [Part("block", self.image("```sql\n").lstrip())] if self.alone else []
            return [*alone, *([self._step(1)] if self.steps else [])]
        if then == "block":
            return [Part("end", place=self.automaton.begin())]
        if then == "end":
            return [Part(None, self.image("\n```").rstrip(" "))]
        kind, number = then
        if kind == "question":
            return [Part(("sql", number), free=0)]
        if kind == "sql":
            return [Part(("query", number), self.image("\nSQL\n```sql\n"))]
        if kind == "query":
            return [Part(("next", number), place=self.automaton.begin())]
        closed = self.image("\n```\n\n")
        more = [self._step(number + 1, closed)] if number < MAX_STEPS else []
        return [Part(None, closed + self.image("Question Solved.")), *more]

    def _step(self, number: int, before: str = "") -> Part:
        return Part(("question", number), before + self.image(f"Sub question {number}: "))


class SelectorAnswer(Layout):
    """Each table of the schema once, with its decision; see `macsql.agents.selector.write`."""

    def __init__(self, schema: Schema, style: str | None, odd: Iterable[str], image: Image) -> None:
        super().__init__(odd)
        self.schema, self.image = schema, image
        brief = style == "brief"
        self.opening, self.between = ("```json\n{", ", ") if brief else ("```json\n{\n  ", ",\n  ")
        self.last = "}\n```" if brief else "\n}\n```"
        self._advanced: dict[tuple[State, str], State | None] = {}

    def advance(self, state: State, char: str) -> State | None:
        """Behind one more character; kept, because all questions to a schema share it."""
        key = (state, char)
        if key not in self._advanced:
            if len(self._advanced) > 100_000:
                self._advanced.clear()
            self._advanced[key] = super().advance(state, char)
        return self._advanced[key]

    def follow(self, then: Any) -> Sequence[Part]:
        """The next table, its decision, the next column of its list, or the end."""
        if then == "":
            every = frozenset(range(len(self.schema.tables)))
            return self._tables(self.opening, every)
        kind, left, table, used = then
        if kind == "table":
            return self._tables(self.between, left) if left else [self._part(None, self.last)]
        after = ("table", left, None, None)
        if kind == "decision":
            kept = [self._part(after, '"keep_all"'), self._part(after, '"drop_all"')]
            return [*kept, *self._columns("[", left, table, frozenset())]
        return [self._part(after, "]"), *self._columns(", ", left, table, used)]

    def _tables(self, before: str, left: frozenset[int]) -> list[Part]:
        return [
            self._part(
                ("decision", left - {number}, number, None), f"{before}{_json(self.schema.tables[number].name)}: "
            )
            for number in sorted(left)
        ]

    def _columns(self, before: str, left: frozenset[int], table: int, used: frozenset[int]) -> list[Part]:
        columns: Table = self.schema.tables[table]
        return [
            self._part(("column", left, table, used | {number}), before + _json(column.name))
            for number, column in enumerate(columns.columns)
            if number not in used
        ]

    def _part(self, then: Any, fixed: str) -> Part:
        return Part(then, plain(self.image(fixed)))


def image_of(lost: str) -> Image:
    """What becomes of fixed text where a tokenizer cannot write these characters, nor more than one space at a time."""
    if not lost:
        return lambda text: text
    return lambda text: re.sub(r"\s+", " ", re.sub(f"[{re.escape(lost)}]", "", text))


def _json(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)
