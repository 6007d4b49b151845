"""The comparison as a table on the screen and as a CSV file."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from macsql.app import REPO
from macsql.comparison.collect import ComparedTrial

SHOWN = {
    "eval_loss": "eval loss",
    "train_loss": "train loss",
    "selector/rouge_l": "S ROUGE-L",
    "selector/exact_match": "S EM",
    "decomposer/rouge_l": "D ROUGE-L",
    "decomposer/exact_match": "D EM",
    "decomposer/execution_accuracy": "D EX",
    "refiner/rouge_l": "R ROUGE-L",
    "refiner/exact_match": "R EM",
    "refiner/execution_accuracy": "R EX",
}


def show(name: str, trials: Sequence[ComparedTrial]) -> None:
    """Print the trials and the poster's figures; write experiments/<name>/results.csv."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=170)
    first = trials[0].config
    console.print(
        f"Experiment {name}: data {first.data.format}, model {first.model.name}, agents {first.agents.style}, "
        f"codec {first.codec.name}; S = Selector, D = Decomposer, R = Refiner; scored on the test split."
    )
    if first.scale.note:
        console.print(f"Scale {first.scale.name}: {first.scale.note}")
    table = Table()
    table.add_column("trial")
    for heading in SHOWN.values():
        table.add_column(heading, justify="right")
    best = best_of(trials)
    for trial in trials:
        metrics = trial.result.metrics if trial.result else {}
        state = "" if trial.result and trial.result.status == "FINISHED" else f" ({_state(trial)})"
        mark = " *" if trial is best else ""
        cells = ["-" if key not in metrics else f"{metrics[key]:.3f}" for key in SHOWN]
        table.add_row(f"{trial.label}{state}{mark}", *cells)
    console.print(table)
    if best is not None:
        console.print(f"* best by {first.sweep.metric[0]}: {best.label}")
    for line in _published(name):
        console.print(line)
    folder = REPO / "experiments" / name
    path = write_csv(trials, folder / "results.csv")
    console.print(f"Written: {path}")


def best_of(trials: Sequence[ComparedTrial]) -> ComparedTrial | None:
    """The finished trial with the best first objective."""
    sweep = trials[0].config.sweep
    metric, sign = sweep.metric[0], 1 if sweep.direction[0] == "minimize" else -1
    finished = [trial for trial in trials if trial.result and metric in trial.result.metrics]
    return min(finished, key=lambda trial: sign * trial.result.metrics[metric] if trial.result else 0, default=None)


def write_csv(trials: Sequence[ComparedTrial], path: Path) -> Path:
    """One line a trial: its point, its end and every metric."""
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = sorted({key for trial in trials for key in trial.point})
    names = sorted({name for trial in trials if trial.result for name in trial.result.metrics})
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["trial", "repeat", "seed", *keys, "status", "steps", "seconds", *names])
        for trial in trials:
            result = trial.result
            row = [
                trial.key,
                trial.repeat,
                trial.config.seed,
                *(trial.point.get(key, "") for key in keys),
                _state(trial),
            ]
            row += [result.steps, result.seconds] if result else ["", ""]
            writer.writerow(row + [result.metrics.get(name, "") if result else "" for name in names])
    return path


def _state(trial: ComparedTrial) -> str:
    return trial.result.status if trial.result else "UNFINISHED"


def _published(name: str) -> list[str]:
    path = REPO / "experiments" / name / "published.json"
    if not path.exists():
        return []
    published = json.loads(path.read_text(encoding="utf-8"))
    lines = [f"The poster ({published['question']}):"]
    return lines + [f"  {row['metric']} {row['value']}: {row['note']}" for row in published["figures"]]
