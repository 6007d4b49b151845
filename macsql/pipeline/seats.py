"""Who answers for an agent: a model, the gold SQL, or nobody.

A seat takes what an agent is asked and gives a reply to each. How a prompt is laid out, how the answer is spelt and how
much may be read are matters of who sits there, so that a T5 and GPT-4 can sit side by side.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, replace
from typing import Protocol

from macsql.agents import decomposer, refiner, selector
from macsql.agents.schema_text import NO_VALUES, Values
from macsql.agents.tokens import estimate_tokens
from macsql.config import GenerationConfig
from macsql.constraints.guides import Guides
from macsql.database.outcome import Limits
from macsql.database.sandbox import Sandbox
from macsql.database.schema import Database
from macsql.database.value_index import index_of
from macsql.database.values import read_value_examples
from macsql.errors import UserError
from macsql.models.card import Card
from macsql.models.model import Answer, Trainable
from macsql.pipeline.chat_api import ChatApi, NoAnswerError
from macsql.pipeline.memory import Forgetful, Key, Memory, key_of
from macsql.pipeline.prompts import prompt_of
from macsql.pipeline.turns import Ask, Ending, Reply

Progress = Callable[[int], None]  # the number of replies so far
TRIED = Limits(seconds=5.0)  # of a beam's SQL that is tried
GIVE_UP = 8  # questions in a row that a server does not answer


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


class _Reading:
    """What seats whose answers are generated do alike: prompts from databases, and replies that are remembered."""

    def __init__(
        self, name: str, card: Card, weights: str, generation: GenerationConfig, memory: Memory | None
    ) -> None:
        self.name, self.card, self.generation = name, card, generation
        self.memory = Forgetful() if memory is None else memory  # an empty journal is falsy
        self.draws = generation.do_sample
        self.identity = identity(card, generation, weights)
        self._values: dict[str, Values] = {}

    def prepare(self, database: Database) -> None:
        """Read the values that prompts show."""
        self._shown(database)
        if self.card.value_links:
            index_of(database)

    def _shown(self, database: Database) -> Values:
        key = f"{database.id}\0{database.path}"
        if key not in self._values:
            most = self.card.value_examples
            self._values[key] = read_value_examples(database, most) if most else NO_VALUES
        return self._values[key]

    def _prompts(self, asks: Sequence[Ask], count: Callable[[str], int]) -> list[str]:
        return [prompt_of(ask, self.card, self._shown(ask.database), count) for ask in asks]

    def _keys(self, asks: Sequence[Ask], prompts: Sequence[str]) -> list[Key]:
        return [key_of(ask, self.identity, prompt) for ask, prompt in zip(asks, prompts, strict=True)]


class ModelSeat(_Reading):
    """A model with weights here, asked in batches of `generation.batch_size` prompts of about the same length.

    Which prompts go together hangs on the prompts alone, and a batch is asked whole or not at all: an evaluation that
    was killed and goes on computes the very same sums as one that was not.
    """

    def __init__(
        self, name: str, model: Trainable, generation: GenerationConfig, weights: str = "", memory: Memory | None = None
    ) -> None:
        """`weights` tells one model's weights from another's in what `memory` keeps."""
        shorter = min(generation.max_new_tokens, model.card.max_target_length)
        super().__init__(name, model.card, weights, replace(generation, max_new_tokens=shorter), memory)
        self.model = model
        self.guides = Guides(model.text, model.card.prompt_style, self.generation) if self._is_guided() else None

    def _is_guided(self) -> bool:
        return self.generation.constrained or self.generation.guided

    def answer(self, asks: Sequence[Ask], progress: Progress) -> list[Reply]:
        """What the model writes to each prompt, within generation.constrained and generation.guided."""
        if self.guides is None or not self.generation.guided:
            return self._answer(asks, progress)
        with Sandbox(1, TRIED) as self.guides.sandbox:
            return self._answer(asks, progress)

    def _answer(self, asks: Sequence[Ask], progress: Progress) -> list[Reply]:
        prompts = self._prompts(asks, lambda text: len(self.model.text.ids([text])[0]))
        keys = self._keys(asks, prompts)
        replies: dict[int, Reply] = {}
        for batch in batches(prompts, self.generation.batch_size):
            known = [reply for place in batch if (reply := self.memory.get(keys[place])) is not None]
            if len(known) < len(batch):
                shown = [prompts[place] for place in batch]
                known = self._written([asks[place] for place in batch], shown, keys[batch[0]])
                self.memory.put([(keys[place], reply) for place, reply in zip(batch, known, strict=True)])
            replies.update(zip(batch, known, strict=True))
            progress(len(replies))
        return [replies[place] for place in range(len(asks))]

    def _written(self, asks: Sequence[Ask], prompts: Sequence[str], key: Key) -> list[Reply]:
        if self.draws:  # so that what is drawn does not hang on what was drawn before
            import torch

            torch.manual_seed(int(key[-1][:12], 16))
        given = None
        if self.guides is not None:
            pairs = zip(asks, prompts, strict=True)
            given = [self.guides.guide(ask.agent, prompt, ask.schema, ask.database.path) for ask, prompt in pairs]
        answers = self.model.answer(prompts, self.generation, guides=given)
        return [reply_of(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]


class ApiSeat(_Reading):
    """A model behind a server, asked several questions at once."""

    def __init__(self, api: ChatApi, generation: GenerationConfig, memory: Memory | None = None) -> None:
        super().__init__(api.config.model, api.card, f"{api.host} {api.config.model}", generation, memory)
        self.api = api

    def answer(self, asks: Sequence[Ask], progress: Progress) -> list[Reply]:
        """What the server says to each prompt, or why it says nothing.

        Raises UserError where no prompt would have an answer, or none of the first GIVE_UP has one.
        """
        prompts = self._prompts(asks, estimate_tokens)
        keys = self._keys(asks, prompts)
        replies: dict[int, Reply] = {}
        failed = 0
        with ThreadPoolExecutor(self.api.config.parallel) as threads:
            futures = {threads.submit(self._asked, prompts[place], keys[place]): place for place in range(len(asks))}
            try:
                for future in as_completed(futures):
                    reply = replies[futures[future]] = future.result()
                    failed = failed + 1 if reply.ending is Ending.NO_ANSWER else 0
                    if failed >= GIVE_UP:
                        raise UserError(
                            f"{self.api.host} has not answered {failed} questions in a row ({reply.message}): "
                            "the same command asks again."
                        )
                    progress(len(replies))
            finally:
                for future in futures:
                    future.cancel()
        return [replies[place] for place in range(len(asks))]

    def _asked(self, prompt: str, key: Key) -> Reply:
        if (known := self.memory.get(key)) is not None:
            return known
        try:
            reply = reply_of(prompt, self.api.ask(prompt, self.generation))
        except NoAnswerError as error:
            reply = Reply(prompt, ending=Ending.NO_ANSWER, message=f"{self.api.host}: {error}")
        self.memory.put([(key, reply)])
        return reply


def batches(prompts: Sequence[str], size: int) -> list[list[int]]:
    """The places of prompts, `size` at a time, the shortest prompts first."""
    order = sorted(range(len(prompts)), key=lambda place: (len(prompts[place]), place))
    return [order[start : start + size] for start in range(0, len(order), size)]


def reply_of(prompt: str, answer: Answer) -> Reply:
    """A model's answer as a reply."""
    told = (answer.text, answer.truncated, answer.read_tokens, answer.tokens)
    return Reply(prompt, *told, overruled=answer.overruled)


def identity(card: Card, generation: GenerationConfig, weights: str) -> str:
    """16 hexadecimal digits that change with whatever changes a model's answers."""
    told = json.dumps([weights, asdict(card), asdict(generation)], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]
