"""What all families with weights here do alike: move them, and write answers batch by batch."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from macsql.config import GenerationConfig
from macsql.generation import folded
from macsql.generation.greedy import greedy
from macsql.models.card import Card
from macsql.models.decoding import by_length
from macsql.models.model import Answer
from macsql.models.text import Text
from macsql.spelling.processor import Alphabet, Constrained
from macsql.spelling.reader import Guide

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class Generating(ABC):
    """A network with its text and its card. A family says how prompts are read and where an answer begins and ends."""

    def __init__(self, network: "PreTrainedModel", text: Text, card: Card) -> None:
        self.network, self.text, self.card = network, text, card

    @abstractmethod
    def prompts(self, sources: Sequence[str]) -> list[list[int]]:
        """Token ids of prompts, cut to their window."""

    @abstractmethod
    def _padded(self, sources: Sequence[list[int]]) -> "dict[str, torch.Tensor]":
        """Prompts as the network generates from them: input_ids and attention_mask, each [rows, length]."""

    @abstractmethod
    def _answer(self, ids: list[int]) -> Answer:
        """The answer in what the network wrote to a prompt."""

    def _repeated(self, length: int) -> int:  # noqa: ARG002  (others repeat all of it)
        """How many tokens of a prompt of `length` tokens stand before the answer in what the network writes."""
        return 0

    def _ends(self) -> dict[str, int]:
        """Tokens that generation is told of beside those in the network's own configuration."""
        return {}

    @cached_property
    def _alphabet(self) -> Alphabet:
        """How the tokens spell answers."""
        end = self._ends().get("eos_token_id", self.text.tokenizer.eos_token_id)
        return Alphabet(self.text.tokenizer, self.text.codec.texts, end)

    def answer(
        self,
        prompts: Sequence[str],
        generation: GenerationConfig,
        progress: Callable[[int], None] = lambda _: None,
        guides: Sequence[Guide] | None = None,
    ) -> list[Answer]:
        """One answer per prompt, in their order; see `by_length` for how they are batched, `Guide` for guides."""
        import torch

        network: Any = self.network  # the stubs hide GenerationMixin
        drawn = {"temperature": generation.temperature} if generation.do_sample else {}
        loop = {"custom_generate": greedy} if generation.num_beams == 1 and not generation.do_sample else {}
        network.eval()
        given = guides or [Guide()] * len(prompts)
        several = generation.num_beams if any(guide.choose for guide in given) else 1

        def write(batch: list[list[int]], places: list[int]) -> list[Answer]:
            shown = {name: tensor.to(network.device) for name, tensor in self._padded(batch).items()}
            length = shown["input_ids"].size(1)
            readers = [given[place].reader for place in places]
            begun = self._repeated(length) or 1
            bound: Constrained | None = None
            if any(readers):
                most, every = generation.max_new_tokens, generation.do_sample
                bound = Constrained(self._alphabet, readers, generation.num_beams, begun, most, every)
            with torch.inference_mode():
                written = network.generate(
                    **shown,
                    max_new_tokens=generation.max_new_tokens,
                    num_beams=generation.num_beams,
                    num_return_sequences=several,
                    do_sample=generation.do_sample,
                    **self._ends(),
                    **drawn,
                    **loop,
                    **({"logits_processor": [bound]} if bound else {}),
                ).tolist()
            answers = [self._answer(ids[self._repeated(length) :]) for ids in written]
            if bound:
                counts = [bound.overruled(n // several, ids[begun:]) for n, ids in enumerate(written)]
                answers = [replace(one, overruled=count) for one, count in zip(answers, counts, strict=True)]
            return [_chosen(given[p], answers[n * several : (n + 1) * several]) for n, p in enumerate(places)]

        return by_length(self.prompts(prompts), generation.batch_size, write, progress)

    def to(self, device: "torch.device | str", bf16: bool = False) -> None:
        """Move the weights; in bf16 the model can only be asked, no longer trained."""
        import torch

        network: Any = self.network
        network.to(device, dtype=torch.bfloat16 if bf16 else None)
        if bf16 and network.device.type == "cpu":
            folded.use(network)


def _chosen(guide: Guide, answers: Sequence[Answer]) -> Answer:
    """The one that the guide takes, the best where it does not say."""
    return answers[guide.choose([answer.text for answer in answers])] if guide.choose else answers[0]
