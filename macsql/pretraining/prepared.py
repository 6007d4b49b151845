"""The examples of thousands of random databases, on disk in the layout that every training reads.

    <state_dir>/data/base-<key>/  train.jsonl  eval.jsonl  test.jsonl  databases.json  about.json  databases/

They are made in shards by several processes; a shard that is there is not made again, so that a making which was
stopped goes on. Train, eval and test have databases of their own.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from macsql.config import AgentsConfig, Config
from macsql.errors import UserError
from macsql.factory.prepared import EXAMPLES_VERSION, Prepared, entry
from macsql.pretraining.examples import make
from macsql.records import SPLITS, Example, Split, json_lines, read_jsonl
from macsql.system.files import write_whole

VERSION = 2  # raise it when the same configuration makes other databases or questions than before
SHARD = 25  # databases made together
LONG, LONGEST, ONE_IN = 500, 1000, 4  # characters: of longer training prompts one in four is kept, none beyond
HELD_OUT = {"eval": 20, "test": 30}  # databases at most; a twentieth of those for training where that is less
VALUE_EXAMPLES = (0, 0, 1, 1, 2)  # shown for a column, by turns of databases: fewer make prompts shorter

Progress = Callable[[int, int], None]


def prepare(config: Config, progress: Progress | None = None) -> Prepared:
    """The examples of `data.databases` databases with `data.questions` questions each, made where they are not there.

    The same for the same configuration, however many processes make them. `progress` hears of databases done and in
    all. Raises UserError for numbers of which nothing can be made.
    """
    data = config.data
    if data.databases < 20 or data.questions < 1:
        raise UserError("Pre-training needs data.databases of at least 20 and data.questions of at least 1.")
    key = hashlib.sha256(
        json.dumps([VERSION, EXAMPLES_VERSION, asdict(data), asdict(config.agents)]).encode()
    ).hexdigest()
    folder = Path(config.tracking.state_dir) / "data" / f"base-{key[:16]}"
    if not (folder / "about.json").exists():
        _make(folder, config, progress or (lambda done, total: None))  # noqa: ARG005
    return Prepared(folder)


def seeds(config: Config) -> dict[Split, list[str]]:
    """The seeds of the databases of each split."""
    name, count = config.data.seed, config.data.databases
    held = {split: min(most, count // 20) for split, most in HELD_OUT.items()}
    counts: dict[Split, int] = {"train": count, "eval": held["eval"], "test": held["test"]}
    return {split: [f"{split}-{name}-{number:05d}" for number in range(counts[split])] for split in SPLITS}


def _make(folder: Path, config: Config, progress: Progress) -> None:
    (folder / "shards").mkdir(parents=True, exist_ok=True)
    (folder / "databases").mkdir(exist_ok=True)
    planned = {
        split: [names[n : n + SHARD] for n in range(0, len(names), SHARD)] for split, names in seeds(config).items()
    }
    total = sum(len(names) for shards in planned.values() for names in shards)
    done = 0
    work = [(folder, names, config.data.questions, config.agents) for split in SPLITS for names in planned[split]]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for count in pool.map(_shard, work):
            done += count
            progress(done, total)
    counts: dict[str, Counter[str]] = {}
    files = {}
    for split in SPLITS:
        counts[split] = Counter()
        rows: list[Example] = [row for names in planned[split] for row in read_jsonl(_place(folder, names), Example)]
        if split == "train":
            rows = short(rows)
        counts[split].update(row.agent for row in rows)
        text = "".join(json_lines(rows))
        write_whole(folder / f"{split}.jsonl", text)
        files[f"{split}.jsonl"] = hashlib.sha256(text.encode()).hexdigest()
    entries: list[Any] = [
        json.loads(line) for name in ("eval", "test") for names in planned[name] for line in _entries(folder, names)
    ]
    write_whole(folder / "databases.json", json.dumps(entries))
    about = {
        "corpus": "generated",
        "fingerprint": hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:16],
        "counts": {split: dict(count) for split, count in counts.items()},
        "skipped": {"questions": {}},
        "warnings": [],
        "notes": [],
        "files": files,
    }
    write_whole(folder / "about.json", json.dumps(about, indent=1))


def short(rows: list[Example]) -> list[Example]:
    """The rows without most of those with long prompts: attention takes the square of their length."""
    return [
        row
        for number, row in enumerate(rows)
        if len(row.source) <= LONG or (number % ONE_IN == 0 and len(row.source) <= LONGEST)
    ]


def _place(folder: Path, names: list[str]) -> Path:
    return folder / "shards" / f"{names[0]}.jsonl"


def _entries(folder: Path, names: list[str]) -> Iterator[str]:
    yield from (folder / "shards" / f"{names[0]}.databases").read_text(encoding="utf-8").splitlines()


def _shard(work: tuple[Path, list[str], int, AgentsConfig]) -> int:
    """The examples of some databases, written to a file of their own; returns how many databases they are."""
    folder, names, count, agents = work
    place = _place(folder, names)
    if place.exists():
        return len(names)
    lines: list[str] = []
    entries: list[str] = []
    with TemporaryDirectory() as scratch:
        for name in names:
            kept = not name.startswith("train")
            path = (folder / "databases" if kept else Path(scratch)) / f"{name}.sqlite"
            cfg = replace(agents, value_examples=VALUE_EXAMPLES[int(name[-5:]) % len(VALUE_EXAMPLES)])
            made = make(name, count, cfg, path)
            lines += json_lines(made.examples)
            if kept:
                entries.append(json.dumps(entry(made.database)))
            path.unlink() if not kept else None
    write_whole(folder / "shards" / f"{names[0]}.databases", "".join(f"{line}\n" for line in entries))
    write_whole(place, "".join(lines))
    return len(names)
