"""What a second worker is worth: the six-trial grid, shortened, with one worker or with two, from nothing.

`same` is a checksum of all that the trials measured: equal for one and for two, else the workers disturb each other.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from experiments.bench.material import DEMO, SMALL

SHORT = ("data.questions=60", "trainer.num_train_epochs=2")


def main() -> None:
    """One sweep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workers", type=int)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--whole", action="store_true", help="the demo as it is")
    given = parser.parse_args()
    less = SMALL if given.small else () if given.whole else SHORT
    with tempfile.TemporaryDirectory() as folder:
        words = [*DEMO, *less, f"executor.workers={given.workers}", f"tracking.state_dir={folder}"]
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "macsql.sweep", *words], check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        results = sorted(Path(folder).glob("trials/*/result.json"))
        told = [json.loads(path.read_text(encoding="utf-8"))["metrics"] for path in results]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    print(json.dumps({"seconds": seconds, "trials": len(told), "same": int(digest[:6], 16)}))


if __name__ == "__main__":
    main()
