"""The short way out: from anywhere in a language, text that ends it well.

A search over whole tokens, nearest end first. How far an end is, is guessed from what is still to come on the stack and
from the names that still wait for their FROM; the guess steers the search and is never taken for the answer.
"""

import heapq
from collections.abc import Callable, Iterator
from itertools import count

from macsql.constraints.automaton import TEXT, Node, Place, Stack, Terminal, Texts, Words, runs_on
from macsql.constraints.names import NameSet
from macsql.constraints.scopes import Scope
from macsql.constraints.terminals import Env, Name, NewName, NewWord, Number

GUESSED = {  # characters of what a rule needs at least, where that is not nothing
    **{"Query": 18, "Core": 18, "Item": 1, "From": 10, "Source": 5, "Cte": 30, "CteQuery": 25, "Ordering": 1},
    **{"Cond": 3, "Predicate": 3, "Test": 2, "Expr": 1, "Sum": 1, "Left": 1, "Factor": 1, "Among": 1, "Value": 1},
    **{"Whens": 16, "Whens2": 14, "Type": 4, "Window": 10, "Exprs": 1, "Join": 4},
}
WAITS = 30  # characters that a table needs whose name waits for it
GREED = 3  # an end is wanted, not the shortest: a character that is missing counts more than one that is written
MOST_TRIED = 400  # tokens
SUGGESTED = 12  # names of one kind


def guess(node: Node) -> int:
    """About how many characters an answer needs from here."""
    if node.guessed is None:
        node.guessed = min(_stack(stack) + _waiting(env) for stack, env in node.configs)
    return node.guessed


def close(place: Place, texts: Texts) -> str | None:
    """Text that ends what has come to `place`; None where none is found."""
    if not place.part:
        return _from(place.node, texts)
    ways = sorted(_tokens(place.node, place.part, texts))
    for _, _, token in ways[:SUGGESTED]:
        after = place.node.after(token, texts)
        rest = None if after is None else _from(after, texts)
        if rest is not None:
            return token[len(place.part) :] + _space(token, rest) + rest
    return None


def _from(node: Node, texts: Texts) -> str | None:
    """What ends an answer behind whole tokens, kept with the node: it holds no text but the empty one."""
    if not node.sought:
        node.sought, node.closing = True, _searched(node, texts)
    return node.closing


def _searched(start: Node, texts: Texts) -> str | None:
    if start.end:
        return ""
    number = count()
    seen = {start}
    todo: list[tuple[int, int, Node, str, str, str]] = []

    def push(node: Node, written: str, last: str) -> None:
        for far, _, token in reversed(list(_tokens(node, "", texts))):  # of equals the usual one comes out first
            heapq.heappush(todo, (len(written) + GREED * far, -next(number), node, written, last, token))  # deep first

    push(start, "", "")
    for _ in range(MOST_TRIED):
        if not todo:
            return None
        _, _, node, written, last, token = heapq.heappop(todo)
        after = node.after(token, texts)
        if after is None or after in seen:
            continue
        seen.add(after)
        written += _space(last, token) + token
        if after.end:
            return written
        push(after, written, token)
    return None


def _tokens(node: Node, part: str, texts: Texts) -> Iterator[tuple[int, int, str]]:
    """(characters that are needed, guessed and with its own; a number; token) for tokens that begin with `part`."""
    number = count()
    for word, configs in node.spelt.items():
        if (token := _cased(word, part)) is not None:
            yield len(word) + 1 + min(_stack(s) + _waiting(env) for s, env in configs), next(number), token
    for words, rest, env in node.words:
        behind = _stack(rest) + _waiting(env)
        for word, alternatives in words.follow.items():
            if (token := _cased(word, part, words.capitalised)) is not None:
                far = min(sum(_symbol(symbol) for symbol in symbols) for symbols in alternatives)
                yield len(word) + 1 + far + behind, next(number), token
    for terminal, rest, env in node.terminals:
        behind = _stack(rest)
        for token in _suggested(terminal, env, part):
            yield len(token) + 1 + behind + _waiting(terminal.after(env, token)), next(number), token
    for rest, env in node.texts:
        token = texts.whole(part) if part[:1] in ("'", '"') else ("''" if not part else None)
        if token is not None:
            yield len(token) + 1 + _stack(rest) + _waiting(env), next(number), token


