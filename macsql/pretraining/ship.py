"""`python -m macsql.pretraining.ship TRIAL [CORPUS=DIR ...]`: a pre-trained model becomes what the package holds.

TRIAL is the folder that `macsql.pretrain` names at its end. Each CORPUS is one whose questions and schemas must not be
among those of pre-training: spider=DIR, bird=DIR, text2sql=DIR ... What was found is written into the model card.
"""

import hashlib
import itertools
import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macsql.config import Config, DataConfig, from_yaml
from macsql.corpora import read
from macsql.corpora.splits import normal_text
from macsql.database.schema import Schema
from macsql.errors import UserError
from macsql.factory.prepared import Prepared
from macsql.models.sources import SHIPPED
from macsql.pretraining import databases
from macsql.pretraining.prepared import prepare, seeds
from macsql.system.processor import processor
from macsql.system.streams import guarded, say
from macsql.trials.folder import CONFIG, EVENTS, MODEL
from macsql.trials.result import Result, read_result

KEPT = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "card.json",
)
MEASURES = {  # in the card -> key of a metric
    "Decomposer: execution accuracy": "decomposer/execution_accuracy",
    "Decomposer: answers that can be read": "decomposer/readable",
    "Selector: column recall": "selector/column_recall",
    "Selector: column precision": "selector/column_precision",
    "Refiner: fix rate": "refiner/fix_rate",
}
QUESTIONS = 40  # for each database of a corpus whose questions are made here
LONGEST_GAP = 600.0  # seconds between two events that still count as work: between others the training was stopped
LARGEST = 16 * 2**20  # bytes of the weights
_SHORT = 4  # words: shorter questions ("how many cities are there") are everybody's


def names(schema: Schema) -> frozenset[str]:
    """A schema as far as two of them count as the same: its tables, each with its columns, in lower case."""
    return frozenset(
        f"{table.name.lower()}({','.join(sorted(column.name.lower() for column in table.columns))})"
        for table in schema.tables
    )


def seen(config: Config, prepared: Prepared) -> tuple[set[str], set[frozenset[str]]]:
    """The questions of pre-training as normal texts, and its schemas."""
    texts = {normal_text(row.question) for row in prepared.examples("train")}
    scratch = Path(config.tracking.state_dir) / "data" / "leakage.sqlite"
    schemas = set()
    for seed in seeds(config)["train"]:
        schemas.add(names(databases.make(seed, scratch)[1]))
    scratch.unlink(missing_ok=True)
    return texts, schemas


@dataclass(frozen=True)
class Leaks:
    """What a corpus shares with pre-training."""

    corpus: str
    questions: int
    shared: tuple[str, ...]  # normal texts
    schemas: int
    same: tuple[str, ...]  # ids of databases

    def row(self) -> str:
        """A row of the card's table."""
        longer = sum(len(text.split()) > _SHORT for text in self.shared)
        return (
            f"| {self.corpus} | {self.questions} | {len(self.shared)} | {longer} | {self.schemas} | {len(self.same)} |"
        )


def leaks(name: str, root: str, texts: set[str], schemas: set[frozenset[str]], state: Path) -> Leaks:
    """What a corpus shares with pre-training."""
    data = DataConfig(format=name, root=root or None, questions=QUESTIONS)
    corpus = read(data, state)
    asked = {normal_text(question.text) for question in corpus.questions}
    same = sorted(key for key, database in corpus.databases.items() if names(database.schema) in schemas)
    return Leaks(name, len(asked), tuple(sorted(asked & texts)), len(corpus.databases), tuple(same))


def ship(trial: Path, corpora: Iterable[tuple[str, str]], target: Path) -> Path:
    """Copy the model of a finished pre-training to `target`, with its card in words; returns the folder.

    Raises UserError where the training has not finished, the weights are too large or a schema was seen.
    """
    config = from_yaml((trial / CONFIG).read_text(encoding="utf-8"))
    result = read_result(trial)
    if result is None or result.status != "FINISHED":
        raise UserError(f"{trial} has not finished: run the same `macsql.pretrain` again until it has.")
    weights = trial / MODEL / "model.safetensors"
    if weights.stat().st_size > LARGEST:
        raise UserError(f"{weights} takes {weights.stat().st_size / 2**20:.1f} MiB: at most 16 are shipped.")
    prepared = prepare(config)
    texts, schemas = seen(config, prepared)
    found = [leaks(name, root, texts, schemas, Path(config.tracking.state_dir)) for name, root in corpora]
    if bad := [item for item in found if item.same]:
        raise UserError(f"Pre-training saw schemas of {bad[0].corpus}: {', '.join(bad[0].same)}.")
    target.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        if (trial / MODEL / name).exists():
            shutil.copyfile(trial / MODEL / name, target / name)
    events = [json.loads(line) for line in (trial / EVENTS).read_text(encoding="utf-8").splitlines()]
    (target / "MODEL_CARD.md").write_text(_card(config, prepared, result, events, found, weights), encoding="utf-8")
    return target


def _card(
    config: Config,
    prepared: Prepared,
    result: Result,
    events: Sequence[Mapping[str, Any]],
    found: Sequence[Leaks],
    weights: Path,
) -> str:
    """The model card in words."""
    counts = prepared.about["counts"]["train"]
    metrics = [event.get("metrics", {}) for event in events]  # a resume has none
    losses = [told["eval_loss"] for told in metrics if "eval_loss" in told]
    times = [event["time"] for event in events if "time" in event]
    gaps = [min(b - a, LONGEST_GAP) for a, b in itertools.pairwise(times)]
    measured = [(label, result.metrics[key]) for label, key in MEASURES.items() if key in result.metrics]
    shape = config.model.pocket
    template = (Path(__file__).parent / "model_card.md").read_text(encoding="utf-8")
    return template.format(
        encoder=shape["num_layers"],
        decoder=shape.get("num_decoder_layers", shape["num_layers"]),
        width=shape["d_model"],
        seed=config.seed,
        databases=config.data.databases,
        rows=sum(counts.values()),
        counts=", ".join(f"{count} {agent}" for agent, count in counts.items()),
        fingerprint=prepared.fingerprint,
        steps=result.steps,
        batch=config.trainer.per_device_train_batch_size,
        rate=config.trainer.learning_rate,
        hours=sum(gaps) / 3600,
        machine=f"{config.executor.fixed_threads or os.cpu_count()} thread(s) of {processor()}",
        loss=losses[-1] if losses else float("nan"),
        size=weights.stat().st_size / 2**20,
        digest=hashlib.sha256(weights.read_bytes()).hexdigest(),
        tested=sum(prepared.about["counts"]["test"].values()),
        measured="\n".join(f"| {label} | {value:.3f} |" for label, value in measured),
        leakage="\n".join(item.row() for item in found),
    )


def main() -> None:
    """The command line."""

    def run() -> int:
        if len(sys.argv) < 2 or not (Path(sys.argv[1]) / CONFIG).is_file():
            raise UserError("Name the trial's folder that macsql.pretrain named at its end, then CORPUS=DIR for each.")
        pairs = [tuple(argument.split("=", 1)) for argument in sys.argv[2:]]
        folder = ship(Path(sys.argv[1]), [("pocket", ""), *pairs], SHIPPED / "pocket_base")  # type: ignore[list-item]
        say(f"The model and its card are in {folder}")
        return 0

    sys.exit(guarded(run))


if __name__ == "__main__":
    main()
