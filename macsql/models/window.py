"""Text to token ids, token ids to a window's length, token ids to text: fast, and to the letter the tokenizer's own."""

import re
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from macsql.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BATCH = 1024  # texts whose words are tokenised together
_GAP = re.compile(r"[ \t\n\r]+")  # white space of which every tokenizer of T5's kind is sure to make nothing


def decode(tokenizer: "PreTrainedTokenizerBase", ids: Sequence[int]) -> str:
    """A model's token ids as text without special tokens, before the codec."""
    import numpy as np

    # The library looks at every id of a list, but not of an array: several times faster for a long prompt.
    return str(tokenizer.decode(np.asarray(ids, dtype=np.int64), skip_special_tokens=True))


def token_ids(tokenizer: "PreTrainedTokenizerBase", encoded: Sequence[str]) -> list[list[int]]:
    """Encoded texts -> token ids with the end-of-sequence token, uncut.

    A tokenizer of T5's kind splits at white space before anything else, so a text's tokens are those of its words one
    after the other. Prompts repeat their words: to tokenise each distinct word once is about six times faster.
    """
    if not encoded or not _by_words(tokenizer):
        return _ids(tokenizer, encoded) if encoded else []
    rows: list[list[int]] = []
    end = _ids(tokenizer, [""])[0]
    for start in range(0, len(encoded), BATCH):
        split = [_GAP.split(text) for text in encoded[start : start + BATCH]]
        words = list(dict.fromkeys(chain.from_iterable(split)))
        pieces = dict(zip(words, _ids(tokenizer, words, add_special_tokens=False), strict=True))
        rows += [[*chain.from_iterable(map(pieces.__getitem__, row)), *end] for row in split]
    return rows


def _ids(
    tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str], add_special_tokens: bool = True
) -> list[list[int]]:
    # verbose: a text longer than the model's window is counted by us, it needs no warning of the library's
    ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=add_special_tokens, verbose=False).input_ids
    return ids


def _by_words(tokenizer: "PreTrainedTokenizerBase") -> bool:
    """Whether the tokenizer is sure to treat every word alike, wherever it stands."""
    from tokenizers import pre_tokenizers

    steps = getattr(getattr(tokenizer, "backend_tokenizer", None), "pre_tokenizer", None)
    return (
        isinstance(steps, pre_tokenizers.Sequence)
        and isinstance(steps[0], pre_tokenizers.WhitespaceSplit)
        and isinstance(steps[1], pre_tokenizers.Metaspace)
        and steps[1].prepend_scheme == "always"
    )


def cut(tokenizer: "PreTrainedTokenizerBase", ids: list[int], length: int) -> list[int]:
    """The first `length` of the ids, the last of them the end-of-sequence token where it stood at the end."""
    if length < 2:
        raise UserError(
            f"A window of {length} tokens is too small: model.max_source_length and max_target_length are at least 2."
        )
    if len(ids) <= length:
        return ids
    eos = tokenizer.eos_token_id
    return [*ids[: length - 1], eos] if ids[-1] == eos else ids[:length]
