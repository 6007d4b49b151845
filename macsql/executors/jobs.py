"""What is known of a trial's job: its number, what Slurm's words for its state mean, its controller on this machine.

<trial>/jobs/last names the job submitted last, as slurm:JOB or local:PROCESS; a number alone may be a stranger's.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

import psutil

from macsql.executors.orphan import runs
from macsql.files import write_whole

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


def remember(jobs: Path, kind: str, number: str) -> None:
    """Write down the job submitted last."""
    write_whole(jobs / LAST, f"{kind}:{number}")


def remembered(jobs: Path) -> tuple[str, str]:
    """(kind, number) of the job submitted last; ("", "") where none is named, or not its kind."""
    try:
        kind, colon, number = (jobs / LAST).read_text(encoding="utf-8").strip().partition(":")
    except FileNotFoundError:
        return "", ""
    return (kind, number) if colon and number.isdecimal() else ("", "")


def controller(jobs: Path, number: str) -> psutil.Process | None:
    """The process of this machine that controls the trial's job; None where it has ended."""
    try:
        process = psutil.Process(int(number))
        return process if str(jobs) in process.cmdline() and runs(process) else None  # not one with its number since
    except psutil.Error:
        return None


def start_controller(jobs: Path, command: str, minutes: float, gpus: int) -> "subprocess.Popen[bytes]":
    """Start submitit's controller of a job of this machine, as submitit does, but in a session of its own.

    Ctrl-C in a terminal reaches everything in the sweep's session; a controller that hears it kills its job.
    """
    about = {
        "SUBMITIT_EXECUTOR": "local",
        "SUBMITIT_LOCAL_COMMAND": command,
        "SUBMITIT_LOCAL_NTASKS": "1",
        "SUBMITIT_LOCAL_JOB_NUM_NODES": "1",
        "SUBMITIT_LOCAL_NODEID": "0",
        "SUBMITIT_LOCAL_TIMEOUT_S": str(int(60 * minutes)),
        "SUBMITIT_LOCAL_SIGNAL_DELAY_S": "30",
        "SUBMITIT_LOCAL_WITH_SHELL": "",
        "SUBMITIT_STDERR_TO_STDOUT": "1",
        "CUDA_VISIBLE_DEVICES": ",".join(str(gpu) for gpu in range(gpus)),
    }
    with (jobs / "controller.txt").open("ab") as log:  # the sweep's output may be a pipe that others wait to see closed
        return subprocess.Popen(
            [sys.executable, "-m", "submitit.local._local", str(jobs)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | about,
            start_new_session=True,
        )
