"""Ways to generate, end to end: greedy, constrained, guided. Not a test: run by hand.

    python tests/bench_generation.py OUT.csv seats.model=MODEL data=spider data.root=DIR data.limit=150 [...]

The arguments behind OUT.csv are those of `python -m macsql.evaluate`. The model, with all three agents, answers the
questions once per way, in this process and on one thread; a row per way is added to OUT.csv: what a question costs,
what became of its SQL, and what is right. `WAYS=greedy,constrained` in the environment leaves the others out.
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
from macsql.places import CONF
from macsql.training import stages

WAYS = {
    "greedy": {},
    "constrained": {"constrained": True},
    "beams of 4": {"num_beams": 4},
    "guided, 4 beams": {"num_beams": 4, "guided": True},
    "constrained and guided, 4 beams": {"num_beams": 4, "constrained": True, "guided": True},
}
UNKNOWN = ("unknown table", "unknown column")
INVALID = (*UNKNOWN, "no SQL found", "malformed structure", "syntax error", "other error")
FIELDS = ["data", "questions", "way", "cpu_seconds", "times_greedy", "execution_accuracy", "invalid", "unknown", "rest"]


def main() -> None:
    """See the module."""
    out, arguments = Path(sys.argv[1]), sys.argv[2:]
    with initialize_config_dir(str(CONF), version_base=None):
        config = validate(compose("config", arguments))
    check(config)
    stages.begin(replace(config, executor=replace(config.executor, threads=1)))
    new = not out.exists()
    with out.open("a", newline="", encoding="utf-8") as file, tempfile.TemporaryDirectory() as state:
        writer = csv.DictWriter(file, FIELDS)
        if new:
            writer.writeheader()
        for row in measured(replace(config, tracking=replace(config.tracking, state_dir=state))):
            writer.writerow(row)
            file.flush()
            print(row)


def measured(config: Config):
    """The rows of one model and corpus."""
    corpus = corpora.read(config.data, Path(config.tracking.state_dir))
    wanted = os.environ.get("WAYS", "").split(",") if os.environ.get("WAYS") else list(WAYS)
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
        first = first or seconds
        yield {
            "data": config.data.format,
            "questions": len(questions),
            "way": way,
            "cpu_seconds": round(seconds / len(questions), 3),
            "times_greedy": round(seconds / first, 2),
            "execution_accuracy": round(scores.share("spider-ex") or 0.0, 4),
            "invalid": round(sum(words[word] for word in INVALID) / len(questions), 4),
            "unknown": round(sum(words[word] for word in UNKNOWN) / len(questions), 4),
            "rest": "; ".join(f"{word} {count}" for word, count in words.most_common()),
        }


if __name__ == "__main__":
    main()
