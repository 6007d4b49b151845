"""Ways to generate, end to end: greedy, constrained, guided. Not a test: run by hand.

    python tests/bench_generation.py                                                     # the shipped model
    python tests/bench_generation.py seats.model=TRIAL data=text2sql data.root=DIR [...]  # any model and corpus

Arguments are those of `python -m macsql.evaluate`; without any the shipped model answers the built-in test part, whose
databases no training saw, and 150 questions of Spider dev where ../shared/data or MACSQL_SHARED has them. The three
agents answer all questions once per way, in this process and on one thread. Rows go to experiments/bench/ways.csv, in
the place of those of the same model, data and way, and from there to ways.md beside it. `WAYS='greedy;beams of 4'` in
the environment measures these.
"""

import csv
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from hydra import compose, initialize_config_dir

import macsql.app  # noqa: F401  (tells Hydra of the schema)
from macsql import corpora
from macsql.config import Config, validate
from macsql.database.sandbox import Limits, Sandbox
from macsql.evaluate import Evaluation, check
from macsql.evaluation.scoring import Scorer
from macsql.pipeline.seating import Seating
from macsql.places import CONF, REPO
from macsql.revision import revision
from macsql.training import stages

WAYS = {
    "greedy": {},
    "constrained": {"constrained": True},
    "beams of 4": {"num_beams": 4},
    "guided, 4 beams": {"num_beams": 4, "guided": True},
    "constrained and guided, 4 beams": {"num_beams": 4, "constrained": True, "guided": True},
}
USUAL = ("greedy", "constrained", "guided, 4 beams")
UNKNOWN = ("unknown table", "unknown column")
INVALID = (*UNKNOWN, "no SQL found", "malformed structure", "syntax error", "other error")
KEY = ("model", "data", "part", "questions", "way")
FIELDS = (*KEY, "cpu_seconds", "times_greedy", "execution_accuracy", "invalid", "unknown", "rest", "code", "machine")
FOLDER = REPO / "experiments" / "bench"
HEAD = """# Ways to write an answer, end to end

```
python tests/bench_generation.py                                    # the shipped model
python tests/bench_generation.py seats.model=TRIAL data=... [...]  # any model and corpus
```

The three agents answer every question; its SQL is the pipeline's last. Seconds are CPU time of answering on one thread,
in batches as `macsql.evaluate` makes them, the database's work aside. Invalid is SQL that SQLite does not run, or none
at all; unknown is the part of it that names a table or column that is not there. EX is `spider-ex`. One run each:
[ways.csv](ways.csv) has the code, the machine and what became of the other answers.

| model | data | questions | way | seconds per question | times greedy | EX | invalid | unknown names |
|---|---|---|---|---|---|---|---|---|
"""


def main() -> None:
    """See the module."""
    shared = Path(os.environ.get("MACSQL_SHARED", REPO.parent / "shared")) / "data" / "spider_published"
    own = f"seats.model={REPO / 'macsql' / 'weights' / 'pocket_base'}"
    usual = [[own, "data=pocket"], *([[own, "data=spider", f"data.root={shared}", "data.limit=150"]] * shared.exists())]
    for arguments in [sys.argv[1:]] if sys.argv[1:] else usual:
        with initialize_config_dir(str(CONF), version_base=None):
            config = validate(compose("config", arguments))
        check(config)
        stages.begin(replace(config, executor=replace(config.executor, threads=1)))
        with tempfile.TemporaryDirectory() as state:
            for row in measured(replace(config, tracking=replace(config.tracking, state_dir=state))):
                print(row)
                keep(row)


def keep(row: dict) -> None:
    """Put a row into its place in ways.csv, and all of them into ways.md."""
    path = FOLDER / "ways.csv"
    rows = list(csv.DictReader(path.open(encoding="utf-8"))) if path.exists() else []
    row = {name: str(value) for name, value in row.items()}
    same = [n for n, old in enumerate(rows) if all(old[name] == row[name] for name in KEY)]
    rows = [*rows[: same[0]], row, *rows[same[0] + 1 :]] if same else [*rows, row]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    cells = ("questions", "way", "cpu_seconds", "times_greedy", "execution_accuracy", "invalid", "unknown")
    lines = [[one["model"], f"{one['data']} {one['part']}", *(one[name] for name in cells)] for one in rows]
    (FOLDER / "ways.md").write_text(HEAD + "".join(f"| {' | '.join(line)} |\n" for line in lines), encoding="utf-8")


def measured(config: Config):
    """The rows of one model and corpus."""
    corpus = corpora.read(config.data, Path(config.tracking.state_dir))
    wanted = os.environ["WAYS"].split(";") if os.environ.get("WAYS") else USUAL
    first: float | None = None
    for way in wanted:
        changed = replace(config, generation=replace(config.generation, **WAYS[way]))
        seating = Seating(changed.seats, changed.generation, Path(config.tracking.state_dir), config.tracking.uri)
        evaluation = Evaluation(changed, seating, corpus)
        with Sandbox(1, Limits(seconds=config.metrics.time_limit)) as sandbox:
            questions, evaluation.questions = evaluation.questions, evaluation.questions[:1]
            evaluation._answers(evaluation.cells[0], sandbox)  # what is read once is read
            evaluation.questions = questions
            start = time.process_time()
            answers, _ = evaluation._answers(evaluation.cells[0], sandbox)
            seconds = time.process_time() - start
            scorer = Scorer(corpus.databases, sandbox, ["spider-ex"], evaluation.folder / "databases")
            scores = scorer.score(answers)
        words = Counter(verdict.outcome for verdict in scores.verdicts)
        first = seconds if way == "greedy" else first
        yield {
            "model": Path(str(config.seats.model)).name,
            "data": config.data.format,
            "part": "dev" if config.data.format == "spider" else config.evaluate.split,
            "questions": len(questions),
            "way": way,
            "cpu_seconds": round(seconds / len(questions), 3),
            "times_greedy": round(seconds / first, 2) if first else "",
            "execution_accuracy": round(scores.share("spider-ex") or 0.0, 4),
            "invalid": round(sum(words[word] for word in INVALID) / len(questions), 4),
            "unknown": round(sum(words[word] for word in UNKNOWN) / len(questions), 4),
            "rest": "; ".join(f"{word} {count}" for word, count in words.most_common()),
            "code": revision(),
            "machine": f"{machine()}, load {os.getloadavg()[0]:.1f}",
        }


def machine() -> str:
    """The processor's name."""
    told = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    return next((line.partition(": ")[2] for line in told.splitlines() if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    main()
