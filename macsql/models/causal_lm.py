"""Decoder-only checkpoints (Llama, Qwen2, GPT-2, SmolLM ...): prompt and answer are one text, the answer is learnt.

A row is the prompt, put into the tokenizer's chat template where it has one, and the answer with the end token. Batches
are padded on the left, in training as in generation, so that all answers end in the same place: the head, which is wide
for these models, then runs on the last positions alone, those that hold the longest answer of the batch.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar

from macsql.models.card import Card
from macsql.models.codecs import extend
from macsql.models.framed_text import FramedText
from macsql.models.generating import Generating
from macsql.models.liger import FusedLoss, parts_of_llama, patch_llama
from macsql.models.lora import plain
from macsql.models.loss import token_mean
from macsql.models.model import Answer, Row, skeleton
from macsql.models.text import Text

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

IGNORED = -100  # a label that no loss is taken on


class DecoderOnly(Generating):
    """A decoder-only model with its text."""

    family: ClassVar[str] = "decoder-only"
    sizes: ClassVar[tuple[str, ...]] = ("vocab_size",)  # the others have many names
    reader: ClassVar[type[Text]] = FramedText
    fused: FusedLoss | None = None  # once liger-kernel is in use

    @classmethod
    def open(cls, load: Callable[[Any], Any], text: Text, card: Card) -> "DecoderOnly":
        """The model whose weights `load` reads by the library's class, its embedding as long as the tokenizer."""
        import torch
        from transformers import AutoModelForCausalLM

        network = load(partial(AutoModelForCausalLM.from_pretrained, dtype=torch.float32))
        extend(text.tokenizer, text.codec, network)
        return cls(network, text, card)

    @staticmethod
    def reads(kind: str) -> bool:
        """Whether checkpoints of this model_type are decoder-only."""
        from transformers.models.auto import modeling_auto as known

        others = known.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES, known.MODEL_FOR_MASKED_LM_MAPPING_NAMES
        return kind in known.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and not any(kind in names for names in others)

    @classmethod
    def parameters(cls, shape: Mapping[str, Any]) -> int:
        """How many parameters a model of this shape (config.json) has, counted without memory for them."""
        return int(cls.skeleton(shape).num_parameters())

    @staticmethod
    def skeleton(shape: Mapping[str, Any]) -> "PreTrainedModel":
        """A network of this shape (config.json) whose weights take no memory."""
        from transformers import AutoModelForCausalLM

        return skeleton(AutoModelForCausalLM, shape)

    @staticmethod
    def liger_parts(shape: Mapping[str, Any]) -> tuple[str, ...]:
        """What trainer.use_liger_kernel replaces in a model of this shape, in words; nothing: it cannot be used."""
        return parts_of_llama(shape)

    def use_liger(self) -> None:
        """Train with liger-kernel's operations from now on."""
        self.fused = patch_llama(plain(self.network))

    def rows(self, sources: Sequence[str], targets: Sequence[str]) -> list[Row]:
        """{"input_ids": prompt and answer, "labels": the answer, -100 before it}; lists of equal length."""
        return [
            {"input_ids": [*prompt, *answer], "labels": [IGNORED] * len(prompt) + answer}
            for prompt, answer in zip(self.prompts(sources), self.text.targets(targets), strict=True)
        ]

    def prompts(self, sources: Sequence[str]) -> list[list[int]]:
        """Token ids of prompts in their template, of one that is too long the source cut on the right."""
        return self.text.sources(sources)

    def collator(self) -> Callable[[list[Row]], Mapping[str, "torch.Tensor"]]:
        """Pads a batch on the left: input_ids, attention_mask, position_ids and labels, each [rows, length]."""
        return lambda rows: _padded(rows, self._pad)

    def loss(
        self, network: Any, batch: Mapping[str, "torch.Tensor"], count: "torch.Tensor | int | None", smoothing: float
    ) -> tuple["torch.Tensor", Any]:
        """(loss, outputs): cross-entropy summed over the answers' tokens, divided by `count`.

        The outputs' logits are of the last positions only, [rows, longest answer + 1, vocabulary].
        """
        from torch.nn.functional import pad

        inputs: dict[str, Any] = dict(batch)
        labels = inputs.pop("labels")
        longest = int(labels.ne(IGNORED).sum(dim=1).max())
        if "logits_to_keep" in self._takes:
            inputs["logits_to_keep"] = longest + 1
        if "position_ids" not in self._takes:
            del inputs["position_ids"]  # its positions are relative: the padding before a text changes nothing
        # the position before a token foretells it
        if self.fused is not None:
            shown = longest + 1 if "logits_to_keep" in self._takes else labels.size(1)
            shifted = pad(labels[:, 1:], (0, 1), value=IGNORED)[:, -shown:]
            return self.fused(network, {**inputs, "use_cache": False}, shifted, count, smoothing)
        outputs = network(**inputs, use_cache=False)
        logits, wanted = outputs.logits[:, -longest - 1 : -1].contiguous(), labels[:, -longest:].contiguous()
        return token_mean(logits, wanted, count, smoothing), outputs

    def _padded(self, sources: Sequence[list[int]]) -> "dict[str, torch.Tensor]":
        batch = _padded([{"input_ids": ids, "labels": []} for ids in sources], self._pad)
        return {name: batch[name] for name in ("input_ids", "attention_mask")}

    def _repeated(self, length: int) -> int:
        return length

    def _ends(self) -> dict[str, int]:
        return {"eos_token_id": self.text.end, "pad_token_id": self._pad}

    def _answer(self, ids: list[int]) -> Answer:
        ended = self.text.end in ids
        kept = ids[: ids.index(self.text.end) + 1] if ended else ids
        raw = self.text.raw(kept)
        return Answer(raw, self.text.codec.decode(raw), truncated=not ended, tokens=len(kept))

    @cached_property
    def _takes(self) -> frozenset[str]:
        """The names of what the network's forward takes; they differ between models."""
        return frozenset(inspect.signature(plain(self.network).forward).parameters)

    @property
    def _pad(self) -> int:
        pad = self.text.tokenizer.pad_token_id
        return self.text.end if pad is None else pad  # masked out wherever it stands


def _padded(rows: Sequence[Row], pad: int) -> dict[str, "torch.Tensor"]:
    import torch

    longest = max(len(row["input_ids"]) for row in rows)
    gaps = [longest - len(row["input_ids"]) for row in rows]
    mask = torch.tensor([[0] * gap + [1] * (longest - gap) for gap in gaps])
    batch = {
        "input_ids": torch.tensor([[pad] * gap + row["input_ids"] for gap, row in zip(gaps, rows, strict=True)]),
        "attention_mask": mask,
        "position_ids": (mask.cumsum(dim=1) - 1).clamp(min=0),  # models with learnt positions count from the text
    }
    if all(row["labels"] for row in rows):
        batch["labels"] = torch.tensor([[IGNORED] * gap + row["labels"] for gap, row in zip(gaps, rows, strict=True)])
    return batch
