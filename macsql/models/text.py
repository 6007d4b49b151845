"""Text as token ids within a model's windows, and back: the one way, for training, audit and answers alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from macsql.models.codecs import Codec
from macsql.models.window import BATCH, cut, decode, token_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Text:
    """How a model reads and writes: its tokenizer (with the codec's tokens), its codec and its windows in tokens."""

    tokenizer: "PreTrainedTokenizerBase"
    codec: Codec
    max_source_length: int
    max_target_length: int

    def sources(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of prompts.

        What is longer than the window is cut on the right, and the end-of-sequence token put back, as T5 was trained.
        """
        return self._within(texts, self.max_source_length)

    def targets(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of answers, cut in the same way to their own window."""
        return self._within(texts, self.max_target_length)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of texts with the end-of-sequence token, uncut."""
        return token_ids(self.tokenizer, [self.codec.encode(text) for text in texts])

    def raw(self, ids: Sequence[int]) -> str:
        """Token ids as the tokenizer reads them, without special tokens."""
        return decode(self.tokenizer, ids)

    def text(self, ids: Sequence[int]) -> str:
        """Token ids as text, after the codec."""
        return self.codec.decode(self.raw(ids))

    def _within(self, texts: Sequence[str], length: int) -> list[list[int]]:
        rows: list[list[int]] = []
        for start in range(0, len(texts), BATCH):  # uncut ids are held for one batch only
            rows += [cut(self.tokenizer, ids, length) for ids in self.ids(texts[start : start + BATCH])]
        return rows
