"""Answers of the pipeline scored: end to end by the benchmarks' protocols, and agent by agent."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from macsql.agents import refiner
from macsql.database.sandbox import Sandbox
from macsql.database.schema import Database
from macsql.errors import UserError
from macsql.metrics import score as judge
from macsql.metrics.decomposer import spider_schema
from macsql.pipeline.turns import Answered, Ending
from macsql.protocols.bench import Bench, Options, Pair, Score
from macsql.protocols.by_name import PROTOCOLS, score
from macsql.protocols.files import EMPTY
from macsql.records import AGENTS, Agent, Prediction, Verdict

USUAL = {"bird": ("bird-ex", "bird-ves", "bird-steps", "bird-soft-f1")}
ELSE = ("spider-ex", "spider-em", "bird-steps")
SUITE = "spider-ex (test suite)"
TEXTUAL = ("rouge_l", "exact_match")  # of an agent's answer as text: end to end there is no text to hold it against


@dataclass(frozen=True)
class Scores:
    """What became of the answers of one set of seats, in the order of the questions."""

    protocols: Mapping[str, Sequence[Score]]
    verdicts: Sequence[Verdict]  # of the SQL that answers
    agents: Mapping[str, float]  # "<agent>/<metric>"

    def share(self, protocol: str) -> float | None:
        """The mean over the questions with a verdict; None without any."""
        values = [float(one.value) for one in self.protocols[protocol] if one.value is not None]
        return sum(values) / len(values) if values else None

    def judged(self, protocol: str) -> int:
        """Questions with a verdict."""
        return sum(one.value is not None for one in self.protocols[protocol])


class Scorer:
    """Scores answers to the questions of one corpus."""

    def __init__(
        self,
        databases: Mapping[str, Database],
        sandbox: Sandbox,
        protocols: Sequence[str],
        folder: Path,
        test_suite: Path | None = None,
        ves_repeats: int = 100,
    ) -> None:
        """`folder` gets a link to each database, in the layout that the protocols know."""
        self.databases, self.sandbox, self.protocols = databases, sandbox, list(protocols)
        options = Options(ves_repeats=ves_repeats)
        self.bench = Bench(_linked(databases, folder), sandbox, options)
        if "spider-em" in " ".join(protocols):
            self.bench.known_schemas.update({name: spider_schema(database) for name, database in databases.items()})
        self.suite = None if test_suite is None else Bench(test_suite, sandbox, options)

    @property
    def names(self) -> list[str]:
        """The protocols, the first of which is the main one."""
        return [*self.protocols, *([SUITE] if self.suite else [])]

    def score(self, answers: Sequence[Answered]) -> Scores:
        """Every answer by every protocol, and every agent's turns."""
        pairs = pairs_of(answers)
        found = dict(score(pairs, self.protocols, self.bench))
        if self.suite is not None:
            found[SUITE] = score(pairs, ["spider-ex"], self.suite)["spider-ex"]
        final = judge(predictions_of(answers), self.databases, self.sandbox)
        turns = judge(turns_of(answers), self.databases, self.sandbox)
        kept = {name: value for name, value in turns.metrics.items() if not name.endswith(TEXTUAL)}
        return Scores(found, final.verdicts, {**kept, **counts_of(answers)})


def protocols_of(corpus: str, asked: Sequence[str]) -> list[str]:
    """The protocols that were asked for, or those of the corpus. Raises UserError for one that is not there."""
    for name in asked:
        if name not in PROTOCOLS:
            raise UserError(f"evaluate.protocols names {name!r}: choose from {', '.join(PROTOCOLS)}.")
    return list(dict.fromkeys(asked or USUAL.get(corpus, ELSE)))


def pairs_of(answers: Sequence[Answered]) -> list[Pair]:
    """Gold and answer of each question; a question without SQL has a statement that no script takes for an answer."""
    return [Pair(place, one.question.db_id, one.question.sql, one.sql or EMPTY) for place, one in enumerate(answers)]


def predictions_of(answers: Sequence[Answered]) -> list[Prediction]:
    """The SQL that answers each question, as a Refiner would have written it."""
    return [_prediction(one, "refiner", refiner.write(one.sql) if one.sql else "", "pipeline") for one in answers]


def turns_of(answers: Sequence[Answered]) -> list[Prediction]:
    """What the agents wrote, with the question's gold SQL; turns in which nobody was asked are left out."""
    rows = []
    for one in answers:
        if one.selected is not None and one.selected.turn.ending not in (Ending.SKIPPED, Ending.EMPTY):
            reply = one.selected.turn.reply
            rows.append(_prediction(one, "selector", reply.wrote, "selector", reply.truncated))
        broken, error = "", ""
        for attempt in one.attempts:
            turn, reply = attempt.turn, attempt.turn.reply
            if turn.ending is not Ending.EMPTY:
                name = f"{turn.agent}/{turn.round}" if turn.round else turn.agent
                rows.append(_prediction(one, turn.agent, reply.wrote, name, reply.truncated, broken, error))
            if attempt.sql is not None:
                broken, error = attempt.sql, attempt.fault.error if attempt.fault else ""
    return rows


def counts_of(answers: Sequence[Answered]) -> dict[str, float]:
    """How the agents' turns ended, and how many tokens went in and out: "<agent>/turns/<ending>", "<agent>/tokens"."""
    told: dict[str, float] = {}
    for agent in AGENTS:
        turns = [turn for one in answers for turn in one.turns if turn.agent == agent]
        endings = Counter(turn.ending for turn in turns)
        told |= {f"{agent}/turns/{ending.value.replace(' ', '_')}": count for ending, count in endings.items()}
        told[f"{agent}/read_tokens"] = sum(turn.reply.read_tokens for turn in turns)
        told[f"{agent}/wrote_tokens"] = sum(turn.reply.wrote_tokens for turn in turns)
    return told


def _prediction(
    one: Answered,
    agent: Agent,
    output: str,
    name: str,
    truncated: bool = False,
    broken: str = "",
    error: str = "",
) -> Prediction:
    question = one.question
    return Prediction(
        id=f"{question.id}/{name}",
        agent=agent,
        question_id=question.id,
        db_id=question.db_id,
        question=question.text,
        gold_sql=question.sql,
        target="",
        raw_output=output,
        output=output,
        truncated=truncated,
        broken_sql=broken if agent == "refiner" else "",
        error=error if agent == "refiner" else "",
    )


def _linked(databases: Mapping[str, Database], folder: Path) -> Path:
    """A folder with <db_id>/<db_id>.sqlite for each database, linked to where it lies."""
    for name, database in databases.items():
        link = folder / name / f"{name}.sqlite"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(database.path.resolve())
    return folder
