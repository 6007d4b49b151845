"""The nouns that walk through the house, each a frozen dataclass, and their JSON Lines files.

    corpus --> Question --> Example --> Prediction --> Verdict

A stage takes one of these and hands over the next; none of them knows how it was made.
"""

import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from macsql.errors import UserError, first_line
from macsql.system.files import replacing

Agent = Literal["selector", "decomposer", "refiner"]
AGENTS: tuple[Agent, ...] = get_args(Agent)
Split = Literal["train", "eval", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class Question:
    """A question in words with the SQL that answers it."""

    id: str  # unique and stable within its corpus, e.g. "spider/train/00012"
    db_id: str
    text: str
    sql: str  # gold
    evidence: str = ""  # BIRD's hint; empty elsewhere
    difficulty: str = ""  # as the corpus itself states it; empty where it does not
    split: Split = "train"


@dataclass(frozen=True)
class Example:
    """One row a model is trained or asked on: what an agent reads and what it should write.

    `source` and `target` are plain text BEFORE any codec. The other fields are what scoring needs to
    judge an answer without looking the question up again.
    """

    id: str  # "<question id>/<agent>" with "/<k>" behind it where a question gives several
    agent: Agent
    question_id: str
    db_id: str
    source: str
    target: str
    question: str
    gold_sql: str
    broken_sql: str = ""  # refiner: the SQL to be repaired
    error: str = ""  # refiner: what running it gave


@dataclass(frozen=True)
class Prediction:
    """A model's answer to one example; a line of predictions.jsonl, enough to score it without the model."""

    id: str  # of the example
    agent: Agent
    question_id: str
    db_id: str
    question: str
    gold_sql: str
    target: str
    raw_output: str  # what the tokenizer decoded, before the codec
    output: str  # after the codec: what is scored
    truncated: bool = False  # generation ended at the token limit, not at the end-of-sequence token
    broken_sql: str = ""
    error: str = ""


@dataclass(frozen=True)
class Verdict:
    """The typed outcome for one prediction; a line of verdicts.jsonl."""

    id: str
    agent: Agent
    question_id: str
    db_id: str
    outcome: str  # a word of macsql.metrics.taxonomy
    scores: dict[str, float | None]  # metric name without the agent's prefix -> value; None: does not apply
    sql: str = ""  # the SQL that was run, where there is one
    message: str = ""  # what the database or the reader of the answer said


Record = TypeVar("Record", Question, Example, Prediction, Verdict)


def write_jsonl(path: Path, rows: Iterable[Any]) -> int:
    """Write dataclasses or dicts, one JSON object per line, replacing `path` in one step; returns the row count."""
    count = 0
    with replacing(path) as partial, partial.open("w", encoding="utf-8") as file:
        for line in json_lines(rows):
            file.write(line)
            count += 1
    return count


def json_lines(rows: Iterable[Any]) -> Iterator[str]:
    """Dataclasses or dicts as lines of a JSON Lines file, each with its line break."""
    for row in rows:
        record = dataclasses.asdict(row) if dataclasses.is_dataclass(row) and not isinstance(row, type) else row
        yield json.dumps(record, ensure_ascii=False) + "\n"


def read_jsonl(path: Path, kind: type[Record]) -> Iterator[Record]:
    """The records of a file that `write_jsonl` wrote. Raises UserError naming the line that is not one."""
    with path.open("rb") as file:  # a line that is no UTF-8 is named like any other
        for number, line in enumerate(file, start=1):
            try:
                yield _of_types(kind(**json.loads(line)))
            except (ValueError, TypeError, RecursionError) as error:
                raise UserError(f"{path}, line {number}: not a {kind.__name__} ({first_line(error)}).") from error


def _of_types(record: Record) -> Record:
    """The record. Raises TypeError for a field that is no text where one belongs, or an agent that is none."""
    for item in dataclasses.fields(record):
        value = getattr(record, item.name)
        if item.type is str and not isinstance(value, str):
            raise TypeError(f"{item.name} is not a text")
        if item.type is Agent and value not in AGENTS:
            raise TypeError(f"agent is none of {', '.join(AGENTS)}")
    return record
