"""Guides for a model's answers: what may be written, and which beam is taken."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from macsql.agents import decomposer, refiner
from macsql.config import GenerationConfig
from macsql.constraints.layout import Layout, SelectorAnswer, SqlAnswer, image_of
from macsql.constraints.sql_grammar import SqlGrammar
from macsql.constraints.values import CopiedTexts
from macsql.database.sandbox import Sandbox
from macsql.database.schema import Database, Schema
from macsql.errors import UserError
from macsql.models.text import Text
from macsql.records import Agent, Example
from macsql.spelling.reader import Guide

FENCES = "`{}"  # what answers are laid out with and T5's vocabulary lacks
KEPT = 64  # schemas whose grammar is kept


class Guides:
    """Makes the guides for one model's answers."""

    def __init__(
        self, text: Text, style: str | None, generation: GenerationConfig, sandbox: Sandbox | None = None
    ) -> None:
        """`style`: the prompt style that the model was trained on. `sandbox` runs the SQL of beams."""
        self.style, self.generation, self.sandbox = style, generation, sandbox
        self.lost = "".join(sign for sign in FENCES if sign not in text.text(text.ids([f"a {sign} b"])[0]))
        self._grammar = lru_cache(KEPT)(SqlGrammar)
        self._selector = lru_cache(KEPT)(self._selector_answer)

    def guide(self, agent: Agent, prompt: str, schema: Schema, path: Path | None = None) -> Guide:
        """For one prompt. `path`: of the database that beams are tried on."""
        reader = self.reader(agent, prompt, schema) if self.generation.constrained else None
        return Guide(reader, self._choice(agent, path) if self.generation.guided else None)

    def reader(self, agent: Agent, prompt: str, schema: Schema) -> Layout:
        """What an agent may write to a prompt: the schema's names, and texts that the prompt shows."""
        odd = frozenset(sign for sign in prompt if not sign.isascii())
        if agent == "selector":
            return self._selector(schema)
        alone = agent == "refiner" or self.style != "mac_sql"
        steps = agent == "decomposer"
        automaton = self._grammar(schema).automaton
        return SqlAnswer(automaton, CopiedTexts([prompt]), odd | _odd(schema), alone, steps, image_of(self.lost))

    def _selector_answer(self, schema: Schema) -> SelectorAnswer:
        return SelectorAnswer(schema, self.style, _odd(schema), image_of(self.lost))

    def _choice(self, agent: Agent, path: Path | None) -> Callable[[Sequence[str]], int] | None:
        if agent == "selector" or path is None or self.sandbox is None:
            return None
        sandbox, file = self.sandbox, path
        parse = decomposer.parse if agent == "decomposer" else refiner.parse
        return lambda answers: choose([parse(answer).sql for answer in answers], file, sandbox)


def choose(queries: Sequence[str | None], path: Path, sandbox: Sandbox) -> int:
    """The place of the first query that runs and gives rows; else of the first that runs; else 0.

    Queries run in the sandbox alone, one after the other until one gives rows.
    """
    first: int | None = None
    for place, sql in enumerate(queries):
        if sql is None:
            continue
        outcome = sandbox.run(path, sql)
        if outcome.ok and outcome.rows:
            return place
        if outcome.ok and first is None:
            first = place
    return first or 0


def for_examples(guides: Guides, examples: Sequence[Example], databases: Mapping[str, Database]) -> list[Guide] | None:
    """A guide per example; none where generation is neither constrained nor guided.

    Raises UserError where it is and an example's database is not at hand.
    """
    if not (guides.generation.constrained or guides.generation.guided):
        return None
    absent = next((row.db_id for row in examples if row.db_id not in databases), None)
    if absent is not None:
        raise UserError(
            f"Answers to the database {absent!r} cannot be constrained or guided, because it is not at hand: "
            "give data.database_root, or generate with generation=greedy."
        )
    return [
        guides.guide(row.agent, row.source, databases[row.db_id].schema, databases[row.db_id].path) for row in examples
    ]


def _odd(schema: Schema) -> frozenset[str]:
    names = [name for table in schema.tables for name in (table.name, *(column.name for column in table.columns))]
    return frozenset(sign for name in names for sign in name if not sign.isascii())
