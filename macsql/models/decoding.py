"""A model's answers to examples, kept as a file so that scoring can be repeated without the model."""

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from macsql.config import GenerationConfig
from macsql.models import window
from macsql.models.codecs import Codec
from macsql.records import AGENTS, Example, Prediction

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def sample(examples: Sequence[Example], limit: int | None) -> list[Example]:
    """At most `limit` examples of each agent, drawn by a hash of their ids, in their order; all where limit is None.

    A corpus is ordered by database: its first rows would speak of one alone.
    """
    if limit is None:
        return list(examples)
    drawn: set[str] = set()
    for agent in AGENTS:
        ids = [row.id for row in examples if row.agent == agent]
        drawn.update(sorted(ids, key=lambda name: hashlib.sha256(name.encode()).digest())[:limit])
    return [row for row in examples if row.id in drawn]


def generate(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    codec: Codec,
    examples: Sequence[Example],
    config: GenerationConfig,
    max_source_length: int,
    progress: Callable[[int], None] = lambda _: None,
) -> list[Prediction]:
    """One prediction an example, in the examples' order.

    Batches are sorted by length (about seven times faster than one by one). `progress` gets the number done after each.
    """
    import torch

    sources = window.source_ids(tokenizer, codec, [row.source for row in examples], max_source_length)
    order = sorted(range(len(examples)), key=lambda index: (len(sources[index]), index))
    predictions: dict[int, Prediction] = {}
    model.eval()
    for start in range(0, len(order), config.batch_size):
        batch = order[start : start + config.batch_size]
        inputs = tokenizer.pad({"input_ids": [sources[index] for index in batch]}, return_tensors="pt").to(model.device)
        with torch.inference_mode():
            answers = model.generate(  # type: ignore[operator]  # the stubs hide GenerationMixin
                **inputs,
                max_new_tokens=config.max_new_tokens,
                num_beams=config.num_beams,
                do_sample=config.do_sample,
                **({"temperature": config.temperature} if config.do_sample else {}),
            )
        for index, answer in zip(batch, answers.tolist(), strict=True):
            predictions[index] = _prediction(examples[index], answer, tokenizer, codec)
        progress(len(predictions))
    return [predictions[index] for index in range(len(examples))]


def _prediction(row: Example, answer: list[int], tokenizer: "PreTrainedTokenizerBase", codec: Codec) -> Prediction:
    raw = window.decode(tokenizer, answer)
    return Prediction(
        id=row.id,
        agent=row.agent,
        question_id=row.question_id,
        db_id=row.db_id,
        question=row.question,
        gold_sql=row.gold_sql,
        target=row.target,
        raw_output=raw,
        output=codec.decode(raw),
        truncated=tokenizer.eos_token_id not in answer,
        broken_sql=row.broken_sql,
        error=row.error,
    )
