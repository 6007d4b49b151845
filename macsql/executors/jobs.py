"""What has become of a job, from what Slurm's words for its state mean."""

from typing import Literal

# finished: its function has returned, a file says what; early: Slurm ended it before the trial had; gone: it has ended
# and nothing says how; unknown: whoever was asked knows nothing of it
State = Literal["finished", "alive", "early", "gone", "unknown"]
OVER = ("finished", "early", "gone")
EARLY = {"TIMEOUT", "PREEMPTED"}
ENDED = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY"}


def judged(word: str) -> State:
    """What a word of Slurm's accounting ("CANCELLED by 0", say) means for a job that has left no file.

    What is not known to be an end is none: a living job that is taken for dead gets a second one into its folder.
    """
    first = word.split()[0].rstrip("+") if word.strip() else "UNKNOWN"
    if first == "UNKNOWN":
        return "unknown"
    return "early" if first in EARLY else "gone" if first in ENDED else "alive"
