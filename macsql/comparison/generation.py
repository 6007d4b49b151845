"""The poster's fourth experiment over a whole test set: right and wrong answers of each agent, with examples."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from macsql.comparison.collect import StoredTrial
from macsql.comparison.figures import agents_of
from macsql.comparison.published import Published, PublishedFigure
from macsql.comparison.statistics import Interval, exact_interval
from macsql.database.schema import Schema
from macsql.metrics.taxonomy import UNJUDGED, AnswerOutcome
from macsql.records import Agent, Prediction, Verdict

EXAMPLES = 6  # per agent


@dataclass(frozen=True)
class AgentAnswers:
    """One row of the table."""

    agent: Agent
    correct: int
    incorrect: int
    unjudged: int  # no database, or gold that does not run: in neither count
    accuracy: Interval | None  # exact 95 % interval; None where nothing could be judged
    notes: tuple[tuple[str, int], ...]  # words of the failure taxonomy with their counts, the most frequent first
    poster: PublishedFigure | None  # the poster's accuracy of this agent


@dataclass(frozen=True)
class ShownExample:
    """An answer to read."""

    id: str
    agent: Agent
    db_id: str
    question: str
    schema: str  # one line per table; empty where the examples are no longer on disk
    prompt: str  # what the model was asked, before the codec; the same
    target: str
    raw_output: str  # as the tokenizer decoded it
    output: str  # after the codec: what was judged
    truncated: bool
    outcome: str  # of its verdict
    message: str
    gold_sql: str
    sql: str  # found in the answer
    broken_sql: str
    error: str


def answers(verdicts: Sequence[Verdict], published: Published) -> list[AgentAnswers]:
    """A row for each agent that answered."""
    poster = {figure.metric: figure for figure in published.figures}
    rows = []
    for agent in agents_of(verdicts):
        words = Counter(verdict.outcome for verdict in verdicts if verdict.agent == agent)
        unjudged = sum(words[word] for word in UNJUDGED)
        correct = words[AnswerOutcome.RIGHT]
        incorrect = sum(words.values()) - correct - unjudged
        accuracy = exact_interval(correct, correct + incorrect) if correct + incorrect else None
        wrong = [(word, count) for word, count in _by_count(words) if word != AnswerOutcome.RIGHT]
        rows.append(
            AgentAnswers(agent, correct, incorrect, unjudged, accuracy, tuple(wrong), poster.get(f"{agent}/accuracy"))
        )
    return rows


def examples(trial: StoredTrial, each: int = EXAMPLES) -> list[ShownExample]:
    """`each` answers of every agent to look at: outcomes in turn, the most frequent first, within one by hashed id.

    The choice depends on nothing but ids and outcomes, so nobody picks what looks good.
    """
    answered = {row.id: row for row in trial.predictions}
    asked = trial.test_examples()
    schemas = trial.schemas
    shown = []
    for agent in agents_of(trial.verdicts):
        mine = [verdict for verdict in trial.verdicts if verdict.agent == agent and verdict.id in answered]
        for verdict in choose(mine, each):
            prompt = asked[verdict.id].source if verdict.id in asked else ""
            schema = schema_lines(schemas[verdict.db_id]) if verdict.db_id in schemas else ""
            shown.append(_shown(verdict, answered[verdict.id], prompt, schema))
    return shown


def choose(verdicts: Sequence[Verdict], count: int) -> list[Verdict]:
    """`count` verdicts, one of each outcome in turn."""
    words = Counter(verdict.outcome for verdict in verdicts)
    queues = [
        sorted((verdict for verdict in verdicts if verdict.outcome == word), key=lambda verdict: _hash(verdict.id))
        for word, _ in _by_count(words)
    ]
    turns = max((len(queue) for queue in queues), default=0)
    return [queue[turn] for turn in range(turns) for queue in queues if turn < len(queue)][:count]


def schema_lines(schema: Schema) -> str:
    """A database's tables with their columns, one line per table."""
    return "\n".join(f"{table.name}({', '.join(column.name for column in table.columns)})" for table in schema.tables)


def _by_count(words: Counter[str]) -> list[tuple[str, int]]:
    order = {word.value: place for place, word in enumerate(AnswerOutcome)}
    return sorted(words.items(), key=lambda item: (-item[1], order.get(item[0], len(order)), item[0]))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _shown(verdict: Verdict, row: Prediction, prompt: str, schema: str) -> ShownExample:
    return ShownExample(
        id=verdict.id,
        agent=verdict.agent,
        db_id=verdict.db_id,
        question=row.question,
        schema=schema,
        prompt=prompt,
        target=row.target,
        raw_output=row.raw_output,
        output=row.output,
        truncated=row.truncated,
        outcome=verdict.outcome,
        message=verdict.message,
        gold_sql=row.gold_sql,
        sql=verdict.sql,
        broken_sql=row.broken_sql,
        error=row.error,
    )
