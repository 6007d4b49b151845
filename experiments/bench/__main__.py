"""`python -m experiments.bench`: measures this project beside what a user would write instead, and writes it down.

    make bench                              every part, about half an hour on 2 quiet cores
    make bench ARGS='--only b,c --rounds 1' two parts, each measured once

Those who are compared are measured in turns, each in a process of its own: ours, theirs, theirs, ours. A figure is in
results.csv as soon as it is there. What has been measured on this code already is not measured again, so that a bench
which was stopped goes on where it was.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from experiments.bench import building, commands, coordinator, generation, grid, page, scoring, training
from experiments.bench.material import Material, made, root
from experiments.bench.measure import QUIET, Job, Row, read, run, shown, turns, write
from macsql.errors import UserError
from macsql.revision import revision

HERE = Path(__file__).resolve().parent
JOBS: dict[str, Callable[[Material], list[Job]]] = {
    "a": grid.jobs,
    "b": training.jobs,
    "c": generation.jobs,
    "d": scoring.jobs,
    "e": building.jobs,
    "f": coordinator.jobs,
    "g": commands.jobs,
}
ROUNDS = {"a": 2, "b": 2, "c": 3, "d": 3, "e": 2, "f": 1, "g": 3}
MINUTES = {"a": 5.0, "b": 4.5, "c": 0.7, "d": 0.3, "e": 0.4, "f": 3.5, "g": 0.6}  # of a round, on 2 quiet cores


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(JOBS), help="parts, as in b,c")
    parser.add_argument("--rounds", type=int, help="how often each is measured (2 or 3, by part)")
    parser.add_argument("--again", action="store_true", help="measure anew what has been measured on this code")
    parser.add_argument("--small", action="store_true", help="sizes of seconds, to see that everything works")
    parser.add_argument("--out", type=Path, help="where results.csv and README.md are (with --small: mlruns/bench)")
    parser.add_argument("--prepare", action="store_true", help="make what is compared on, and stop")
    given = parser.parse_args()
    parts = [part.strip() for part in given.only.split(",") if part.strip()]
    if unknown := [part for part in parts if part not in JOBS]:
        sys.exit(f"--only {given.only}: there is no part {unknown[0]!r}; the parts are {', '.join(JOBS)}.")
    if given.rounds is not None and given.rounds < 1:
        sys.exit(f"--rounds {given.rounds}: write 1 or more.")
    out = given.out or (root() / "small" if given.small else HERE)
    out.mkdir(parents=True, exist_ok=True)
    try:
        if given.prepare:
            made(root(), given.small)
            return
        bench(parts, given.rounds, given.small, given.again, out)
    except UserError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("\nStopped on request: the same command goes on from here.")
        sys.exit(130)


def bench(parts: list[str], rounds: int | None, small: bool, again: bool, out: Path) -> None:
    """Measure what is missing of these parts."""
    material = made(root(), small)
    path = out / "results.csv"
    rows = read(path)
    known = set() if again else {_key(row) for row in rows if row.code == revision()}
    rows = [row for row in rows if row.part not in parts or _key(row) in known]
    asked = [
        (turn, job)
        for part in parts
        for turn in range(rounds or ROUNDS[part])
        for job in turns(JOBS[part](material), turn)
    ]
    missing = [(turn, job) for turn, job in asked if (job.part, turn, shown(job.command)) not in known]
    if len(missing) < len(asked):
        print(f"{len(asked) - len(missing)} of {len(asked)} measurements are there already (--again measures anew).")
    if missing and not small:
        minutes = sum(MINUTES[part] * (rounds or ROUNDS[part]) for part in parts) * len(missing) / len(asked)
        print(f"{len(missing)} measurements, about {minutes:.0f} minutes on 2 quiet cores.", flush=True)
    if missing and (load := os.getloadavg()[0]) > QUIET:
        print(f"This machine is busy (load {load:.1f}): the figures will say so, and count for little.", flush=True)
    for place, (turn, job) in enumerate(missing):
        print(f"[{place + 1}/{len(missing)}] {job.part} {job.case}, {job.contender}: ", end="", flush=True)
        started = time.monotonic()
        found = run(job, turn)
        rows += found
        write(path, rows)
        told = ", ".join(f"{row.figure} {row.value:.4g}" for row in found if not row.figure.startswith("process"))
        print(f"{told} ({time.monotonic() - started:.0f} s)", flush=True)
    rows = read(path)
    page.publish(out, rows)
    print("\n".join(page.tables([row for row in rows if row.part in parts])))
    print(f"Everything is in {out}")


def _key(row: Row) -> tuple[str, int, str]:
    return row.part, row.round, row.command


if __name__ == "__main__":
    main()
