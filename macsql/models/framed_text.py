"""Text of decoder-only models: a prompt stands in the tokenizer's chat template, an answer ends with the end token."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from macsql.errors import UserError, with_type
from macsql.models.text import Text

_HERE = "\u0001"  # stands for the prompt while the template is taken apart: no prompt holds it


@dataclass(frozen=True)
class FramedText(Text):
    """The same ways in and out; the windows hold the template's tokens and the end token too."""

    def asked(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of prompts in their template, uncut."""
        before, after = self.frame
        return [[*before, *ids, *after] for ids in self._plain(texts)]

    def answered(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of answers with the end token, uncut."""
        return [[*ids, self.end] for ids in self._plain(texts)]

    def read(self, ids: list[int]) -> list[int]:
        """What the window leaves of a prompt: the source is cut on the right, the template stays whole."""
        if len(ids) <= self.max_source_length:
            return ids
        after = self.frame[1]
        return [*ids[: self.max_source_length - len(after)], *after]

    def learnt(self, ids: list[int]) -> list[int]:
        """What the window leaves of an answer: one that is cut does not end."""
        return ids[: self.max_target_length]

    @cached_property
    def frame(self) -> tuple[list[int], list[int]]:
        """Token ids before and behind the source: those of the chat template, or a line break in plain text.

        Raises UserError where the template cannot be used, or leaves no room in the window.
        """
        tokenizer = self.tokenizer
        start: list[int] = []
        if self.template == "auto" and tokenizer.chat_template:
            before, after = self._taken_apart()
        else:
            before, after = "", "\n"
            start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
        around = [*start, *self._alone(before)], self._alone(after)
        if (taken := sum(map(len, around))) >= self.max_source_length:
            raise UserError(
                f"model.max_source_length={self.max_source_length} leaves no room for a prompt: the chat template "
                f"alone takes {taken} tokens."
            )
        return around

    def check(self) -> None:
        """Raise UserError where the tokenizer names no end token, or its chat template cannot be used."""
        super().check()
        _ = self.frame

    def _taken_apart(self) -> tuple[str, str]:
        """What the chat template puts before and behind a prompt."""
        message = [{"role": "user", "content": _HERE}]
        try:
            shown = str(self.tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True))
        except Exception as error:  # a template is a program: what it dies of may be anything
            raise UserError(
                f"The tokenizer's chat template cannot be used ({with_type(error)}): mend it, or set "
                "model.template=none."
            ) from error
        if (times := shown.count(_HERE)) != 1:
            does = "leaves out the prompt" if not times else f"writes the prompt {times} times"
            raise UserError(f"The tokenizer's chat template {does}: mend it, or set model.template=none.")
        before, _, after = shown.partition(_HERE)
        return before, after

    def _plain(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids after the codec, without special tokens."""
        encoded = [self.codec.encode(text) for text in texts]
        return self.tokenizer(encoded, add_special_tokens=False, verbose=False).input_ids if encoded else []

    def _alone(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False).input_ids if text else []
