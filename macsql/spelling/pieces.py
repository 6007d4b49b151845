"""A tokenizer's tokens as the text that each of them spells, and all of them as a tree of their first characters."""

from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from macsql.spelling.reader import Reader
from macsql.spelling.runs import CAPITAL, JOIN, WORD
from macsql.spelling.spelling import Spelling, Written, plain

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_IDS = ""  # where a branch keeps the tokens that end there


class Pieces:
    """Token id -> what it spells, one character for each byte; None: it never stands in an answer."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        backend: Any = getattr(tokenizer, "backend_tokenizer", None)
        decoder = str(getattr(backend, "decoder", ""))
        self.by_bytes, self.by_runs = "ByteLevel" in decoder, CAPITAL in decoder
        special = set(tokenizer.all_special_ids)
        added = {index: str(token) for index, token in tokenizer.added_tokens_decoder.items()}
        names = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        letters = _byte_letters() if self.by_bytes else {}
        self.texts: list[str | None] = []
        for index, name in enumerate(names):
            if index in special or name is None:
                self.texts.append(None)
            elif index in added:
                self.texts.append(plain(added[index]))
            elif self.by_bytes:
                self.texts.append("".join(letters.get(letter, plain(letter)) for letter in name))
            elif len(name) == 6 and name.startswith("<0x") and name.endswith(">"):
                self.texts.append(chr(int(name[3:5], 16)))
            elif self.by_runs:
                self.texts.append("".join(sign if sign in (WORD, JOIN, CAPITAL) else plain(sign) for sign in name))
            else:
                self.texts.append(plain(name.replace("▁", " ")))

    @cached_property
    def tree(self) -> dict[str, Any]:
        """Character -> the tree of what follows it; under "" the ids of the tokens that end there."""
        root: dict[str, Any] = {}
        for index, text in enumerate(self.texts):
            if text:
                branch = root
                for char in text:
                    branch = branch.setdefault(char, {})
                branch.setdefault(_IDS, []).append(index)
        return root

    def acceptable(
        self,
        spelling: Spelling,
        reader: Reader,
        written: Written,
        narrow: Callable[[Written], Collection[str]] | None = None,
    ) -> Iterator[int]:
        """Every token that may come next. `narrow`: the characters that alone may come, where that is known."""
        todo: list[tuple[dict[str, Any], Written]] = [(self.tree, written)]
        while todo:
            branch, now = todo.pop()
            yield from branch.get(_IDS, ())
            for char in branch if narrow is None else narrow(now):
                more = branch.get(char)
                if more is not None and char != _IDS and (after := spelling.advance(reader, now, char)) is not None:
                    todo.append((more, after))


def _byte_letters() -> dict[str, str]:
    """The letters that byte-level tokenizers write bytes with -> the bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): chr(byte) for byte in printable} | {chr(256 + n): chr(byte) for n, byte in enumerate(others)}
