"""Targets and prompts as text that a tokenizer can represent, and back.

T5's vocabulary has no ``{ } < ` ~ ^ \\`` and no brackets 【 】, its tokenizer folds every run of white space into one
space, and its decoder takes the space before ``. , ? !`` and some apostrophes away. A codec writes it all in words:

    SELECT a FROM t          -->  SELECT a FROM t
    a <= 5                   -->  a @le 5
    ```sql⏎SELECT a⏎```      -->  @code SELECT a @end

A mark is a word of its own and stands for its text WITHOUT the spaces round it, so marks never change how their
neighbours are split into word pieces. A character that has no mark is written as its code point (``é`` is ``@xe9``),
which makes the codec reversible for any text and any tokenizer that has the characters of `ALPHABET`.
"""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from macsql.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Text -> the name of its mark, longest text first where several fit. Names of frequent texts are single pieces of T5's
# vocabulary, so that the mark takes two tokens: "@" and the name.
MARKS = {
    # white space
    " ": "space",  # only where a plain space would be lost: at an edge, beside a mark, before . , ? !
    "  ": "two",
    "    ": "four",
    "\n": "line",
    "\t": "tab",
    # comparisons as SQL has them, with one space round them, two (Spider's queries) or none
    " < ": "less",
    " <= ": "le",
    " <> ": "not",
    "<": "lt",
    "  =  ": "is",
    "  >  ": "over",
    "  <  ": "under",
    "  >=  ": "min",
    "  <=  ": "max",
    " ,  ": "and",
    # symbols
    " '": "q",  # keeps the value that follows a word of its own, as it is in the question
    "`": "b",
    " `": "o",
    "` ": "c",
    "{": "open",
    "}": "close",
    "~": "about",
    "^": "hat",
    "\\": "back",
    "【": "left",
    "】": "right",
    "@": "at",
    # fences, and what the agents' answers put round them
    "```": "fence",
    "```sql\n": "code",
    "\nSQL\n```sql\n": "write",
    "\n```": "end",
    "\n```\n\nSub question ": "sub",
    "\n```\n\nQuestion Solved.": "final",
    '```json\n{"': "list",
    '```json\n{\n  "': "long",
    '": "keep_all"': "all",
    '": "drop_all"': "drop",
    '": ["': "key",
    '", "': "or",
    '"]': "set",
    ', "': "also",
    ',\n  "': "after",
    "}\n```": "stop",
    "\n}\n```": "finish",
}
# The characters of encoded text, beside the space: those of ASCII that T5's vocabulary has.
ALPHABET = "".join(chr(code) for code in range(33, 127) if chr(code) not in "{}<`~^\\")


class Codec(Protocol):
    """A way to write text: `decode(encode(text)) == text`, and `decode` takes anything that a model may write."""

    name: str
    texts: Mapping[str, str]  # mark as it is written -> what it stands for
    added_tokens: tuple[str, ...]  # what the tokenizer has to be given (see `extend`) before it can read encoded text

    def encode(self, text: str) -> str:
        """Text -> what the tokenizer is given."""

    def decode(self, text: str) -> str:
        """What the tokenizer gave back -> text. Never raises."""


class Verbatim:
    """The text itself, as the poster had it: what the tokenizer cannot represent is lost."""

    name = "verbatim"
    texts: Mapping[str, str] = {}
    added_tokens: tuple[str, ...] = ()

    def encode(self, text: str) -> str:
        """The text itself."""
        return text

    def decode(self, text: str) -> str:
        """The text itself."""
        return text


