"""Selector, Decomposer, Refiner: questions in, each with its SQL and everything that was said on the way out.

    with Sandbox() as sandbox:
        pipeline = Pipeline(seats, sandbox)
        [answered] = pipeline.answer([question], {database.id: database})

All questions go through an agent together, so that a model is asked in batches. No question is dropped, and the answers
come in the order of the questions, whatever fails.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from macsql.agents import decomposer, refiner, selector
from macsql.database.outcome import Outcome
from macsql.database.sandbox import Limits, Sandbox
from macsql.database.schema import Database, Schema
from macsql.errors import UserError
from macsql.pipeline.seats import Seat
from macsql.pipeline.turns import Answered, Ask, Attempt, Ending, Reply, Selected, Turn
from macsql.records import Agent, Question

MEAN_COLUMNS = 6  # MAC-SQL skips the Selector where tables have so many columns on average at most,
ALL_COLUMNS = 30  # and all of them together at most so many
TRIGGERS = ("all", "errors")
Triggers = Literal["all", "errors"]
Tell = Callable[[Agent, int, int, int], None]  # agent, round, answers so far, of how many


def is_small(schema: Schema) -> bool:
    """Whether MAC-SQL skips the Selector: at most 6 columns per table on average and 30 in all."""
    count = sum(len(table.columns) for table in schema.tables)
    return count <= ALL_COLUMNS and count <= MEAN_COLUMNS * len(schema.tables)


@dataclass(frozen=True)
class Rules:
    """How the agents work together."""

    rounds: int = 3  # of the Refiner, at most; what the last one writes is run too
    refine: str = "all"  # all: on errors, no rows and None among the first rows (BIRD's form); errors: on errors alone
    skip_small: bool = True  # whether the Selector is skipped on a small schema
    kept_rows: int | None = None  # of each result; None: all


class Pipeline:
    """The three agents with somebody in each seat."""

    def __init__(
        self,
        seats: Mapping[Agent, Seat],
        sandbox: Sandbox,
        rules: Rules | None = None,
        limits: Limits | None = None,
        tell: Tell = lambda *_: None,
    ) -> None:
        """`limits` of each query; the sandbox's own where None. `tell` hears how far an agent is."""
        self.seats, self.sandbox, self.limits, self.tell = seats, sandbox, limits, tell
        self.rules = rules or Rules()

    def answer(self, questions: Sequence[Question], databases: Mapping[str, Database]) -> list[Answered]:
        """One `Answered` per question, in their order.

        Raises UserError where no seat could go on, as with a key that a server refuses, but not for what becomes of a
        single question: that is in its turns.
        """
        usable, problems = self._openable(questions, databases)
        asked = [question for place, question in enumerate(questions) if place not in problems]
        selected = self._select([(question, usable[question.db_id]) for question in asked])
        pairs = list(zip(asked, selected, strict=True))
        tried = self._decompose([(question, usable[question.db_id], found) for question, found in pairs])
        for number in range(1, self.rules.rounds + 1):
            if not self._refine(number, pairs, usable, tried):
                break
        answers = iter([Answered(q, found, tuple(own)) for (q, found), own in zip(pairs, tried, strict=True)])
        return [
            Answered(question, problem=problems[place]) if place in problems else next(answers)
            for place, question in enumerate(questions)
        ]

    def _openable(
        self, questions: Sequence[Question], databases: Mapping[str, Database]
    ) -> tuple[dict[str, Database], dict[int, str]]:
        """The databases that can be read, and for each question that has none, by its place, why."""
        usable: dict[str, Database] = {}
        wrong: dict[str, str] = {}
        for name in dict.fromkeys(question.db_id for question in questions):
            if name not in databases:
                wrong[name] = f"there is no database {name!r}"
                continue
            try:
                for seat in self.seats.values():
                    seat.prepare(databases[name])
                usable[name] = databases[name]
            except UserError as error:
                wrong[name] = str(error)
        places = {place: wrong[q.db_id] for place, q in enumerate(questions) if q.db_id in wrong}
        return usable, places

    def _ask(self, asks: Sequence[Ask]) -> list[Reply]:
        """The replies to asks of one agent and round."""
        if not asks:
            return []
        agent, number = asks[0].agent, asks[0].round
        self.tell(agent, number, 0, len(asks))
        replies = self.seats[agent].answer(asks, lambda done: self.tell(agent, number, done, len(asks)))
        self.tell(agent, number, len(asks), len(asks))
        return replies

    def _turn(self, ask: Ask, reply: Reply, useful: bool, otherwise: Ending) -> Turn:
        ending = reply.ending
        if ending is Ending.ANSWERED and not useful:
            ending = Ending.TRUNCATED if reply.truncated else otherwise
        return Turn(ask.agent, ask.round, self.seats[ask.agent].name, ending, reply, reply.message)

    def _select(self, asked: Sequence[tuple[Question, Database]]) -> list[Selected]:
        asks = [Ask("selector", question, database, database.schema) for question, database in asked]
        small = [self.rules.skip_small and is_small(ask.schema) for ask in asks]
        replies = iter(self._ask([ask for ask, skipped in zip(asks, small, strict=True) if not skipped]))
        return [
            Selected(ask.schema, Turn("selector", 0, self.seats["selector"].name, Ending.SKIPPED, Reply()))
            if skipped
            else self._selected(ask, next(replies))
            for ask, skipped in zip(asks, small, strict=True)
        ]

    def _selected(self, ask: Ask, reply: Reply) -> Selected:
        selection = selector.parse(reply.wrote)
        turn = self._turn(ask, reply, selection.readable, Ending.UNREADABLE)
        return Selected(selector.apply(selection, ask.schema) if selection.readable else ask.schema, turn)

    def _decompose(self, asked: Sequence[tuple[Question, Database, Selected]]) -> list[list[Attempt]]:
        asks = [Ask("decomposer", question, database, found.schema) for question, database, found in asked]
        replies = self._ask(asks)
        texts = [decomposer.parse(reply.wrote).sql for reply in replies]
        return [[attempt] for attempt in self._attempts(asks, replies, texts)]

    def _refine(
        self,
        number: int,
        pairs: Sequence[tuple[Question, Selected]],
        databases: Mapping[str, Database],
        tried: list[list[Attempt]],
    ) -> bool:
        """One round for all questions whose last query is at fault; False where there are none."""
        places, asks = [], []
        for place, ((question, found), own) in enumerate(zip(pairs, tried, strict=True)):
            last = next((attempt for attempt in reversed(own) if attempt.sql is not None), None)
            if last is None or last.sql is None or last.fault is None or self._stuck(own):
                continue
            places.append(place)
            database = databases[question.db_id]
            asks.append(Ask("refiner", question, database, found.schema, last.sql, last.fault, number))
        replies = self._ask(asks)
        texts = [refiner.parse(reply.wrote).sql for reply in replies]
        for place, attempt in zip(places, self._attempts(asks, replies, texts), strict=True):
            tried[place].append(attempt)
        return bool(asks)

    def _stuck(self, own: Sequence[Attempt]) -> bool:
        """Whether the Refiner would be asked the same again and say the same again."""
        return not self.seats["refiner"].draws and len(own) > 1 and own[-1].sql in (None, own[-2].sql)

    def _attempts(self, asks: Sequence[Ask], replies: Sequence[Reply], texts: Sequence[str | None]) -> list[Attempt]:
        jobs = [(ask.database.path, sql) for ask, sql in zip(asks, texts, strict=True) if sql is not None]
        outcomes = self.sandbox.run_many(jobs, self.limits)
        attempts = []
        for ask, reply, sql in zip(asks, replies, texts, strict=True):
            turn = self._turn(ask, reply, sql is not None, Ending.NO_SQL)
            if sql is None:
                attempts.append(Attempt(turn))
            else:
                outcome = next(outcomes)
                attempts.append(Attempt(turn, sql, self._kept(outcome), self._fault(outcome)))
        return attempts

    def _fault(self, outcome: Outcome) -> refiner.Fault | None:
        return None if outcome.ok and self.rules.refine == "errors" else refiner.fault(outcome)

    def _kept(self, outcome: Outcome) -> Outcome:
        return outcome if self.rules.kept_rows is None else replace(outcome, rows=outcome.rows[: self.rules.kept_rows])
