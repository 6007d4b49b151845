"""What the agents hand to each other, and what each of them read and wrote: frozen, nothing is shared.

Question --> Ask --(a seat)--> Reply --> Turn --> Selected --> Attempt, Attempt ... --> Answered
"""

from dataclasses import dataclass
from enum import StrEnum

from macsql.agents.refiner import Fault
from macsql.database.outcome import Outcome
from macsql.database.schema import Database, Schema
from macsql.records import Agent, Question


class Ending(StrEnum):
    """How an agent's turn ended."""

    ANSWERED = "answered"
    SKIPPED = "skipped"  # the Selector, on a schema that is small enough
    EMPTY = "empty seat"
    NO_ANSWER = "no answer"  # whoever sits there could not be asked
    TRUNCATED = "truncated by the token limit"  # and of no use for it
    UNREADABLE = "unreadable answer"  # the Selector's: everything is kept
    NO_SQL = "no SQL found"  # the Decomposer's or the Refiner's


FAILED = (Ending.NO_ANSWER, Ending.TRUNCATED, Ending.UNREADABLE, Ending.NO_SQL)


@dataclass(frozen=True)
class Ask:
    """What an agent is asked; a seat makes a prompt of it in the style of whoever sits there.

    The question holds the gold SQL where there is one: only the oracle looks at it.
    """

    agent: Agent
    question: Question
    database: Database
    schema: Schema  # what the agent may see
    sql: str = ""  # Refiner: what is to be repaired
    fault: Fault | None = None  # Refiner: what is wrong with it
    round: int = 0  # Refiner: from 1


@dataclass(frozen=True)
class Reply:
    """What a seat says to one Ask."""

    read: str = ""  # the prompt; empty where whoever sits there reads none
    wrote: str = ""  # the answer, after the codec
    truncated: bool = False  # the answer ended at the token limit
    read_tokens: int = 0
    wrote_tokens: int = 0
    ending: Ending = Ending.ANSWERED  # or NO_ANSWER, EMPTY
    message: str = ""  # why there is no answer
    overruled: int = 0  # tokens in the place of one that the model wanted more, but that was not allowed


@dataclass(frozen=True)
class Turn:
    """One agent's part in the answer to a question."""

    agent: Agent
    round: int  # Refiner: from 1; else 0
    seat: str  # who sat there
    ending: Ending
    reply: Reply
    message: str = ""


@dataclass(frozen=True)
class Selected:
    """What the Selector hands on: the schema that the others see."""

    schema: Schema
    turn: Turn


@dataclass(frozen=True)
class Attempt:
    """A query of the Decomposer or the Refiner, with what running it gave."""

    turn: Turn
    sql: str | None = None
    outcome: Outcome | None = None  # None: there is no SQL
    fault: Fault | None = None  # why the Refiner is asked about it; None: nothing is wrong with it

    @property
    def runs(self) -> bool:
        """Whether it is a query that ran; an empty text or a mere comment runs, too, but gives no columns."""
        return self.outcome is not None and self.outcome.ok and bool(self.outcome.columns)


@dataclass(frozen=True)
class Answered:
    """A question with all that became of it."""

    question: Question
    selected: Selected | None = None  # None: the database is not at hand
    attempts: tuple[Attempt, ...] = ()  # the Decomposer's, then one per round of the Refiner
    problem: str = ""  # why nobody was asked

    @property
    def turns(self) -> tuple[Turn, ...]:
        """All turns in the order in which they were taken."""
        first = (self.selected.turn,) if self.selected else ()
        return (*first, *(attempt.turn for attempt in self.attempts))

    @property
    def chosen(self) -> Attempt | None:
        """The attempt that answers: the last where nothing is wrong with it, else the last that runs, else the last
        with SQL; None without any."""
        with_sql = [attempt for attempt in self.attempts if attempt.sql is not None]
        sound = [attempt for attempt in with_sql if attempt.fault is None]
        running = [attempt for attempt in with_sql if attempt.runs]
        return next((found[-1] for found in (sound, running, with_sql) if found), None)

    @property
    def sql(self) -> str | None:
        """The SQL that answers the question; None where no agent wrote any."""
        return self.chosen.sql if self.chosen else None

    @property
    def overruled(self) -> int:
        """How often whoever wrote that SQL wanted to write something that was not allowed."""
        return self.chosen.turn.reply.overruled if self.chosen else 0
