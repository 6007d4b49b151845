"""The encoder-decoder family: T5 and its relatives. The encoder reads the prompt, the decoder writes the answer."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from macsql.models.card import Card
from macsql.models.codecs import extend
from macsql.models.generating import Generating
from macsql.models.liger import FusedLoss, parts_of_t5, patch_t5
from macsql.models.lora import plain
from macsql.models.loss import token_mean
from macsql.models.model import Answer, Row, skeleton
from macsql.models.text import Text

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class EncoderDecoder(Generating):
    """A T5 with its text."""

    family: ClassVar[str] = "encoder-decoder"
    sizes: ClassVar[tuple[str, ...]] = ("vocab_size", "d_model", "d_ff", "num_layers", "num_heads")
    reader: ClassVar[type[Text]] = Text
    fused: FusedLoss | None = None  # once liger-kernel is in use

    @classmethod
    def open(cls, load: Callable[[Any], Any], text: Text, card: Card) -> "EncoderDecoder":
        """The model whose weights `load` reads by the library's class, its embedding as long as the tokenizer."""
        from transformers import AutoModelForSeq2SeqLM

        network = load(AutoModelForSeq2SeqLM.from_pretrained)
        extend(text.tokenizer, text.codec, network)
        return cls(network, text, card)

    @staticmethod
    def reads(kind: str) -> bool:
        """Whether checkpoints of this model_type belong to the family."""
        return kind in {"t5", "mt5", "umt5", "longt5"}

    @staticmethod
    def parameters(shape: Mapping[str, Any]) -> int:
        """About how many parameters a model of this shape (config.json) has."""
        d_model, d_ff, layers = shape["d_model"], shape["d_ff"], shape["num_layers"]
        inner = shape.get("d_kv", d_model // shape["num_heads"]) * shape["num_heads"]
        attention = 4 * d_model * inner
        return int(shape["vocab_size"] * d_model + layers * (3 * attention + 2 * 2 * d_model * d_ff))

    @staticmethod
    def skeleton(shape: Mapping[str, Any]) -> "PreTrainedModel":
        """A network of this shape (config.json, or model.pocket) whose weights take no memory."""
        from transformers import AutoModelForSeq2SeqLM

        heads = {"d_kv": shape["d_model"] // shape["num_heads"], "model_type": "t5"}  # of one that is made here
        return skeleton(AutoModelForSeq2SeqLM, {**heads, **shape})

    @staticmethod
    def liger_parts(shape: Mapping[str, Any]) -> tuple[str, ...]:
        """What trainer.use_liger_kernel replaces in a model of this shape, in words."""
        return parts_of_t5(shape)

    def use_liger(self) -> None:
        """Train with liger-kernel's operations from now on."""
        self.fused = patch_t5(plain(self.network))

    def rows(self, sources: Sequence[str], targets: Sequence[str]) -> list[Row]:
        """input_ids of the prompt and labels of the answer; every token of the answer is learnt."""
        pairs = zip(self.prompts(sources), self.text.targets(targets), strict=True)
        return [{"input_ids": source, "labels": target} for source, target in pairs]

    def prompts(self, sources: Sequence[str]) -> list[list[int]]:
        """Token ids of prompts, cut on the right to their window."""
        return self.text.sources(sources)

    def collator(self) -> Callable[[list[Row]], Mapping[str, "torch.Tensor"]]:
        """Pads prompts and labels on the right, and makes what the decoder reads: the labels one step later."""
        import torch
        from transformers import DataCollatorForSeq2Seq

        multiple = 8 if torch.cuda.is_available() else None  # what a GPU's kernels like costs a CPU a tenth of a step
        collator: Any = DataCollatorForSeq2Seq(self.text.tokenizer, model=self.network, pad_to_multiple_of=multiple)
        return collator

    def loss(
        self, network: Any, batch: Mapping[str, "torch.Tensor"], count: "torch.Tensor | int | None", smoothing: float
    ) -> tuple["torch.Tensor", Any]:
        """(loss, outputs); see `Trainable.loss`. Labels stand where the decoder's outputs are: nothing is shifted."""
        inputs = {name: value for name, value in batch.items() if name != "labels"}
        if self.fused is not None:
            return self.fused(network, inputs, batch["labels"], count, smoothing)
        outputs = network(**inputs)
        return token_mean(outputs.logits, batch["labels"], count, smoothing), outputs

    def _padded(self, sources: Sequence[list[int]]) -> "dict[str, torch.Tensor]":
        return dict(self.text.tokenizer.pad({"input_ids": list(sources)}, return_tensors="pt"))

    def _answer(self, ids: list[int]) -> Answer:
        tokenizer = self.text.tokenizer
        raw = self.text.raw(ids)
        written = ids[1:]  # behind the token that the decoder starts with
        ended = tokenizer.eos_token_id in written
        count = written.index(tokenizer.eos_token_id) + 1 if ended else len(written)
        return Answer(raw, self.text.codec.decode(raw), not ended, count)
