"""Greedy decoding in which nothing is computed twice or for nobody: transformers' `generate` calls it as its own loop.

What a batch's prompts begin with alike (the chat template, an agent's instruction, a schema) is read once. A row whose
answer has ended leaves the batch. Answers are those of the library's own loop, rounding aside: sums are made in another
order, as with another batch size.
"""

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

LEAVING = 8  # rows leave once they are one in so many: to drop them copies the cache of the others
SHARED = 8  # tokens that all prompts begin with; fewer are not worth a call of their own


def greedy(
    network: Any,
    input_ids: "torch.Tensor",
    logits_processor: Any,
    stopping_criteria: Any,  # noqa: ARG001  (max_length and the ends are all that we ask for)
    generation_config: Any,
    **given: Any,
) -> "torch.Tensor":
    """The ids that are there and those that the network writes behind them, [rows, length], padded after the end.

    Called by `generate(custom_generate=greedy)`, which has prepared everything.
    """
    import torch

    before, ends = input_ids.size(1), generation_config._eos_token_tensor
    pad = 0 if generation_config._pad_token_tensor is None else int(generation_config._pad_token_tensor)
    ids = input_ids.new_full((len(input_ids), generation_config.max_length), pad)
    ids[:, :before] = input_ids
    batch = _Encoded(network, given) if network.config.is_encoder_decoder else _Continued(network, given)
    rows = torch.arange(len(ids), device=ids.device)  # places of those that are still in the batch
    ended = torch.zeros(len(ids), dtype=torch.bool, device=ids.device)
    logits = batch.begin(input_ids)
    for length in range(before, ids.size(1)):
        if logits_processor:  # it may keep something for each row of the whole batch
            every = logits.new_zeros(len(ids), logits.size(-1), dtype=torch.float32)
            every[rows] = logits.float()
            logits = logits_processor(ids[:, :length], every)[rows]
        tokens = logits.argmax(dim=-1).masked_fill(ended, pad)
        ids[rows, length] = tokens
        if ends is not None:
            ended = ended | torch.isin(tokens, ends)
        over = int(ended.sum())
        if over == len(rows) or length + 1 == ids.size(1):
            return ids[:, : length + 1]
        if over * LEAVING >= len(rows) and batch.divisible:
            kept = ended.logical_not().nonzero().squeeze(1)
            batch.keep(kept)
            rows, tokens, ended = rows[kept], tokens[kept], ended[kept]
        logits = batch.step(tokens)
    return ids[:, :before]


class _Batch:
    """The rows that are still written, with what the network remembers of them."""

    def __init__(self, network: Any, given: dict[str, Any]) -> None:
        self.network, self.cache = network, given["past_key_values"]
        self.mask: Any = given.get("attention_mask")  # None where nothing is padded
        takes = inspect.signature(network.forward).parameters
        self.last = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}
        self.placed = "position_ids" in takes

    @property
    def divisible(self) -> bool:
        """Whether rows can be taken out of the cache: not where a layer remembers in a way of its own."""
        from transformers.cache_utils import DynamicLayer

        caches = [getattr(self.cache, name, None) for name in ("self_attention_cache", "cross_attention_cache")]
        layers = [layer for cache in caches if cache for layer in cache.layers] or self.cache.layers
        return all(type(layer) is DynamicLayer for layer in layers)

    def keep(self, kept: "torch.Tensor") -> None:
        """Drop all rows but these."""
        self.mask = None if self.mask is None else self.mask[kept]
        self.cache.batch_select_indices(kept)


class _Encoded(_Batch):
    """Of an encoder-decoder: the encoder has read the prompts already."""

    def __init__(self, network: Any, given: dict[str, Any]) -> None:
        super().__init__(network, given)
        self.encoded = given["encoder_outputs"][0]

    def begin(self, input_ids: "torch.Tensor") -> "torch.Tensor":
        """Logits of the first token, [rows, vocabulary]; `input_ids` are the decoder's."""
        return self._forward(input_ids)

    def step(self, tokens: "torch.Tensor") -> "torch.Tensor":
        """Logits of the next token behind these."""
        return self._forward(tokens[:, None])

    def keep(self, kept: "torch.Tensor") -> None:
        """Drop all rows but these."""
        super().keep(kept)
        self.encoded = self.encoded[kept]

    def _forward(self, ids: "torch.Tensor") -> "torch.Tensor":
        outputs = self.network(
            decoder_input_ids=ids,
            encoder_outputs=(self.encoded,),
            attention_mask=self.mask,
            past_key_values=self.cache,
            use_cache=True,
        )
        logits: torch.Tensor = outputs.logits[:, -1]
        return logits


class _Continued(_Batch):
    """Of a decoder-only model: prompts are padded on the left."""

    def begin(self, input_ids: "torch.Tensor") -> "torch.Tensor":
        """Logits of the first token of the answers, [rows, vocabulary]."""
        import torch

        if self.mask is None:
            self.mask = torch.ones_like(input_ids)
        counts = self.mask.sum(dim=1).tolist()
        prompts = [row[len(row) - count :] for row, count in zip(input_ids, counts, strict=True)]
        alike = _alike(prompts) if len(prompts) > 1 and self.divisible else 0
        if alike < SHARED:
            return self._forward(input_ids, self.mask)
        shared = self.mask.new_ones(1, alike)
        self._forward(prompts[0][None, :alike], shared)
        self.cache.batch_repeat_interleave(len(prompts))
        cut = input_ids[:, alike:].clone()  # the padding now stands behind what is alike
        cut_mask = self.mask[:, alike:].clone()
        for row, prompt in enumerate(prompts):
            rest = prompt[alike:]
            cut_mask[row] = 0
            cut_mask[row, cut.size(1) - len(rest) :] = 1
            cut[row, cut.size(1) - len(rest) :] = rest
        self.mask = torch.cat([shared.expand(len(prompts), -1), cut_mask], dim=1)
        return self._forward(cut, self.mask)

    def step(self, tokens: "torch.Tensor") -> "torch.Tensor":
        """Logits of the next token behind these."""
        import torch

        self.mask = torch.cat([self.mask, self.mask.new_ones(len(tokens), 1)], dim=1)
        return self._forward(tokens[:, None], self.mask)

    def _forward(self, ids: "torch.Tensor", mask: "torch.Tensor") -> "torch.Tensor":
        places = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -ids.size(1) :]
        placed = {"position_ids": places} if self.placed else {}
        outputs = self.network(
            input_ids=ids, attention_mask=mask, past_key_values=self.cache, use_cache=True, **placed, **self.last
        )
        logits: torch.Tensor = outputs.logits[:, -1]
        return logits


def _alike(prompts: "list[torch.Tensor]") -> int:
    """How many tokens all prompts begin with alike, at least one of each left over."""
    import torch

    shortest = min(map(len, prompts)) - 1
    begun = torch.stack([prompt[:shortest] for prompt in prompts])
    return int((begun == begun[0]).all(dim=0).long().cumprod(dim=0).sum())
