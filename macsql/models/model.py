"""What a model is to the rest of the house: whoever answers prompts, and what training asks of one with weights here.

A family (encoder-decoder, decoder-only, and whatever comes beside them) is one class with the members of `Trainable`,
and one entry of `families.FAMILIES`. Its tokenizer, its prompt
style, its codec and its windows are its own: who asks gives plain text and gets plain text.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from macsql.config import GenerationConfig
from macsql.models.card import Card
from macsql.models.text import Text
from macsql.spelling.reader import Guide

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

Row = dict[str, list[int]]  # what a collator takes: token ids, and labels that are -100 where no loss is taken


@dataclass(frozen=True)
class Answer:
    """What a model wrote to one prompt."""

    raw: str  # as it came out of the tokenizer
    text: str  # after the codec
    truncated: bool  # it ended at the token limit, not where the model ends an answer
    tokens: int  # that the model wrote, the one that ends the answer included
    read_tokens: int = 0  # of the prompt, where a server tells
    overruled: int = 0  # tokens in the place of one that the model wanted more, but that was not allowed


class Model(Protocol):
    """Whoever answers prompts."""

    card: Card

    def answer(
        self,
        prompts: Sequence[str],
        generation: GenerationConfig,
        progress: Callable[[int], None] = ...,
        guides: Sequence[Guide] | None = None,
    ) -> list[Answer]:
        """One answer per prompt, in their order; `progress` gets the number done so far, now and then.

        `guides`: one per prompt, where answers are guided (generation.constrained, generation.guided); a model on a
        server does without.
        """


class Trainable(Model, Protocol):
    """A model whose weights are here."""

    family: ClassVar[str]  # its name, as cards have it
    sizes: ClassVar[tuple[str, ...]]  # keys of a checkpoint's config.json that must be whole numbers of at least 1
    reader: ClassVar[type[Text]]  # how it reads and writes
    network: "PreTrainedModel"
    text: Text

    @classmethod
    def open(cls, load: Callable[[Any], Any], text: Text, card: Card) -> "Trainable":
        """The model whose weights `load` reads by the library's class, its embedding as long as the tokenizer."""

    @staticmethod
    def reads(kind: str) -> bool:
        """Whether checkpoints of this model_type belong to the family."""

    @classmethod
    def parameters(cls, shape: Mapping[str, Any]) -> int:
        """About how many parameters a model of this shape (config.json) has, without loading it."""

    @staticmethod
    def skeleton(shape: Mapping[str, Any]) -> "PreTrainedModel":
        """A network of this shape (config.json) whose weights take no memory."""

    @staticmethod
    def liger_parts(shape: Mapping[str, Any]) -> tuple[str, ...]:
        """What trainer.use_liger_kernel replaces in a model of this shape, in words; nothing: it cannot be used."""

    def use_liger(self) -> None:
        """Replace that in the network, which from now on trains with liger-kernel's operations."""

    def rows(self, sources: Sequence[str], targets: Sequence[str]) -> list[Row]:
        """Examples as token ids within the windows, with the labels on what is to be learnt, in their order."""

    def collator(self) -> Callable[[list[Row]], Mapping[str, "torch.Tensor"]]:
        """Makes a padded batch of rows."""

    def loss(
        self, network: Any, batch: Mapping[str, "torch.Tensor"], count: "torch.Tensor | int | None", smoothing: float
    ) -> tuple["torch.Tensor", Any]:
        """(loss, the network's outputs) of a batch: cross-entropy per target token.

        `network` is what the Trainer has made of `self.network`. The sum is divided by `count`, the target tokens of
        all micro-batches of the optimizer step (None: those of this batch).
        """

    def to(self, device: "torch.device | str", bf16: bool = False) -> None:
        """Move the weights; in bf16 the model can only be asked, no longer trained."""


def skeleton(library: Any, shape: Mapping[str, Any]) -> "PreTrainedModel":
    """A network of the library's class and of a shape (config.json) whose weights take no memory."""
    import torch
    from transformers import AutoConfig

    given = {key: value for key, value in shape.items() if key not in ("model_type", "quantization_config")}
    with torch.device("meta"):
        network: PreTrainedModel = library.from_config(AutoConfig.for_model(shape["model_type"], **given))
    return network
