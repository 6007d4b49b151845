"""The tokens of SQL that are not spelt out in the grammar: numbers, names of the schema, names that a query gives."""

from collections.abc import Callable, Iterable
from typing import Any

from macsql.constraints.automaton import Symbols
from macsql.constraints.names import NameSet, lower
from macsql.constraints.scopes import Scope
from macsql.database.schema import identifier

Env = tuple[Scope, ...]  # the SELECTs that are open, the innermost last
Alternatives = Iterable[tuple[Symbols, Env]]

MOST_DIGITS = 16
MOST_LETTERS = 40  # of a name that a query gives
MOST_KEPT = 20_000  # answers to which names may stand where


def put(env: Env, **changes: Any) -> Env:
    """What is known with other values in the innermost SELECT."""
    return (*env[:-1], env[-1]._replace(**changes))


class Number:
    """A whole or decimal number; where it would be the place of a result column, one that is there."""

    def begins(self, env: Env, text: str) -> bool:
        """Digits with at most one point, and as many as anybody needs."""
        whole, point, rest = text.partition(".")
        if env[-1].item == "#":
            return text.isdigit() and 1 <= int(text) <= env[-1].total()
        return whole.isdigit() and len(text) <= MOST_DIGITS and (not point or not rest or rest.isdigit())

    def holds(self, env: Env, text: str) -> bool:
        """The same, not ending with its point."""
        return text[-1] != "." and self.begins(env, text)

    def after(self, env: Env, text: str) -> Env:  # noqa: ARG002
        """It is no column."""
        return put(env, item="")


class Name:
    """One of the names that may stand here; `known` says which, `after` what follows from it."""

    def __init__(self, known: Callable[[Env], NameSet], after: Callable[[Env, str], Env]) -> None:
        self._known, self._after = known, after
        self._here: dict[Env, NameSet] = {}

    def begins(self, env: Env, text: str) -> bool:
        """Whether one of them begins so."""
        return self.names(env).begins(text)

    def holds(self, env: Env, text: str) -> bool:
        """Whether it is one of them."""
        return self.names(env).read(text) is not None

    def after(self, env: Env, text: str) -> Env:
        """What is known behind it."""
        name = self.names(env).read(text)
        assert name is not None
        return self.named(env, name)

    def named(self, env: Env, name: str) -> Env:
        """What is known behind a name, however it is written."""
        return self._after(env, name)

    def names(self, env: Env) -> NameSet:
        """All that may stand here."""
        found = self._here.get(env)
        if found is None:
            if len(self._here) > MOST_KEPT:
                self._here.clear()
            found = self._here[env] = self._known(env)
        return found


class NewName:
    """A name that the query gives to a result column: a word, or where there may be `quotes`, anything in them."""

    def __init__(self, quotes: bool = True) -> None:
        self.quotes = quotes

    def begins(self, env: Env, text: str) -> bool:  # noqa: ARG002
        """Letters, digits and underscores up to 40; no word that SQL keeps for itself is refused while it grows."""
        if text[0] in '`"':
            inner = text[1:-1] if len(text) > 1 and text[-1] == text[0] else text[1:]
            if len(text) > 1 and text[-1] == text[0]:
                return self.quotes and bool(inner) and text[0] not in inner
            return self.quotes and text[0] not in inner and "\n" not in inner and len(text) < MOST_LETTERS
        return _is_word(text)

    def holds(self, env: Env, text: str) -> bool:  # noqa: ARG002
        """Whether it is whole and no word that SQL keeps for itself."""
        if text[0] in '`"':
            return self.quotes and len(text) > 2 and text[-1] == text[0]
        return identifier(text) == text

    def after(self, env: Env, text: str) -> Env:
        """The result column has this name."""
        return put(env, item=lower(text.strip('`"')))


class NewWord:
    """A name that the query gives to a table; `free` says whether it may, `taken` which names are none."""

    def __init__(
        self,
        free: Callable[[Env], bool],
        taken: Callable[[Env, str], bool],
        after: Callable[[Env, str], Env],
        usual: NameSet | None = None,
    ) -> None:
        """`usual`: the only names that there may be."""
        self._free, self._taken, self._after, self.usual = free, taken, after, usual
        self._here: dict[Env, bool] = {}

    def begins(self, env: Env, text: str) -> bool:
        """Whether a name begins so."""
        if not (self._open(env, text) if self.usual else _is_word(text)):
            return False
        if env not in self._here:
            if len(self._here) > MOST_KEPT:
                self._here.clear()
            self._here[env] = self._free(env)
        return self._here[env]

    def _open(self, env: Env, text: str) -> bool:
        """Whether one of the usual names that are not taken begins so."""
        assert self.usual is not None
        return self.usual.begins(text) and any(not self._taken(env, name) for name in self.usual.beginning(text))

    def holds(self, env: Env, text: str) -> bool:
        """Whether it is a whole name that means nothing else yet."""
        whole = self.usual.read(text) is not None if self.usual else identifier(text) == text
        return whole and self.begins(env, text) and not self._taken(env, lower(text))

    def after(self, env: Env, text: str) -> Env:
        """What is known behind it."""
        return self._after(env, lower(text))


def _is_word(text: str) -> bool:
    return text.replace("_", "a").isalnum() and not text[0].isdigit() and text.isascii() and len(text) <= MOST_LETTERS
