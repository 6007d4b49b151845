"""`make bench-gpu`: training, answers, liger-kernel on and off, and sixteen trials on one CUDA card, in eight minutes.

    make bench-gpu                          on a machine with a card
    make bench-gpu ARGS=--rehearse          the same steps on a CPU with tiny models, to see that they work

It needs nothing beyond the project's pins. A step for which too little time is left is left out, and named. The figures
go to gpu.csv and gpu.md beside this file, with the card's name; those of a rehearsal to mlruns/bench/.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from experiments.bench import page
from experiments.bench.generation import CONTENDERS as ANSWERING
from experiments.bench.material import Material, made, root
from experiments.bench.measure import Job, Row, python, run, write
from experiments.bench.training import CONTENDERS as TRAINING
from macsql.models.liger import missing
from macsql.system.files import write_whole

HERE = Path(__file__).resolve().parent
MINUTES = 8.0
LEAST = 25.0  # seconds without which no step is begun
ROWS = {"t5_small": 32, "smollm2": 16}  # of a batch, on a card
STEPS = 40
PROMPTS = 96
# What makers promise in bf16, dense, in 1e12 operations a second; the first name that is part of the card's counts.
PEAKS = {"H200": 989, "H100": 989, "A100": 312, "L40S": 362, "L4": 121, "A10": 125, "RTX 4090": 165, "RTX 3090": 71}


def jobs(material: Material, liger: bool) -> list[Job]:
    """All steps, the most telling first; `liger`: whether liger-kernel's operations can run."""
    words = ["--material", str(material.folder), *(["--small"] if material.small else [])]
    told = []
    for size, rows in ROWS.items():
        more = [*words, "--rows", str(2 if material.small else rows), "--steps", str(2 if material.small else STEPS)]
        for contender in TRAINING:
            told.append(Job("b", size, contender, python("training", contender, size, *more)))
        if liger:
            command = python("training", "ours", size, *more, "--liger", "true")
            told.append(Job("b", size, "ours with liger-kernel", command))
    more = [*words, "--prompts", str(6 if material.small else PROMPTS)]
    told += [Job("c", "t5_small", name, python("generation", name, "t5_small", *more)) for name in ANSWERING]
    small = ["--small"] if material.small else []
    count, at_once = (2, 2) if material.small else (16, 8)
    told.append(Job("t", f"{count} trials", f"{at_once} at once", _trials(count, at_once, small)))
    told.append(Job("t", "2 trials", "one after the other", _trials(2, 1, small)))
    return told


def _trials(count: int, at_once: int, small: list[str]) -> tuple[str, ...]:
    return python("many_trials", str(count), "--at-once", str(at_once), *small)


def measured(
    asked: list[Job], where: str, until: float, clock: Callable[[], float], measure: Callable[..., list[Row]] = run
) -> tuple[list[Row], list[str]]:
    """(rows, a sentence for each step that was left out); no step goes on after `until`."""
    rows: list[Row] = []
    left_out = []
    for place, job in enumerate(asked):
        name = f"{job.part} {job.case}, {job.contender}"
        left = until - clock()
        if left < LEAST:
            left_out.append(f"{name}: left out, the time is up.")
            continue
        try:
            found = measure(job, 0, where, left)
        except subprocess.TimeoutExpired:
            left_out.append(f"{name}: stopped after {left:.0f} s, the time is up.")
            continue
        rows += found
        told = ", ".join(f"{row.figure} {row.value:.4g}" for row in found if not row.figure.startswith("process"))
        print(f"[{place + 1}/{len(asked)}] {name}: {told}", flush=True)
    return rows, left_out


def share_of_peak(rows: list[Row], card: str) -> list[str]:
    """How much of the card's promise a decoder-only training uses: 6 products per parameter and token."""
    peak = next((value for name, value in PEAKS.items() if name in card), None)
    told = {(row.contender, row.figure): row.value for row in rows if (row.part, row.case) == ("b", "smollm2")}
    if peak is None:
        return []
    return [
        f"- {contender}: {6 * told[contender, 'parameters'] * value / (peak * 1e12):.1%} of {peak} TFLOP/s"
        for (contender, figure), value in told.items()
        if figure == "tokens_per_second"
    ]


def text(rows: list[Row], left_out: list[str], card: str) -> str:
    """The page."""
    plain = {(row.case, row.contender, row.figure): row for row in rows}
    lines = [f"# On {card}", "", *page.tables(rows), ""]
    for size in ROWS:
        pair = [plain.get((size, name, "tokens_per_second")) for name in ("ours with liger-kernel", "ours")]
        if pair[0] is not None and pair[1] is not None:
            memory = [plain[size, name, "peak_megabytes"].value for name in ("ours with liger-kernel", "ours")]
            lines.append(
                f"- liger-kernel on {size}: {pair[0].value / pair[1].value:.2f} times as fast, "
                f"{memory[0] / memory[1]:.2f} of the memory"
            )
    for row in rows:
        if row.part == "t" and row.figure == "trials_per_minute":
            lines.append(f"- {row.case}, {row.contender}: {row.value:.1f} trials per minute")
    lines += [*share_of_peak(rows, card), *(f"- {sentence}" for sentence in left_out)]
    return "\n".join(line for line in lines if line is not None) + "\n"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rehearse", action="store_true", help="on a CPU, with tiny models")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="after which no step goes on")
    given = parser.parse_args()
    until = time.monotonic() + 60 * given.minutes
    if given.rehearse:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        card = "a CPU, rehearsed"
    else:
        import torch

        if not torch.cuda.is_available():
            sys.exit("There is no CUDA GPU here: run this where one is, or add ARGS=--rehearse to see it on a CPU.")
        card = torch.cuda.get_device_name(0)
    print(f"On {card}, at most {given.minutes:g} minutes.", flush=True)
    reason = missing()
    if reason:
        print(f"liger-kernel is not compared: {reason}.")
    out = root() / "rehearsed" if given.rehearse else HERE
    out.mkdir(parents=True, exist_ok=True)
    rows, left_out = measured(jobs(made(root(), given.rehearse), not reason), card, until, time.monotonic)
    write(out / "gpu.csv", rows)
    write_whole(out / "gpu.md", text(rows, left_out, card))
    print(text(rows, left_out, card))
    print(f"Everything is in {out}")


if __name__ == "__main__":
    main()
