"""What all families with weights here do alike: move them, and write answers batch by batch."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from macsql.config import GenerationConfig
from macsql.generation import folded
from macsql.generation.greedy import greedy
from macsql.models.card import Card
from macsql.models.decoding import by_length
from macsql.models.model import Answer
from macsql.models.text import Text

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

    def answer(
        self,
        prompts: Sequence[str],
        generation: GenerationConfig,
        progress: Callable[[int], None] = lambda _: None,
    ) -> list[Answer]:
        """One answer per prompt, in their order; see `by_length` for how they are batched."""
        import torch

        network: Any = self.network  # the stubs hide GenerationMixin
        drawn = {"temperature": generation.temperature} if generation.do_sample else {}
        loop = {"custom_generate": greedy} if generation.num_beams == 1 and not generation.do_sample else {}
        network.eval()

        def write(batch: list[list[int]]) -> list[list[int]]:
            shown = {name: tensor.to(network.device) for name, tensor in self._padded(batch).items()}
            with torch.inference_mode():
                written = network.generate(
                    **shown,
                    max_new_tokens=generation.max_new_tokens,
                    num_beams=generation.num_beams,
                    do_sample=generation.do_sample,
                    **self._ends(),
                    **drawn,
                    **loop,
                )
            answers: list[list[int]] = written[:, self._repeated(shown["input_ids"].size(1)) :].tolist()
            return answers

        return [self._answer(ids) for ids in by_length(self.prompts(prompts), generation.batch_size, write, progress)]

    def to(self, device: "torch.device | str", bf16: bool = False) -> None:
        """Move the weights; in bf16 the model can only be asked, no longer trained."""
        import torch

        network: Any = self.network
        network.to(device, dtype=torch.bfloat16 if bf16 else None)
        if bf16 and network.device.type == "cpu":
            folded.use(network)
