"""Training examples of the three agents from nothing but questions, gold SQL and databases.

Everything that an example claims is run first: the gold query, every sub-query of a Decomposer answer, every broken
query of a Refiner prompt. What cannot be made is counted under its reason.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from macsql.agents import decomposer, refiner, selector
from macsql.agents.schema_text import NO_VALUES, Values
from macsql.config import AgentsConfig
from macsql.database.sandbox import Limits, Outcome, Sandbox, Status
from macsql.database.schema import Database, Schema
from macsql.database.sql_tree import Resolved, SqlUnreadableError, resolve
from macsql.database.values import read_value_examples
from macsql.errors import UserError
from macsql.factory import sub_questions
from macsql.factory.check import check
from macsql.factory.corruption import Trigger, candidates
from macsql.factory.gold import GoldQuery
from macsql.factory.links import Links
from macsql.factory.plain_sql import NotPlainError, plainly, same_rows
from macsql.factory.selection import right_selection
from macsql.factory.wording import UntellableError, in_words
from macsql.records import AGENTS, Agent, Example, Question

BATCH = 256  # questions that go through the sandbox together
MAX_TRIES = 10  # broken versions of one gold query that are run at most
LIMITS = Limits(seconds=10.0)  # of what is made here
GOLD_LIMITS = Limits(seconds=30.0)  # of a gold query; fixed, so that examples do not hang on how answers are scored

_ERRORS = {Status.SYNTAX, Status.NO_SUCH_TABLE, Status.NO_SUCH_COLUMN, Status.ERROR}


@dataclass(frozen=True)
class AgentExamples:
    """Examples in the order of their questions, and what could not be made."""

    examples: tuple[Example, ...]
    skipped: Mapping[str, Mapping[str, int]]  # agent -> reason -> questions
    corruptions: Mapping[str, str]  # id of a Refiner example -> type of its fault
    shortened: int  # Decomposer answers that lost their first steps to `max_target_tokens`
    untold: int  # sub-queries that are no steps, because words would not carry all of them
    links: Mapping[str, Mapping[str, int]]  # agent -> what was counted of linked values (`Links.count`)
    partly_linked: tuple[str, ...]  # tables of which only the first rows are looked at for them
    plain: Mapping[str, int]  # agents.sql=plain: "written plainly", or why a gold query is kept -> questions


def make_examples(
    questions: Iterable[Question],
    databases: Mapping[str, Database],
    cfg: AgentsConfig,
    sandbox: Sandbox,
    progress: Callable[[int, int], None] | None = None,
) -> AgentExamples:
    """Examples of the agents in `cfg.roles` for all questions; equal input gives equal examples, whatever the workers.

    What the brief style must fit into `cfg.max_source_tokens` is estimated, since no tokenizer is chosen yet.
    `progress` is called with questions done and in all. Raises UserError as `check` does.
    """
    check(cfg)
    asked = list(questions)
    factory = _Factory(databases, cfg, sandbox)
    examples: list[Example] = []
    for start in range(0, len(asked), BATCH):
        batch = asked[start : start + BATCH]
        examples += factory.make(batch)
        if progress is not None:
            progress(start + len(batch), len(asked))
    skipped: dict[str, dict[str, int]] = {agent: dict(counts) for agent, counts in factory.skipped.items()}
    return AgentExamples(
        tuple(examples),
        skipped,
        factory.corruptions,
        factory.shortened,
        factory.untold,
        {agent: dict(counts) for agent, counts in factory.links.counts.items()},
        tuple(sorted(factory.links.partly)),
        dict(factory.plain),
    )


@dataclass(frozen=True)
class _Checked:
    """A question whose gold query was read and has run."""

    question: Question
    database: Database
    gold: Resolved  # as answers have it: the published query, or the same written plainly
    fault: refiner.Fault | None  # what the Refiner would be asked about: no rows, or None among them


@dataclass(frozen=True)
class _Broken:
    name: str
    sql: str
    fault: refiner.Fault


class _Factory:
    def __init__(self, databases: Mapping[str, Database], cfg: AgentsConfig, sandbox: Sandbox) -> None:
        self.databases = databases
        self.cfg = cfg
        self.sandbox = sandbox
        self.roles: list[Agent] = [agent for agent in AGENTS if agent in cfg.roles]
        self.skipped: dict[Agent, Counter[str]] = {agent: Counter() for agent in self.roles}
        self.corruptions: dict[str, str] = {}
        self.shortened = 0
        self.untold = 0
        self.plain: Counter[str] = Counter()
        self._values: dict[str, Values] = {}
        self.links = Links(cfg)

    def make(self, questions: list[Question]) -> list[Example]:
        checked = list(self._check(questions))
        steps = self._steps(checked)
        broken = self._break(checked) if "refiner" in self.roles else [[] for _ in checked]
        return [
            example
            for one, pieces, faults in zip(checked, steps, broken, strict=True)
            for example in self._examples(one, pieces, faults)
            if example.agent in self.roles
        ]

    def _examples(self, one: _Checked, pieces: list[decomposer.Step], faults: list[_Broken]) -> Iterator[Example]:
        style, schema = self.cfg.style, one.database.schema
        again = self.cfg.augment and bool(pieces) and one.question.split == "train"
        selection = right_selection(one.gold)
        first = self._example(one, "selector", selector.write(selection, schema, style), schema)
        yield first
        if again:
            other = self._reordered(one)
            answer = selector.write(selection, other, style)
            yield from _unless_same(first, self._example(one, "selector", answer, other, number=2))
        steps = [*pieces, decomposer.Step(one.question.text, one.gold.sql)]
        if style == "brief":
            kept = decomposer.fitting(steps, self.cfg.max_target_tokens)
            self.shortened += len(kept) < len(steps)
            steps = kept
        first = self._example(one, "decomposer", decomposer.write(steps, style), schema)
        yield first
        if again:
            narrow = selector.apply(selection, schema)
            yield from _unless_same(first, self._example(one, "decomposer", first.target, narrow, number=2))
        for number, fault in enumerate(faults, start=1):
            yield self._example(one, "refiner", refiner.write(one.gold.sql), schema, fault, number)

    def values(self, database: Database) -> Values:
        """The value examples of a database, read once."""
        if database.id not in self._values:
            most = self.cfg.value_examples
            self._values[database.id] = read_value_examples(database, most) if most > 0 else NO_VALUES
        return self._values[database.id]

    def _unreadable(self, database: Database) -> str:
        """Why the rows of a database cannot be read; empty where they can."""
        try:
            self.values(database)
        except UserError as error:
            return str(error).rstrip(".")
        return ""

    def _skip(self, reason: str, agents: Iterable[Agent]) -> None:
        for agent in agents:
            self.skipped[agent][reason] += 1

    def _run(self, statements: list[tuple[Database, str]], limits: Limits = LIMITS) -> Iterator[Outcome]:
        return self.sandbox.run_many(((database.path, sql) for database, sql in statements), limits)

    def _check(self, questions: list[Question]) -> Iterator[_Checked]:
        read: list[tuple[Question, Database, Resolved, Outcome]] = []
        known = []
        for question in questions:
            if question.db_id not in self.databases:
                self._skip("its database is missing", self.roles)
            elif reason := self._unreadable(self.databases[question.db_id]):
                self._skip(reason, self.roles)
            else:
                known.append(question)
        outcomes = self._run([(self.databases[question.db_id], question.sql) for question in known], GOLD_LIMITS)
        for question, outcome in zip(known, outcomes, strict=True):
            database = self.databases[question.db_id]
            if not outcome.ok:
                why = outcome.message if outcome.status is Status.ERROR else outcome.status
                self._skip(f"gold SQL fails: {why}", self.roles)
                continue
            try:
                gold = resolve(question.sql, database.schema)
            except SqlUnreadableError as error:
                self._skip(f"gold SQL {error.reason}", self.roles)
                continue
            read.append((question, database, gold, outcome))
        golds = self._plainly(read) if self.cfg.sql == "plain" else [gold for _, _, gold, _ in read]
        for (question, database, _, outcome), gold in zip(read, golds, strict=True):
            yield _Checked(question, database, gold, refiner.fault(outcome))

    def _plainly(self, read: list[tuple[Question, Database, Resolved, Outcome]]) -> list[Resolved]:
        """The gold queries written plainly; where that cannot be, or the rows would be others, as they are."""
        golds = [gold for _, _, gold, _ in read]
        tried: dict[int, str] = {}
        for place, gold in enumerate(golds):
            try:
                tried[place] = plainly(gold.sql, gold.schema)
            except (NotPlainError, SqlUnreadableError) as error:
                self.plain[f"kept: {error}"] += 1
        outcomes = self._run([(read[place][1], sql) for place, sql in tried.items()], GOLD_LIMITS)
        for (place, sql), outcome in zip(tried.items(), outcomes, strict=True):
            if same_rows(read[place][3], outcome, golds[place]):
                self.plain["written plainly"] += 1
                golds[place] = resolve(sql, golds[place].schema)
            else:
                self.plain["kept: it would give other rows"] += 1
        return golds

    def _steps(self, checked: list[_Checked]) -> list[list[decomposer.Step]]:
        """For each question the steps before the last: pieces of the gold query that run by themselves."""
        if not {"selector", "decomposer"} & set(self.roles):
            return [[] for _ in checked]
        pieces = [(place, one, sql) for place, one in enumerate(checked) for sql in sub_questions.pieces(one.gold)]
        steps: list[list[decomposer.Step]] = [[] for _ in checked]
        outcomes = self._run([(one.database, sql) for _, one, sql in pieces])
        for (place, one, sql), outcome in zip(pieces, outcomes, strict=True):
            if outcome.ok and len(steps[place]) < decomposer.MAX_STEPS - 1:
                try:
                    steps[place].append(decomposer.Step(in_words(sql, one.database.schema), sql))
                except UntellableError:
                    self.untold += 1
                except SqlUnreadableError:
                    continue  # it runs only because SQLite reads an outer name as text: no step of its own
        return steps

    def _break(self, checked: list[_Checked]) -> list[list[_Broken]]:
        """For each question up to `refiner_per_question` broken queries that fail as their type says."""
        wanted = self.cfg.refiner_per_question
        found: list[list[_Broken]] = [[] for _ in checked]
        tries = [
            candidates(GoldQuery(one.gold, self.values(one.database), self._dice(one.question))) for one in checked
        ]
        pending = list(range(len(checked))) if wanted > 0 else []
        for _ in range(MAX_TRIES * max(wanted, 1)):
            tried = [(place, *candidate) for place in pending if (candidate := next(tries[place], None))]
            if not tried:
                break
            outcomes = self._run([(checked[place].database, sql) for place, _, sql in tried])
            for (place, kind, sql), outcome in zip(tried, outcomes, strict=True):
                fault = _fault_as_promised(outcome, kind.trigger, checked[place].fault)
                if fault is not None and kind.name not in {broken.name for broken in found[place]}:
                    found[place].append(_Broken(kind.name, sql, fault))
            pending = [place for place, *_ in tried if len(found[place]) < wanted]
        for faults in found:
            if not faults:
                self._skip("no fault was found that fails", ["refiner"])
        return found

    def _dice(self, question: Question) -> random.Random:
        return random.Random(hashlib.sha256(f"{self.cfg.seed}/{question.id}".encode()).digest())

    def _reordered(self, one: _Checked) -> Schema:
        """The schema with its tables in another order, so that their place says nothing."""
        tables = list(one.database.schema.tables)
        self._dice(one.question).shuffle(tables)
        same = tuple(tables) == one.database.schema.tables
        return replace(one.database.schema, tables=tuple(reversed(tables) if same else tables))

    def _example(
        self,
        one: _Checked,
        agent: Agent,
        target: str,
        schema: Schema,
        broken: _Broken | None = None,
        number: int = 1,
    ) -> Example:
        question = one.question
        shown: dict[str, Any] = {
            "question": question.text,
            "evidence": question.evidence,
            "schema": schema,
            "values": self.values(one.database),
            "links": self.links.of(question, one.database),
            "budget": self.cfg.max_source_tokens,
        }
        name = f"{question.id}/{agent}" + (f"/{number}" if number > 1 else "")
        if broken is None:
            ask = selector.prompt if agent == "selector" else decomposer.prompt
            source = ask(self.cfg.style, **shown)
        else:
            shown |= {"sql": broken.sql, "error": broken.fault.error, "exception": broken.fault.exception}
            source = refiner.prompt(self.cfg.style, **shown)
            self.corruptions[name] = broken.name
        if agent in self.roles:
            self.links.count(agent, question, one.gold, source)
        return Example(
            id=name,
            agent=agent,
            question_id=question.id,
            db_id=question.db_id,
            source=source,
            target=target,
            question=question.text,
            gold_sql=question.sql,
            broken_sql=broken.sql if broken else "",
            error=broken.fault.error if broken else "",
        )


def _unless_same(first: Example, second: Example) -> Iterator[Example]:
    if second.source != first.source:  # a small schema may have no other form
        yield second


def _fault_as_promised(outcome: Outcome, trigger: Trigger, gold: refiner.Fault | None) -> refiner.Fault | None:
    """What the broken query gave, if that is what its type promises and the gold query does not give it too."""
    fault = refiner.fault(outcome)
    if trigger == "error":
        return fault if outcome.status in _ERRORS else None
    if not outcome.ok or gold is not None or fault is None:
        return None
    return fault if (fault.error == refiner.NO_ROWS) == (trigger == "no rows") else None
