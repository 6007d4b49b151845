"""(a) Six trials, the demo's grid from random weights: `macsql.sweep` beside a stock multirun, each a whole command.

Ours makes its examples, trains two trials at once where there are two cores, records in MLflow and Optuna, scores and
compares. The multirun is described in stock_multirun.py. Both end with answers to the same test questions; execution
accuracy of both is taken by this project's metrics, after the clock has stopped.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from experiments.bench.material import Material
from experiments.bench.measure import Job, python
from macsql.config import Config

CONTENDERS = ("ours", "stock_multirun")
AXES = ("learning_rate", "per_device_train_batch_size")


def jobs(material: Material) -> list[Job]:
    """Both commands."""
    words = ["--material", str(material.folder), *(["--small"] if material.small else [])]
    return [Job("a", "six trials", contender, python("grid", contender, *words)) for contender in CONTENDERS]


def ours(material: Material, out: Path) -> tuple[list[str], Path]:
    """(our command, where its trials' predictions will be)."""
    words = [word for word in material.words if not word.startswith("tracking.")]
    return [sys.executable, "-m", "macsql.sweep", *words, f"tracking.state_dir={out}"], out / "trials"


def stock(material: Material, out: Path) -> tuple[list[str], Path]:
    """(the multirun's command, where its predictions will be)."""
    from macsql.search.space import Choices, read_space

    config = material.config
    axes: dict[str, list[Any]] = {}
    for key, axis in read_space(config.search.space).items():
        name = key.rpartition(".")[2]
        if name not in AXES or not isinstance(axis, Choices):
            sys.exit(f"The demo's grid has {key}, which stock_multirun.py does not vary: give it that argument.")
        axes[name] = [_rate(value, config) if name == AXES[0] else value for value in axis.values]
    settings = {
        "material": material.folder,
        "out": out,
        "codec": config.codec.name,
        "seed": config.seed,
        "num_train_epochs": config.trainer.num_train_epochs,
        "max_steps": config.trainer.max_steps,
        "max_new_tokens": config.generation.max_new_tokens,
        "limit": "null" if config.generation.limit is None else config.generation.limit,
        "hydra.sweep.dir": out / "hydra",
    }
    varied = [f"{name}={','.join(map(str, values))}" for name, values in axes.items()]
    words = [f"{key}={value}" for key, value in settings.items()]
    return [sys.executable, "-m", "experiments.bench.stock_multirun", "--multirun", *varied, *words], out


def _rate(value: Any, config: Config) -> float:
    """What the Trainer gets."""
    return float(value) * config.scale.learning_rate_factor


def accuracy(material: Material, files: list[Path]) -> list[float]:
    """Execution accuracy of the Decomposer and the Refiner together, one figure for each file of predictions."""
    from macsql.database.sandbox import Sandbox
    from macsql.factory.prepared import prepare
    from macsql.metrics import score
    from macsql.records import Prediction, read_jsonl

    databases = prepare(material.config).databases
    found = []
    with Sandbox(1) as sandbox:
        for file in files:
            verdicts = score(list(read_jsonl(file, Prediction)), databases, sandbox).verdicts
            values = [verdict.scores.get("execution_accuracy") for verdict in verdicts]
            told = [value for value in values if value is not None]
            found.append(sum(told) / len(told))
    return found


def main() -> None:
    """One of the two commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("--material", type=Path, required=True)
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    material = Material(given.material, given.small)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        out.mkdir()
        command, place = (ours if given.contender == "ours" else stock)(material, out)
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=sys.stderr)
        seconds = time.perf_counter() - started
        pattern = "*/predictions.jsonl" if given.contender == "ours" else "*.jsonl"
        files = sorted(place.glob(pattern))
        found = accuracy(material, files)
    told = {"seconds": seconds, "trials": len(found), "execution_accuracy": sum(found) / len(found)}
    print(json.dumps({**told, "lowest": min(found), "highest": max(found)}))


if __name__ == "__main__":
    main()
