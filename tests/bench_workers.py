"""What a second worker is worth: the same sweep with one worker and with two, both from nothing.

    python tests/bench_workers.py [key=value ...]

Without arguments the built-in grid of six trials (+experiment=lr_bs +scale=pocket), about twelve minutes on two cores;
`data.questions=60 trainer.num_train_epochs=2` makes it two. Printed are the seconds of each whole command and their
ratio. Exit code 1 where the ratio is above LIMIT or a trial's metrics are not equal to the last digit.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT = 0.6  # of one worker's time, for two
COMMAND = ("-m", "macsql.sweep", "+experiment=lr_bs", "+scale=pocket")


def sweep(state: Path, workers: int, arguments: list[str]) -> float:
    """Run the sweep; returns the seconds of its whole command."""
    started = time.monotonic()
    with (state.parent / f"{workers}.log").open("w") as log:
        subprocess.run(
            [sys.executable, *COMMAND, f"tracking.state_dir={state}", f"executor.workers={workers}", *arguments],
            check=True,
            stdout=log,
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
        )
    return time.monotonic() - started


def metrics(state: Path) -> dict[str, dict[str, float]]:
    """Point of each trial -> what it measured."""
    return {
        path.parent.name[:-9]: json.loads(path.read_text(encoding="utf-8"))["metrics"]
        for path in sorted(state.glob("trials/*/result.json"))
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        seconds, measured = {}, {}
        for workers in (1, 2):
            state = Path(folder) / str(workers)
            seconds[workers] = sweep(state, workers, sys.argv[1:])
            measured[workers] = metrics(state)
            print(f"{workers} at once: {seconds[workers]:.1f} s, {len(measured[workers])} trials", flush=True)
    ratio = seconds[2] / seconds[1]
    same = sum(measured[1][name] == measured[2].get(name) for name in measured[1])
    print(f"ratio {ratio:.3f}; {same} of {len(measured[1])} trials have equal metrics")
    if ratio > LIMIT or same < len(measured[1]):
        sys.exit(f"At most {LIMIT} of the time was asked for, and equal metrics in every trial.")


if __name__ == "__main__":
    main()
