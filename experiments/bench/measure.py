"""Measurements: each is a process of its own, taken in turns, and a row of results.csv as soon as it is there."""

import csv
import datetime
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from macsql.places import REPO
from macsql.revision import revision
from macsql.system.files import replacing

QUIET = 0.5  # load of the machine's other work up to which a measurement counts as quiet


@dataclass(frozen=True)
class Job:
    """One who is compared, in one case of one part."""

    part: str  # a to g
    case: str  # what is compared on
    contender: str  # "ours", or what a user would write instead
    command: tuple[str, ...]  # its process; the last line that it prints is a JSON object: figure -> value


@dataclass(frozen=True)
class Row:
    """A figure of a measurement."""

    part: str
    case: str
    contender: str
    round: int
    figure: str
    value: float
    load: float  # of the machine in the minute before, this bench's own work included
    machine: str
    code: str
    day: str
    command: str


def python(module: str, *words: str) -> tuple[str, ...]:
    """The command of a module of this package."""
    return (sys.executable, "-m", f"experiments.bench.{module}", *words)


def read(path: Path) -> list[Row]:
    """The rows of results.csv; none where there is no such file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Row(**{**row, "round": int(row["round"]), "value": float(row["value"]), "load": float(row["load"])})  # type: ignore[arg-type]
            for row in csv.DictReader(file)
        ]


def write(path: Path, rows: Iterable[Row]) -> None:
    """Put results.csv in place in one step, in the order of parts."""
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [item.name for item in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in sorted(rows, key=lambda row: (row.part, row.case)))


def run(job: Job, turn: int, where: str | None = None, patience: float | None = None) -> list[Row]:
    """Measure once, on `where` (None: this machine). Ends the bench where the job fails, with what it printed last.

    Raises TimeoutExpired where the job takes more than `patience` seconds.
    """
    load, before, started = os.getloadavg()[0], _spent(), time.monotonic()
    process = subprocess.Popen(
        job.command,
        cwd=REPO,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(REPO), "MLFLOW_DISABLE_TELEMETRY": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that it can be ended with all that it has started
    )
    try:
        out, errors = process.communicate(timeout=patience)
    except BaseException:  # the time is up, or Ctrl-C
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    seconds, spent = time.monotonic() - started, _spent() - before
    if process.returncode != 0:
        tail = "\n".join((out + errors).splitlines()[-15:])
        sys.exit(f"{' '.join(job.command)} ended with {process.returncode}:\n{tail}")
    last = out.strip().splitlines()[-1:]
    told: dict[str, float] = json.loads(last[0]) if last and last[0].startswith("{") else {}
    figures = {"process_seconds": seconds, "process_cpu_seconds": spent, **told}
    about = (where or machine(), revision(), datetime.datetime.now(datetime.UTC).date().isoformat(), shown(job.command))
    return [
        Row(job.part, job.case, job.contender, turn, name, round(value, 4), round(load, 2), *about)
        for name, value in figures.items()
    ]


def shown(command: Sequence[str]) -> str:
    """A command as results.csv keeps it: without this machine's paths."""
    words = ["python" if word == sys.executable else word for word in command]
    return " ".join(words).replace(f"{REPO}/", "")


def machine() -> str:
    """This machine in a few words; a GPU says its own name (see gpu.py)."""
    return f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"


def turns(jobs: Sequence[Job], turn: int) -> list[Job]:
    """The order of a round: that of the list, and in every second round the other way round."""
    return list(jobs) if turn % 2 == 0 else list(reversed(jobs))


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
