"""A pushdown automaton over the tokens of a language, driven one character at a time.

A grammar is a mapping from rule names to functions: given what is known so far (`env`), the alternatives that a rule
stands for, each a sequence of symbols with the env that goes with it. A symbol is the name of a rule, a word or sign of
the language, or a `Terminal` (a name, a number, a text). All alternatives are followed at once; what can follow is
worked out once for each set of them (`Node`) and kept.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

Stack = Any  # None, or (symbol, Stack): what is still to come
Env = Any
Symbols = tuple[Any, ...]
TEXT = object()  # the symbol for a quoted text: what it may hold is the reader's to say, not the grammar's
Rules = Mapping[str, Callable[[Env], Iterable[tuple[Symbols, Env]]]]

QUOTES = "'\""
SPACES = " \n\t\r"
MOST_SPACES = 3  # between two tokens, or as many as a line is indented by
INDENTED = 8
NODES = 20_000  # kept; beyond that the automaton starts to forget
_SIGNS = frozenset("<>=!|")  # that a longer sign may begin with


class Texts(Protocol):
    """The quoted texts that one answer may hold."""

    def begins(self, text: str) -> bool:
        """Whether a text that may be written begins so, its quote included."""

    def holds(self, text: str) -> bool:
        """Whether this is a whole text, from quote to quote."""

    def whole(self, text: str) -> str | None:
        """A whole text that begins so; None where none is at hand."""


class Terminal(Protocol):
    """A token that is not spelt out in the grammar."""

    def begins(self, env: Env, text: str) -> bool:
        """Whether a token may begin with this text."""

    def holds(self, env: Env, text: str) -> bool:
        """Whether the text is a whole token."""

    def after(self, env: Env, text: str) -> Env:
        """What is known behind the token."""


class Words:
    """Words and signs, each with the alternatives that it stands for together with what follows it."""

    def __init__(self, follow: Mapping[str, Sequence[Symbols]], capitalised: bool = True) -> None:
        """`capitalised`: people write them with a capital in front, too."""
        self.capitalised = capitalised
        self.follow = {word: tuple(alternatives) for word, alternatives in follow.items()}
        self.begun = frozenset(word[:count] for word in follow for count in range(1, len(word) + 1))

    def begins(self, text: str) -> bool:
        """Whether one of them begins so."""
        return _even(text, self.capitalised) in self.begun


class Node:
    """A set of alternatives: what may come next, and where each token leads."""

    def __init__(self, automaton: "Automaton", configs: Iterable[tuple[Stack, Env]]) -> None:
        self.automaton, self.configs = automaton, frozenset(configs)
        self.end = False
        self.spelt: dict[str, list[tuple[Stack, Env]]] = {}
        self.terminals: list[tuple[Terminal, Stack, Env]] = []
        self.texts: list[tuple[Stack, Env]] = []
        self.words: list[tuple[Words, Stack, Env]] = []
        for stack, env in self.configs:
            if stack is None:
                self.end = True
            elif isinstance(stack[0], str):
                self.spelt.setdefault(stack[0], []).append((stack[1], env))
            elif stack[0] is TEXT:
                self.texts.append((stack[1], env))
            elif isinstance(stack[0], Words):
                self.words.append((stack[0], stack[1], env))
            else:
                self.terminals.append((stack[0], stack[1], env))
        self.pointed = not (self.end or self.terminals or self.texts or self.words or set(self.spelt) - {"."})
        self._begun = {word[:count] for word in self.spelt for count in range(1, len(word) + 1)}
        self._after: dict[str, Node | None] = {}
        self._quoted: Node | None = None  # behind a text
        self._begins: dict[str, bool] = {}
        self.guessed: int | None = None  # how far it is to an end, and the way there: see closing.py
        self.closing: str | None = None
        self.sought = False

    def begins(self, text: str, texts: "Texts") -> bool:
        """Whether some token that may come next begins with this text."""
        found = self._begins.get(text)
        if found is None:
            lowered = _even(text)
            found = (
                lowered in self._begun
                or any(words.begins(text) for words, _, _ in self.words)
                or any(t.begins(env, text) for t, _, env in self.terminals)
            )
            self._begins[text] = found
        return found or (bool(self.texts) and text[0] in QUOTES and texts.begins(text))

    def after(self, text: str, texts: "Texts") -> "Node | None":
        """Where a whole token leads; None where it is none, or may not come next."""
        quoted = bool(self.texts) and text[0] in QUOTES and texts.holds(text)
        if quoted and self._quoted is None:
            self._quoted = self.automaton.node(self.texts)
        if text not in self._after:
            lowered = _even(text)
            configs = list(self.spelt.get(lowered, ()))
            for words, rest, env in self.words:
                configs += [
                    (_pushed(rest, symbols), env) for symbols in words.follow.get(_even(text, words.capitalised), ())
                ]
            configs += [(rest, t.after(env, text)) for t, rest, env in self.terminals if t.holds(env, text)]
            self._after[text] = self.automaton.node(configs)
        named = self._after[text]
        if not quoted or named is None:
            return self._quoted if quoted else named
        return self.automaton.both(named, self._quoted)  # a name in double quotes that may be a text as well


class Place(NamedTuple):
    """Where the reader stands: behind whole tokens (`node`), inside of one (`part`), or in the spaces after one."""

    node: Node
    part: str = ""
    spaces: int = 0
    joined: str = ""  # the last character before `part`, where no space is between


@dataclass
class Automaton:
    """Reads a language whose tokens are words, numbers, signs and quoted texts, with spaces between them."""

    rules: Rules
    start: Symbols
    env: Env
    shared: dict[Hashable, dict[Any, Any]] = field(default_factory=dict)  # for those who read with it
    _nodes: dict[Hashable, Node] = field(default_factory=dict)

    def begin(self) -> Place:
        """Before the first character."""
        node = self.node([(_pushed(None, self.start), self.env)])
        assert node is not None, "the grammar allows nothing"
        return Place(node)

    def node(self, configs: Iterable[tuple[Stack, Env]]) -> Node | None:
        """The node of these alternatives, rules replaced by what they stand for; None where there are none."""
        todo = list(configs)
        seen: set[tuple[Stack, Env]] = set()
        found: set[tuple[Stack, Env]] = set()
        while todo:
            config = todo.pop()
            stack, env = config
            if stack is not None and isinstance(stack[0], str) and stack[0] in self.rules:
                for symbols, known in self.rules[stack[0]](env):
                    inner = (_pushed(stack[1], symbols), known)
                    if inner not in seen:
                        seen.add(inner)
                        todo.append(inner)
            else:
                found.add(config)
        if not found:
            return None
        key = frozenset(found)
        if key not in self._nodes:
            if len(self._nodes) >= NODES:
                self._nodes.clear()
            self._nodes[key] = Node(self, key)
        return self._nodes[key]

    def both(self, one: Node, other: "Node | None") -> Node | None:
        """All alternatives of two nodes."""
        return self.node([*one.configs, *(other.configs if other else ())])

    def advance(self, place: Place, char: str, texts: "Texts") -> Place | None:
        """The place behind one more character; None where it may not come next."""
        node, part, spaces, joined = place
        if part:
            longer = part + char
            if node.begins(longer, texts):
                return Place(node, longer, 0, joined)
            if runs_on(part, char):
                return None
            after = node.after(part, texts)
            if after is None:
                return None
            node, joined = after, part[-1]
        if (spaces and char == ".") or (char in SPACES and (joined == "." or node.pointed)):  # no space round a point
            return None
        if char in SPACES:
            if char == "\n" or spaces >= INDENTED:
                return Place(node, "", INDENTED + 1 + spaces % INDENTED) if spaces < 2 * INDENTED - 1 else None
            return Place(node, "", spaces + 1) if spaces < MOST_SPACES else None
        if joined == "-" == char or not node.begins(char, texts):  # -- begins a comment
            return None
        return Place(node, char, 0, joined)

    def complete(self, place: Place, texts: "Texts") -> bool:
        """Whether the text may end here."""
        node = place.node.after(place.part, texts) if place.part else place.node
        return node is not None and node.end


def _even(text: str, capitalised: bool = True) -> str:
    """A word all in upper case, or with a capital at the front, in lower case; any other mixture as it is."""
    lowered = text.lower()
    return lowered if text in (lowered, text.upper()) or (capitalised and text == lowered.capitalize()) else text


def runs_on(part: str, char: str) -> bool:
    """Whether SQL would read the character as more of the token."""
    if _word(part[0]):
        return _word(char) or char == "$" or (part[0].isdigit() and char == ".")
    return part[-1] in _SIGNS and char in _SIGNS


def _word(char: str) -> bool:
    return char.isalnum() or char == "_" or char >= "\x80"


def _pushed(stack: Stack, symbols: Symbols) -> Stack:
    for symbol in reversed(symbols):
        stack = (symbol, stack)
    return stack
