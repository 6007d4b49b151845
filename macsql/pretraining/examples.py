"""Examples over random databases, made by the same factory that makes those of any corpus."""

import random
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from macsql.config import AgentsConfig
from macsql.corpora.splits import normal_text
from macsql.database.opening import connect
from macsql.database.outcome import Limits, Outcome
from macsql.database.readonly import Status, classify
from macsql.database.sandbox import Sandbox
from macsql.database.schema import Database, Schema
from macsql.factory.examples import make_examples
from macsql.grammar import TEMPLATES, Template, read_facts, varied, varied_joins
from macsql.pretraining import databases
from macsql.records import Example, Question

# template -> how often it is tried; the plain templates, which other corpora use too, share the last weight
VARIED: tuple[tuple[Template, int], ...] = (
    (varied.select, 12),
    (varied.lookup, 9),
    (varied.count, 8),
    (varied.figure, 7),
    (varied.order, 7),
    (varied.extremes, 5),
    (varied.compared, 3),
    (varied.group, 10),
    (varied.combined, 2),
    (varied_joins.child_of, 10),
    (varied_joins.parent_of, 8),
    (varied_joins.side_by_side, 5),
    (varied_joins.top_of_other, 4),
    (varied_joins.counted, 8),
    (varied_joins.by_group_of_other, 3),
    (varied_joins.without, 4),
    (varied_joins.both_kinds, 2),
    (varied_joins.through, 8),
)
PLAIN = 25
_TRIES = 8  # drafts for each question wanted
_MOST_ROWS = 2000  # of a result


class Direct:
    """Runs our own queries in this process, as the sandbox would: they are harmless, and it is ten times faster."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.connection: sqlite3.Connection | None = None

    def run_many(self, statements: Iterable[tuple[Path, str]], limits: Limits | None = None) -> Iterator[Outcome]:  # noqa: ARG002
        """The outcomes in the order of the statements."""
        for path, sql in statements:
            if path != self.path or self.connection is None:
                self.close()
                self.path, self.connection = path, connect(path)
                self.connection.set_progress_handler(_Deadline(), 100_000)
            try:
                cursor = self.connection.execute(sql)
                columns = tuple(column[0] for column in cursor.description or ())
                yield Outcome(Status.OK, columns, tuple(cursor.fetchmany(_MOST_ROWS)))
            except sqlite3.Error as error:
                kind = type(error)
                yield Outcome(classify(error), (), (), str(error), f"{kind.__module__}.{kind.__qualname__}")

    def close(self) -> None:
        """Close the connection."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class _Deadline:
    """Ends a statement that takes some million steps: a join of broken SQL may never end."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> bool:
        self.calls += 1
        return self.calls % 30 == 0


@dataclass(frozen=True)
class Made:
    """The questions of one database, with its schema, and the agents' examples."""

    database: Database
    questions: tuple[Question, ...]
    examples: tuple[Example, ...]


def make(seed: str, count: int, agents: AgentsConfig, path: Path) -> Made:
    """About `count` questions to the database of a seed, which is written to `path`, as the agents' examples.

    Each question is one for the Decomposer and, by turns, one for the Selector or the Refiner. The same for the same
    seed. A question that came before is left out, and so are nine of ten whose query gives no row.
    """
    database, asked = databases.make(seed, path)
    rng = random.Random(f"{seed}/questions")
    direct = Direct()
    try:
        questions = _questions(rng, database, asked, count, direct)
        examples: list[Example] = []
        half = len(questions) // 2
        for other, part in (("selector", questions[:half]), ("refiner", questions[half:])):
            cfg = replace(agents, roles=["decomposer", other], augment=False)
            made = make_examples(part, {database.id: database}, cfg, cast(Sandbox, direct))
            examples += made.examples
    finally:
        direct.close()
    return Made(database, tuple(questions), tuple(examples))


def _questions(rng: random.Random, database: Database, asked: Schema, count: int, direct: Direct) -> list[Question]:
    facts = read_facts(replace(database, schema=asked))
    templates, weights = zip(*VARIED, strict=True)
    plain = list(TEMPLATES.values())
    seen: set[str] = set()
    questions: list[Question] = []
    for _ in range(count * _TRIES):
        if len(questions) == count:
            break
        template = rng.choices((*templates, None), (*weights, PLAIN))[0] or rng.choice(plain)
        draft = template(rng, facts)
        if draft is None:
            continue
        text = draft.paraphrases[rng.randrange(len(draft.paraphrases))]
        if rng.random() < 0.12:
            text = text.lower().rstrip(".?")
        if normal_text(text) in seen:
            continue
        outcome = next(direct.run_many([(database.path, draft.sql)]))
        if outcome.ok and (outcome.rows or rng.random() < 0.1):
            seen.add(normal_text(text))
            number = f"{database.id}/{len(questions):03d}"
            questions.append(Question(number, database.id, text, draft.sql, difficulty=template.__name__))
    return questions
