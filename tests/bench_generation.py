"""Ways to generate, on a model that is trained: greedy, beams, constrained, guided. Not a test: run by hand.

    python tests/bench_generation.py OUT.csv TRIAL [TRIAL ...]

TRIAL is the folder of a finished trial; its test questions are asked anew, each way with the same model, and a row per
way and agent is written: how long it took, what could not be read or run, and what is right.
"""

import csv
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from macsql.config import GenerationConfig
from macsql.constraints.guides import Guides, for_examples
from macsql.database.sandbox import Limits, Sandbox
from macsql.factory.prepared import prepare
from macsql.metrics import score
from macsql.models.decoding import predict, sample
from macsql.models.families import load
from macsql.train import asked_in
from macsql.training import stages
from macsql.trials.folder import MODEL

WAYS = {
    "greedy": {},
    "constrained": {"constrained": True},
    "beams of 4": {"num_beams": 4},
    "guided, 4 beams": {"num_beams": 4, "guided": True},
    "constrained and guided, 4 beams": {"num_beams": 4, "constrained": True, "guided": True},
}
FIELDS = [
    "data",
    "codec",
    "way",
    "agent",
    "answers",
    "seconds",
    "times_greedy",
    "unreadable",
    "invalid",
    "truncated",
    "unknown_tables",
    "unknown_columns",
    "right",
    "execution_accuracy",
]


def main() -> None:
    """See the module."""
    out, *trials = map(Path, sys.argv[1:])
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        for folder in trials:
            for row in measured(folder):
                writer.writerow(row)
                file.flush()
                print(row)


def measured(folder: Path):
    """The rows of one trial."""
    config = asked_in(folder)
    stages.begin(replace(config, executor=replace(config.executor, threads=1)))
    prepared = prepare(config)
    databases = prepared.databases
    examples = sample(prepared.examples("test"), config.generation.limit)
    model = load(folder / MODEL)
    model.answer([examples[0].source], replace(config.generation, max_new_tokens=2))  # what is read once is read
    greedy: dict[str, float] = {}
    with Sandbox(1, Limits(seconds=config.metrics.time_limit)) as sandbox:
        for way, changes in WAYS.items():
            generation: GenerationConfig = replace(config.generation, **changes)
            making = Guides(model.text, model.card.prompt_style, generation, sandbox)
            for agent in config.agents.roles:
                rows = [row for row in examples if row.agent == agent]
                start = time.perf_counter()
                guides = for_examples(making, rows, databases)
                predictions = predict(model, rows, generation, guides=guides)
                seconds = time.perf_counter() - start
                greedy.setdefault(agent, seconds)
                scored = score(predictions, databases, sandbox)
                words = Counter(verdict.outcome for verdict in scored.verdicts)
                bad = words["no SQL found"] + words["malformed structure"] + words["syntax error"]
                bad += words["unknown table"] + words["unknown column"] + words["other error"]
                cut = words["truncated by the token limit"]
                ex = scored.metrics.get(f"{agent}/execution_accuracy")
                yield {
                    "data": config.data.format,
                    "codec": config.codec.name,
                    "way": way,
                    "agent": agent,
                    "answers": len(rows),
                    "seconds": round(seconds, 1),
                    "times_greedy": round(seconds / greedy[agent], 2),
                    "unreadable": round(1 - scored.metrics[f"{agent}/readable"], 4),
                    "invalid": round((bad + cut) / len(rows), 4),
                    "truncated": cut,
                    "unknown_tables": words["unknown table"],
                    "unknown_columns": words["unknown column"],
                    "right": words["right"],
                    "execution_accuracy": "" if ex is None else round(ex, 4),
                }


if __name__ == "__main__":
    main()
