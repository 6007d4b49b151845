"""A model's answers to examples, kept as a file so that scoring can be repeated without the model."""

import hashlib
from collections.abc import Callable, Sequence

from macsql.config import GenerationConfig
from macsql.models.model import Answer, Model
from macsql.records import AGENTS, Example, Prediction
from macsql.spelling.reader import Guide


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


def predict(
    model: Model,
    examples: Sequence[Example],
    generation: GenerationConfig,
    progress: Callable[[int], None] = lambda _: None,
    guides: Sequence[Guide] | None = None,
) -> list[Prediction]:
    """One prediction per example, in the examples' order."""
    answers = model.answer([row.source for row in examples], generation, progress, guides)
    return [_prediction(row, answer) for row, answer in zip(examples, answers, strict=True)]


def by_length(
    sources: Sequence[list[int]],
    size: int,
    write: Callable[[list[list[int]], list[int]], list[Answer]],
    progress: Callable[[int], None],
) -> list[Answer]:
    """What `write` makes of each source (token ids), in the sources' order.

    It gets `size` sources at once and their places, sorted by length: about seven times faster than one by one.
    `progress` gets the number done after each batch.
    """
    order = sorted(range(len(sources)), key=lambda index: (len(sources[index]), index))
    written: dict[int, Answer] = {}
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        written.update(zip(batch, write([sources[index] for index in batch], batch), strict=True))
        progress(len(written))
    return [written[index] for index in range(len(sources))]


def _prediction(row: Example, answer: Answer) -> Prediction:
    return Prediction(
        id=row.id,
        agent=row.agent,
        question_id=row.question_id,
        db_id=row.db_id,
        question=row.question,
        gold_sql=row.gold_sql,
        target=row.target,
        raw_output=answer.raw,
        output=answer.text,
        truncated=answer.truncated,
        broken_sql=row.broken_sql,
        error=row.error,
    )
