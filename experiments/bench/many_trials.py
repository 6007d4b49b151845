"""Trials of one sweep side by side on one card (or CPU): one setting with many seeds, a few steps each.

What is seen is how many trials a minute a machine gets through, start-up, answers and scores included.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHORT = ("trainer.max_steps=100", "data.questions=60", "generation.limit=10")
SMALL = ("trainer.max_steps=2", "data.questions=20", "generation.limit=1")


def main() -> None:
    """One sweep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", type=int)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    words = ["+experiment=generation", "+scale=pocket", *(SMALL if given.small else SHORT)]
    words += [f"sweep.repeats={given.trials}", f"executor.workers={given.at_once}"]
    with tempfile.TemporaryDirectory() as state:
        command = [sys.executable, "-m", "macsql.sweep", *words, f"tracking.state_dir={state}"]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        done = len(list(Path(state).glob("trials/*/result.json")))
    print(json.dumps({"trials_per_minute": 60 * done / seconds, "trials": done, "seconds": seconds}))


if __name__ == "__main__":
    main()