def _suggested(terminal: Terminal, env: Env, part: str) -> Iterator[str]:
    """Tokens of one kind."""
    if isinstance(terminal, Number):
        for token in (part, part + "0", part + "1", part[:1]) if part else ("1",):
            if token and terminal.holds(env, token):
                yield token
                return
    elif isinstance(terminal, Name):
        yield from _names(terminal.names(env), part, lambda name: _waiting(terminal.named(env, name)))
    elif isinstance(terminal, NewName):
        wanted = sorted(env[-1].wanted - {*env[-1].outputs})
        quote = part[0] if part[:1] in ('"', "`") else ""
        for token in (*wanted, *((part + quote, part + "x" + quote, part[:-1] + "x") if part else ("x",))):
            if token.startswith(part) and terminal.begins(env, token) and terminal.holds(env, token):
                yield token
                return
    elif isinstance(terminal, NewWord):
        found = _names(terminal.usual, part, lambda _: 0) if terminal.usual else ()
        for token in (*((part,) if part else ()), *found, *(f"{part}x{n}" for n in range(9))):
            if terminal.holds(env, token):
                yield token
                return


def _names(names: NameSet, part: str, behind: Callable[[str], int]) -> Iterator[str]:
    """Ways to write some names that begin with `part`: those that need the fewest characters, with what is `behind`."""
    quote = part[0] if part[:1] in ('"', "`", "[") else ""
    closing = {"[": "]"}.get(quote, quote)
    begun = part[1:] if quote and not (len(part) > 1 and part[-1] == closing) else part.strip('"`[]')
    known = list(names.beginning(begun))
    if len(known) > SUGGESTED:
        known = sorted(known, key=lambda name: len(name) + behind(name))[:SUGGESTED]
    for name in known:
        for rest in (name[len(begun) :], name[len(begun) :].upper(), names.spelt.get(name, name)[len(begun) :]):
            bare = begun + rest
            written = [quote + bare + closing] if quote else [bare, f'"{bare}"' if not part else bare, f"`{bare}`"]
            token = next((w for w in written if w.startswith(part) and names.read(w) is not None), None)
            if token is not None:
                yield token
                break


def _cased(word: str, part: str, capitalised: bool = True) -> str | None:
    """The word, written on as `part` begins it; None where it does not begin so."""
    if not word.startswith(part.lower()):
        return None
    rest = word[len(part) :]
    token = part + (rest.upper() if part.isupper() and (len(part) > 1 or not capitalised) else rest)
    return token if token in (word, word.upper()) or (capitalised and token == word.capitalize()) else None


def _space(before: str, after: str) -> str:
    """A space where SQL needs one between two tokens."""
    if not before or not after:
        return ""
    words = all(char.isalnum() or char in "_'\"`[]" or char >= "\x80" for char in (before[-1], after[0]))
    return " " if words or runs_on(before, after[0]) or before[-1] == "-" else ""


def _symbol(symbol: object) -> int:
    if isinstance(symbol, str):
        return GUESSED.get(symbol, 0) if symbol[0].isupper() else len(symbol) + 1
    if isinstance(symbol, Words):
        return min(len(word) + min(sum(map(_symbol, s)) for s in follow) for word, follow in symbol.follow.items())
    return 2 if symbol is TEXT else 3


def _stack(stack: Stack) -> int:
    far = 0
    while stack is not None:
        far += _symbol(stack[0])
        stack = stack[1]
    return far


def _waiting(env: Env) -> int:
    """Characters for tables whose columns are named already; the table under way gives what it has."""
    return sum(WAITS * _absent(scope) for scope in env if scope.open and scope.pending)


def _absent(scope: Scope) -> int:
    """How many tables are missing, at most."""
    waiting: dict[str, set[str]] = {}
    given = scope.table.columns if scope.table else frozenset()
    for qualifier, column in scope.unmet():
        if qualifier or column not in given:
            waiting.setdefault(qualifier or f".{column}", set()).add(column)
    covered = any(not q.startswith(".") and columns - {"*"} <= given for q, columns in waiting.items())
    return len(waiting) - (covered and scope.table is not None)
