"""Who answers for an agent: a model, the gold SQL, or nobody.

A seat takes what an agent is asked and gives a reply to each. How a prompt is laid out, how the answer is spelt and how
much may be read are matters of who sits there, so that a T5 and GPT-4 can sit side by side.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from macsql.agents import decomposer, refiner, selector
from macsql.agents.schema_text import NO_VALUES, Values
from macsql.config import GenerationConfig
from macsql.database.linking import linked_values
from macsql.database.schema import Database
from macsql.database.value_index import index_of
from macsql.database.values import read_value_examples
from macsql.models.card import Card
from macsql.models.model import Answer, Model
from macsql.pipeline.turns import Ask, Ending, Reply

Progress = Callable[[int], None]  # the number of replies so far


class Seat(Protocol):
    """Who answers for an agent."""

    name: str  # as people are shown it
    draws: bool  # whether the same question may be answered otherwise the next time

    def prepare(self, database: Database) -> None:
        """Read what is needed of a database. Raises UserError where it cannot be read."""

    def answer(self, asks: Sequence[Ask], progress: Progress) -> list[Reply]:
        """A reply to each, in their order; all are for the same agent."""


class Nobody:
    """An empty seat: the Selector keeps everything, the Refiner changes nothing, and the Decomposer has no SQL."""

    name, draws = "none", False

    def prepare(self, database: Database) -> None:
        """Nothing is read."""

    def answer(self, asks: Sequence[Ask], progress: Progress) -> list[Reply]:  # noqa: ARG002
        """No answer to any."""
        return [Reply(ending=Ending.EMPTY) for _ in asks]


class Oracle:
    """Answers with the gold SQL, written as the agent should write it."""

    name, draws = "oracle", False

    def prepare(self, database: Database) -> None:
        """Nothing is read."""

    def answer(self, asks: Sequence[Ask], progress: Progress) -> list[Reply]:  # noqa: ARG002
        """The right answer to each; none where the gold SQL is missing, or for the Selector cannot be read."""
        return [self._answer(ask) for ask in asks]

    def _answer(self, ask: Ask) -> Reply:
        gold = ask.question.sql
        if not gold:
            return Reply(ending=Ending.NO_ANSWER, message="the question has no gold SQL")
        if ask.agent == "decomposer":
            return Reply(wrote=decomposer.write([decomposer.Step(ask.question.text, gold)], "brief"))
        if ask.agent == "refiner":
            return Reply(wrote=refiner.write(gold))
        from macsql.database.sql_tree import SqlUnreadableError, resolve
        from macsql.factory.selection import right_selection

        try:
            selection = right_selection(resolve(gold, ask.schema))
        except SqlUnreadableError as error:
            return Reply(ending=Ending.NO_ANSWER, message=f"the gold SQL cannot be read ({error})")
        return Reply(wrote=selector.write(selection, ask.schema, "brief"))


class ModelSeat:
    """A model with weights here, asked in batches of `generation.batch_size` prompts of about the same length.

    Which prompts go together hangs on the prompts alone, so that an evaluation which was killed and goes on
    computes the very same batches.
    """

    def __init__(self, name: str, model: Model, generation: GenerationConfig) -> None:
        self.name, self.model, self.generation = name, model, generation
        self.draws = generation.do_sample
        self._values: dict[str, Values] = {}

    def prepare(self, database: Database) -> None:
        """Read the values that prompts show."""
        self._shown(database)
        if self.model.card.value_links:
            index_of(database)

    def answer(self, asks: Sequence[Ask], progress: Progress) -> list[Reply]:
        """What the model writes to each prompt."""
        prompts = [prompt(ask, self.model.card, self._shown(ask.database)) for ask in asks]
        replies: dict[int, Reply] = {}
        for batch in batches(prompts, self.generation.batch_size):
            answers = self.model.answer([prompts[place] for place in batch], self.generation)
            replies.update((place, reply_of(prompts[place], one)) for place, one in zip(batch, answers, strict=True))
            progress(len(replies))
        return [replies[place] for place in range(len(asks))]

    def _shown(self, database: Database) -> Values:
        key = f"{database.id}\0{database.path}"
        if key not in self._values:
            most = self.model.card.value_examples
            self._values[key] = read_value_examples(database, most) if most else NO_VALUES
        return self._values[key]


def batches(prompts: Sequence[str], size: int) -> list[list[int]]:
    """The places of prompts, `size` at a time, the shortest prompts first."""
    order = sorted(range(len(prompts)), key=lambda place: (len(prompts[place]), place))
    return [order[start : start + size] for start in range(0, len(order), size)]


def reply_of(prompt: str, answer: Answer) -> Reply:
    """A model's answer as a reply."""
    return Reply(prompt, answer.text, answer.truncated, wrote_tokens=answer.tokens)


def prompt(ask: Ask, card: Card, values: Values) -> str:
    """What whoever has this card reads when an agent is asked."""
    style = card.prompt_style or "mac_sql"
    shown: Mapping[str, Any] = {
        "question": ask.question.text,
        "evidence": ask.question.evidence,
        "schema": ask.schema,
        "values": values,
        "links": linked_values(ask.database, ask.question.text, ask.question.evidence, card.value_links),
        "budget": card.prompt_budget,
    }
    if ask.agent == "selector":
        return selector.prompt(style, **shown)
    if ask.agent == "decomposer":
        return decomposer.prompt(style, **shown)
    fault = ask.fault or refiner.Fault("")
    return refiner.prompt(style, **shown, sql=ask.sql, error=fault.error, exception=fault.exception)


def identity(card: Card, generation: GenerationConfig, weights: str) -> str:
    """16 hexadecimal digits that change with whatever changes a model's answers."""
    told = json.dumps([weights, asdict(card), asdict(generation)], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]
