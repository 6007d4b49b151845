"""(g) What somebody waits for at a terminal: `--help`, the plan, a complete sweep again, the first training step.

Each is a whole command, from Enter to its end; the first step from Enter to the first loss in the trial's events, with
the examples made already, as in every trial but the first. A plan is timed for the first time (`first_seconds`), in an
empty state directory, and again (`seconds`): what it has found of tokenizer, arguments and speed is kept.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from experiments.bench import trial
from experiments.bench.material import DEMO, Material
from experiments.bench.measure import Job, python

CASES = ("help", "dry_run", "complete_again", "first_step")
FEW = ("data.questions=20", "trainer.max_steps=2", "trainer.num_train_epochs=1", "generation.limit=1")
PATIENCE = 300.0  # seconds


def jobs(material: Material) -> list[Job]:  # noqa: ARG001  (every part is asked alike)
    """Every wait, and a trial's own time beside its training."""
    waits = [Job("g", case, "ours", python("commands", case)) for case in CASES]
    return waits + [Job("g", f"trial, {case}", "ours", python("trial", case)) for case in trial.CASES]


def timed(state: Path, module: str, *words: str) -> float:
    """Seconds of a whole command, whose state lies in `state`."""
    started = time.perf_counter()
    command = [sys.executable, "-m", module, *words, *(() if "--help" in words else (f"tracking.state_dir={state}",))]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def first_step(state: Path) -> float:
    """Seconds from the start of a fine-tune to its first logged loss."""
    words = [word for word in DEMO if not word.startswith("+experiment")]
    command = [sys.executable, "-m", "macsql.train", *words, *FEW, f"tracking.state_dir={state}"]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not any(file.stat().st_size for file in state.glob("trials/train-*/events.jsonl")):
            if process.poll() not in (None, 0) or time.perf_counter() - started > PATIENCE:
                sys.exit("macsql.train took no first step.")
            time.sleep(0.01)
        return time.perf_counter() - started
    finally:
        process.wait()


def main() -> None:
    """One wait."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=CASES)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        state, told = Path(folder), {}
        if given.case == "help":
            seconds = timed(state, "macsql.sweep", "--help")
        elif given.case == "dry_run":
            told["first_seconds"] = timed(state, "macsql.sweep", *DEMO, "sweep.dry_run=true")  # makes the examples too
            seconds = timed(state, "macsql.sweep", *DEMO, "sweep.dry_run=true")
        elif given.case == "complete_again":
            timed(state, "macsql.sweep", *DEMO, *FEW)
            timed(state, "macsql.sweep", *DEMO, *FEW)  # MLflow gets what may be missing
            seconds = timed(state, "macsql.sweep", *DEMO, *FEW)
        else:
            timed(state, "macsql.sweep", *DEMO, *FEW, "sweep.dry_run=true")
            seconds = first_step(state)
    print(json.dumps({"seconds": seconds, **told}))


if __name__ == "__main__":
    main()
