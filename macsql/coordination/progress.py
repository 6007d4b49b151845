"""What a coordinator knows of its trials while they run and after: nothing here does anything."""

from dataclasses import dataclass, field

from macsql.executors import Handle
from macsql.search.plan import PlannedTrial
from macsql.trials.result import Result


@dataclass
class Running:
    """A trial under way."""

    trial: PlannedTrial
    handle: Handle | None  # None: it has ended, and only its events are heard
    slot: int = 0
    attempt: int = 0  # 0: an earlier call started it, and it is still at work
    before: int = 0  # what result.json was when it started, so that an earlier attempt's is not taken for its own
    offset: int = 0  # bytes of its events that have been read
    step: int = 0
    epoch: float = 0.0
    latest: dict[str, float] = field(default_factory=dict)
    evaluations: list[int] = field(default_factory=list)  # steps at which the objective was told
    pruned: bool = False
    asked: int = 0  # interrupts that it has been told of


@dataclass(frozen=True)
class Ended:
    """A trial that has a result."""

    trial: PlannedTrial
    result: Result
    fresh: bool  # this call ran it, or part of it


@dataclass
class Progress:
    """What a display may look at."""

    size: int
    running: list[Running]
    ended: list[Ended]
    problem: str = ""  # why MLflow does not answer
