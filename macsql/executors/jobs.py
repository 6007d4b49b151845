"""What is known of a trial's job: its number, and what Slurm's words for its state mean.

<trial>/jobs/last names the job submitted last, as slurm:JOB; a number alone may be a stranger's.
"""

from pathlib import Path
from typing import Literal

from macsql.system.files import write_whole

# finished: its function has returned, a file says what; early: Slurm ended it before the trial had; gone: it has ended
# and nothing says how; unknown: whoever was asked knows nothing of it
State = Literal["finished", "alive", "early", "gone", "unknown"]
OVER = ("finished", "early", "gone")
EARLY = {"TIMEOUT", "PREEMPTED"}
ENDED = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY"}
LAST = "last"


def judged(word: str) -> State:
    """What a word of Slurm's accounting ("CANCELLED by 0", say) means for a job that has left no file.

    What is not known to be an end is none: a living job that is taken for dead gets a second one into its folder.
    """
    first = word.split()[0].rstrip("+") if word.strip() else "UNKNOWN"
    if first == "UNKNOWN":
        return "unknown"
    return "early" if first in EARLY else "gone" if first in ENDED else "alive"


def remember(jobs: Path, number: str) -> None:
    """Write down the job submitted last."""
    write_whole(jobs / LAST, f"slurm:{number}")


def remembered(jobs: Path) -> str | None:
    """The number of the job submitted last; None where none is named, or not as Slurm's."""
    try:
        kind, _, number = (jobs / LAST).read_text(encoding="utf-8").strip().partition(":")
    except FileNotFoundError:
        return None
    return number if kind == "slurm" and number.isdecimal() else None