class Marked:
    """Marks for what cannot be represented; `spell` gives the written form of a (text, name) of MARKS."""

    def __init__(self, name: str, spell: Callable[[str, str], str], adds_tokens: bool) -> None:
        self.name = name
        self._written = {text: spell(text, mark) for text, mark in MARKS.items()}
        self.texts: Mapping[str, str] = {written: text for text, written in self._written.items()}
        added = [written for written in self.texts if not written.startswith("@")]
        self.added_tokens = tuple(added) if adds_tokens else ()
        alternatives = sorted(self.texts, key=len, reverse=True)
        ends = [re.escape(written) + (r"(?!\w)" if written[-1].isalnum() else "") for written in alternatives]
        self._mark = re.compile(rf" ?(?:({'|'.join(ends)})|@x([0-9a-f]{{1,6}})(?!\w)) ?", re.ASCII)

    def encode(self, text: str) -> str:
        """Text of any characters -> words of ALPHABET (and of `added_tokens`) with single spaces between them."""
        words: list[str] = []
        for number, part in enumerate(_UNWRITABLE.split(text)):
            if number % 2:
                words.append(self._word(part))
            elif part and (part[0] in " 'n" or part[-1] == " "):
                words += self._edged(part)
            elif part:
                words.append(part)
        return " ".join(words)

    def decode(self, text: str) -> str:
        """Encoded text -> the text it stands for; an unknown mark is left as it is."""
        return self._mark.sub(self._text, text)

    def _edged(self, part: str) -> list[str]:
        """A plain part with marks for what its edges would lose beside a mark."""
        start = _LOST_AT_START.match(part).end()  # type: ignore[union-attr]  # matches the empty text too
        stop = max(start, len(part.rstrip(" ")))
        middle = [part[start:stop]] if start < stop else []
        return [*map(self._word, part[:start]), *middle, *map(self._word, part[stop:])]

    def _word(self, part: str) -> str:
        return self._written.get(part) or f"@x{ord(part):x}"

    def _text(self, match: re.Match[str]) -> str:
        if match[1] is not None:
            return self.texts[match[1]]
        code = int(match[2], 16)
        return chr(code) if code <= 0x10FFFF else match[0]


# What never stays as it is: texts with a mark, longest first; a space that the tokenizer's decoder takes away; and
# everything outside the alphabet. None of them starts with a letter or digit, which makes the search twice as fast.
_UNWRITABLE = re.compile(
    f"(?![A-Za-z0-9])({'|'.join(re.escape(text) for text in sorted(MARKS, key=len, reverse=True) if text != ' ')}"
    rf"| (?=[.,?!]|n't)|[^ {re.escape(ALPHABET)}])"
)
# What is lost only behind a mark, where a plain part starts: the decoder joins " ' " and " n't" to the word before.
_LOST_AT_START = re.compile(r"(?: |'|n(?='t))*")


def _as_token(text: str, mark: str) -> str:
    """A symbol that the vocabulary lacks is its own token; what is longer, or white space, has its name in brackets."""
    if text == "@":
        return "@at"
    return text if len(text) == 1 and text.isprintable() and text != " " else f"<{mark}>"


_CODECS: tuple[Codec, ...] = (
    Verbatim(),
    Marked("marks", lambda _, mark: f"@{mark}", adds_tokens=False),
    Marked("tokens", _as_token, adds_tokens=True),
)


def codec(name: str) -> Codec:
    """The codec called `name`. Raises UserError, listing the names there are, for any other."""
    for known in _CODECS:
        if known.name == name:
            return known
    raise UserError(f"Unknown codec {name!r}: choose one of {', '.join(known.name for known in _CODECS)}.")


def extend(tokenizer: "PreTrainedTokenizerBase", codec: Codec, model: "PreTrainedModel | None" = None) -> int:
    """Give a tokenizer the codec's tokens, and a model rows for them; returns how many tokens the tokenizer lacked.

    A model whose embedding is too short for the tokenizer is made longer. A new token then starts as the mean of the
    pieces of its mark's name ("less", "line"), in the input embedding and, where that is another matrix, in the output.
    An embedding that is long enough is left alone: a checkpoint trained with these tokens keeps what it has learnt.
    """
    count = tokenizer.add_tokens(list(codec.added_tokens))
    if model is None or len(tokenizer) <= _embedding(model).shape[0]:
        return count

    import torch

    # The library's own start is a random draw about the mean of all rows, which differs from run to run.
    model.resize_token_embeddings(len(tokenizer), pad_to_multiple_of=64, mean_resizing=False)
    names = {_as_token(text, mark): mark for text, mark in MARKS.items()}
    with torch.no_grad():
        for weight in {id(weight): weight for weight in (_embedding(model), _embedding(model, output=True))}.values():
            for token in codec.added_tokens:
                pieces = tokenizer(names[token], add_special_tokens=False).input_ids
                weight[tokenizer.convert_tokens_to_ids(token)] = weight[pieces].mean(dim=0)
    return count


def _embedding(model: "PreTrainedModel", output: bool = False) -> Any:
    """The [tokens, d_model] matrix of the embedding, or of the output layer where it has one."""
    layer = model.get_output_embeddings() if output else None
    return (layer or model.get_input_embeddings()).weight
