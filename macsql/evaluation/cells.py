"""Which seats an evaluation tries: those of the configuration, and for the matrix one change at a time."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from macsql.comparison.systems import GEOQUERY
from macsql.config import Config, SeatsConfig, flatten
from macsql.corpora import Corpus
from macsql.pipeline.seating import Seating
from macsql.records import AGENTS, Agent, Question

BASE = "model"  # the cell of the configuration itself
# What changes no answer: how fast a server is asked, and what it costs.
FREE = ("timeout", "max_retries", "parallel", "requests_per_minute", "prompt_price", "answer_price")


@dataclass(frozen=True)
class Cell:
    """Three seats."""

    name: str
    who: Mapping[Agent, str]  # agent -> model | chat_api | oracle | none
    changed: Agent | None = None  # the seat that differs from the configuration's


def cells_of(config: SeatsConfig) -> list[Cell]:
    """The seats as they are configured and, for the matrix, the oracle and nobody in each of them in turn.

    Without a Decomposer there is no SQL, so that its empty seat scores 0; it is run all the same.
    """
    own: dict[Agent, str] = {agent: str(getattr(config, agent)) for agent in AGENTS}
    cells = [Cell(BASE, own)]
    if config.matrix:
        cells += [
            Cell(f"{agent} {who}", own | {agent: who}, agent)
            for agent in AGENTS
            for who in ("oracle", "none")
            if own[agent] != who
        ]
    return cells


def benchmark_of(corpus: Corpus, config: Config, questions: Sequence[Question]) -> tuple[str, str]:
    """The corpus that is asked and its part, as published figures name them where there are any."""
    split = config.evaluate.split
    if corpus.name == GEOQUERY and split == "test":
        return "geoquery", "query" if config.data.split_by == "query" else "question"
    published = config.data.format in ("spider", "bird")
    parts = {question.id.split("/")[1] for question in questions} if published else set()  # spider/dev/00017
    return config.data.format, parts.pop() if len(parts) == 1 else split


def key_of(config: Config, seating: Seating, fingerprint: str) -> str:
    """The name of an evaluation's folder: the same for the same questions, models, prompts and rules."""
    free = tuple(f"seats.api.{name}" for name in FREE)
    words = ("seats.bf16", "seats.use_cpu")  # what they come to on this machine is told with the weights
    kept = {
        name: value
        for name, value in flatten(config).items()
        if name.startswith(("data.", "seats.", "generation.", "evaluate.split", "metrics.time_limit", "seed"))
        and not name.startswith((*free, *words, "data.root", "data.database_root"))
    }
    models = [agent for agent in AGENTS if getattr(config.seats, agent) == "model"]
    weights = {agent: seating.weights(seating.found(agent)) for agent in models}
    told = json.dumps([kept, weights, fingerprint], sort_keys=True, default=str)
    return f"{config.data.format}-{config.evaluate.split}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"
