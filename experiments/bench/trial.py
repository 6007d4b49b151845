"""(g) A trial beside its training: from the start of its process to its end, without the training in between.

`forked`: as a sweep starts it on Linux, the process that forks being there already. `each`: with imports of its own, as
elsewhere. Two steps, three answers and their scores; `cpu_seconds` are of the whole process, these steps among them.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from experiments.bench.material import DEMO, composed
from macsql.config import to_yaml
from macsql.executors.local import LocalExecutor, Share
from macsql.factory.prepared import prepare
from macsql.trials.folder import ABOUT, CONFIG, LOG
from macsql.trials.result import read_result

CASES = ("forked", "each")
FEW = ("trainer.max_steps=2", "generation.limit=1", "search.space={}", "executor.threads=1")


def measure(case: str, state: Path) -> dict[str, float]:
    """The figures of one trial; of a forked one the second, because the first waits for the imports."""
    config = composed(*DEMO, *FEW, "data.questions=20", f"tracking.state_dir={state}")
    prepared = prepare(config)
    executor = LocalExecutor([Share(1, None)], forks=case == "forked")
    figures: dict[str, float] = {}
    for name in ("first", "second") if case == "forked" else ("first",):
        folder = state / "trials" / name
        folder.mkdir(parents=True)
        (folder / CONFIG).write_text(to_yaml(config), encoding="utf-8")
        (folder / ABOUT).write_text(json.dumps({"prepared": str(prepared.folder.resolve())}), encoding="utf-8")
        before, began = _spent(), time.perf_counter()
        handle = executor.start(folder, 0)
        while handle.poll() is None:
            time.sleep(0.005)
        seconds, result = time.perf_counter() - began, read_result(folder)
        if result is None or result.status != "FINISHED":
            sys.exit((folder / LOG).read_text(encoding="utf-8"))
        figures = {"seconds": seconds - result.parts["train"], "cpu_seconds": _spent() - before}
    executor.close()
    return figures


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """One trial."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=CASES)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(given.case, Path(folder))))


if __name__ == "__main__":
    main()
