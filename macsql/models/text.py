"""Text as token ids within a model's windows, and back: the one way, for training, audit and answers alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from macsql.errors import UserError
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
    template: str = "none"  # of decoder-only models: auto (the tokenizer's chat template, if it has one) | none

    def sources(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of prompts as the model reads them, what is longer than the window cut on the right."""
        return self._batched(texts, self.asked, self.read)

    def targets(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of answers as the model learns them, cut in the same way to their own window."""
        return self._batched(texts, self.answered, self.learnt)

    def asked(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of prompts with all that the model gets around them, uncut."""
        return self.ids(texts)

    def answered(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of answers with the end-of-sequence token, uncut."""
        return self.ids(texts)

    def read(self, ids: list[int]) -> list[int]:
        """What the window leaves of a prompt; the end-of-sequence token is put back, as T5 was trained."""
        return cut(self.tokenizer, ids, self.max_source_length)

    def learnt(self, ids: list[int]) -> list[int]:
        """What the window leaves of an answer."""
        return cut(self.tokenizer, ids, self.max_target_length)

    @property
    def frame(self) -> tuple[list[int], list[int]]:
        """Token ids that stand before and behind every prompt, its own end-of-sequence token aside."""
        return [], []

    def check(self) -> None:
        """Raise UserError where the model cannot be asked in this way, whatever the prompt."""
        _ = self.end

    @property
    def end(self) -> int:
        """The end-of-sequence token."""
        end = self.tokenizer.eos_token_id
        if end is None:
            raise UserError("The model's tokenizer names no end token (eos_token): its answers would never end.")
        return int(end)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of texts alone with the tokenizer's own special tokens, uncut."""
        return token_ids(self.tokenizer, [self.codec.encode(text) for text in texts])

    def raw(self, ids: Sequence[int]) -> str:
        """Token ids as the tokenizer reads them, without special tokens."""
        return decode(self.tokenizer, ids)

    def text(self, ids: Sequence[int]) -> str:
        """Token ids as text, after the codec."""
        return self.codec.decode(self.raw(ids))

    @staticmethod
    def _batched(
        texts: Sequence[str],
        whole: Callable[[Sequence[str]], list[list[int]]],
        cut: Callable[[list[int]], list[int]],
    ) -> list[list[int]]:
        rows: list[list[int]] = []
        for start in range(0, len(texts), BATCH):  # uncut ids are held for one batch only
            rows += [cut(ids) for ids in whole(texts[start : start + BATCH])]
        return rows
