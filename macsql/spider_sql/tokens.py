"""How Spider's evaluator cuts SQL into tokens: rules made for English sentences, kept as they are.

What the rules do to SQL: brackets, `<`, `>` and `*` stand alone, but `=`, `+`, `-`, `/`, `|` and a comma before a digit
stay glued to their neighbours (`a=5` is one token), and a literal is only one when white space or brackets surround it.
"""

import re

_COMMA_OR_COLON = re.compile(r"([:,])(\D)")
_STANDS_ALONE = re.compile(r"[()\[\]{}<>;@#$%&?!*«“‘„»”’\u2012-\u2015]|--|``|`|\.{2,}")
_CLOSING = ")]}>»”’"
_COLLOQUIAL = re.compile(r"\b(?:(can)(not)|(gim)(me)|(gon)(na)|(got)(ta)|(lem)(me)|(wan)(na)(?=\s))\b", re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"')


class NotInGrammarError(ValueError):
    """SQL that Spider's grammar does not read; the text says what stood in the way."""


def tokenize(sql: str) -> list[str]:
    """Lower-case tokens; a literal is one token in double quotes with its case kept.

    Raises NotInGrammarError where quotes do not pair: `'` and `"` count as the same sign, and nothing escapes them.
    """
    text = sql.replace("'", '"')
    if text.count('"') % 2:
        raise NotInGrammarError("an odd number of quotes")
    literals: dict[str, str] = {}

    def placeholder(match: re.Match[str]) -> str:
        name = f"ʔ{len(literals)}ʔ"  # letters to every rule below, and no letters of SQL
        literals[name] = match[0]
        return name

    words = _split(_QUOTED.sub(placeholder, text))
    tokens: list[str] = []
    for word in words:
        token = word.lower()
        if token == "=" and tokens and tokens[-1] in ("!", "<", ">"):
            tokens[-1] += "="
        else:
            tokens.append(literals.get(token, token))
    return tokens


def _split(text: str) -> list[str]:
    head = text.rstrip().rstrip(_CLOSING + " ")
    if head.endswith(".") and len(head) > 1 and head[-2] != ".":  # the full stop of a sentence
        text = f"{head[:-1]} . {text[len(head) :]}"
    text = _COMMA_OR_COLON.sub(r" \1 \2", text)
    if text.endswith((",", ":")):
        text = f"{text[:-1]} {text[-1]} "
    text = _STANDS_ALONE.sub(r" \g<0> ", text) + " "
    return _COLLOQUIAL.sub(lambda match: " ".join(["", *filter(None, match.groups()), ""]), text).split()
