"""What an evaluation of the three agents end to end leaves for a comparison: <state_dir>/evaluations/<key>/result.json.

Evaluations write it (macsql.evaluation); tables put it beside what others have published.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from macsql.errors import UserError, first_line
from macsql.system.files import write_whole

FOLDER = "evaluations"
NAME = "evaluation.json"


@dataclass(frozen=True)
class Evaluated:
    """One set of seats on one part of a corpus."""

    key: str  # folder under evaluations/
    cell: str  # "model", or which seat somebody else took
    seats: Mapping[str, str]  # agent -> who sat there
    corpus: str  # data.format, or as published figures name it: geoquery
    part: str  # dev | test | question | ...
    questions: int
    limited: bool  # data.limit left some out
    scores: Mapping[str, float]  # protocol -> share of full marks, over the questions with a verdict
    judged: Mapping[str, int]  # protocol -> questions with a verdict
    metrics: Mapping[str, float]  # per agent, "<agent>/<metric>"
    fingerprint: str  # of questions and databases
    code: str
    time: float  # seconds since 1970

    @property
    def name(self) -> str:
        """Who answered: one name where the same sat in all seats, else the three."""
        names = list(self.seats.values())
        return names[0] if len(set(names)) == 1 else " / ".join(names)

    @property
    def knows_gold(self) -> bool:
        """Whether the gold SQL sat in one of the seats."""
        return "oracle" in self.seats.values()


def write_evaluated(folder: Path, cells: list[Evaluated]) -> None:
    """Put the file in place in one step."""
    write_whole(folder / NAME, json.dumps([dataclasses.asdict(cell) for cell in cells], indent=1))


def evaluations(state_dir: Path) -> list[Evaluated]:
    """What has been evaluated, the newest last. Raises UserError for a file of another layout."""
    found: list[Evaluated] = []
    for path in sorted((state_dir / FOLDER).glob(f"*/{NAME}")):
        try:
            found += [Evaluated(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError) as error:
            raise UserError(
                f"{path} is not what this version of macsql.evaluate writes ({first_line(error)}): remove it."
            ) from error
    return sorted(found, key=lambda cell: cell.time)
