"""`python -m macsql.build data=spider data.root=DIR out=FILE`: the agents' examples as chat JSONL.

The file has the layout of the SQL-Llama instruct set, so that other trainers can read it, and reads back as
`data=chat data.root=FILE`.
"""

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from macsql.app import command
from macsql.config import Config
from macsql.counts import counted
from macsql.errors import UserError
from macsql.factory.progress import making
from macsql.needs import check_numbers
from macsql.records import SPLITS, Question, json_lines
from macsql.system.files import apart, check_output, write_output
from macsql.system.streams import say

if TYPE_CHECKING:
    from macsql.corpora import Corpus
    from macsql.factory.examples import AgentExamples


@command
def main(config: Config) -> int:
    """Read the corpus, make the examples, write the rows, say what was made and what was not."""
    from macsql import corpora

    started = time.monotonic()
    if config.data.format == "chat":
        raise UserError("data=chat holds examples already: there is nothing to build from it.")
    _check_splits(config.build.splits)
    check_numbers(config, "metrics")
    corpora.check(config.data)
    out = _writable(config.out)
    with apart(out):
        return _build(config, out, started)


def _build(config: Config, out: Path, started: float) -> int:
    from macsql import corpora
    from macsql.database.sandbox import Sandbox
    from macsql.factory.examples import make_examples

    corpus = corpora.read(config.data, Path(config.tracking.state_dir))
    for warning in corpus.warnings:
        say(f"Warning: {warning}")
    questions = _wanted(corpus.questions, config.build.splits)
    with Sandbox(config.metrics.workers) as sandbox, making(len(questions)) as progress:
        made = make_examples(questions, corpus.databases, config.agents, sandbox, progress=progress)
    if not made.examples:
        raise UserError(f"No row can be made for out={out}: {_nothing(made, len(questions))}.")
    count = write_output("out", out, json_lines(_rows(made, questions)))
    _report(made, corpus, config)
    of = Counter[str](question.split for question in corpus.questions)
    parts = ", ".join(f"{of[split]} {split}" for split in SPLITS if split in config.build.splits)
    asked = counted(len(questions), "question")
    print(f"{counted(count, 'row')} from {asked} ({parts}) in {time.monotonic() - started:.0f} s: {out}")
    if left := [split for split in SPLITS if split not in config.build.splits and of[split]]:
        there = " and ".join(counted(of[split], f"{split} question") for split in left)
        print(f"Not among them: {there}, because build.splits is [{','.join(config.build.splits)}].")
    return 0


def _check_splits(splits: Sequence[str]) -> None:
    if unknown := [split for split in splits if split not in SPLITS]:
        raise UserError(f"Unknown part {unknown[0]!r} in build.splits: the parts are {', '.join(SPLITS)}.")


def _writable(out: str | None) -> Path:
    if not out:
        raise UserError("Say where the rows should go: out=FILE.")
    path = Path(out).expanduser()
    check_output("out", path)
    return path


def _wanted(questions: Sequence[Question], splits: Sequence[str]) -> list[Question]:
    wanted = [question for question in questions if question.split in splits]
    if not wanted:
        counts = Counter(question.split for question in questions)
        there = ", ".join(f"{counts[split]} {split}" for split in SPLITS)
        raise UserError(f"No question belongs to build.splits=[{','.join(splits)}]: there are {there}.")
    return wanted


def _rows(made: "AgentExamples", questions: Sequence[Question]) -> Iterator[dict[str, Any]]:
    """Chat rows; what an example does not hold but a reader may want to know stands beside it."""
    from macsql.corpora.chat import as_row

    asked = {question.id: question for question in questions}
    for example in made.examples:
        question = asked[example.question_id]
        row = as_row(example)
        row["split"] = question.split
        if question.evidence:
            row["evidence"] = question.evidence
        if example.id in made.corruptions:
            row["corruption"] = made.corruptions[example.id]
        yield row


def _nothing(made: "AgentExamples", asked: int) -> str:
    """Why there is not a single example, agent by agent."""
    by_why: dict[str, list[str]] = {}
    for agent, reasons in made.skipped.items():
        why = "; ".join(f"{reason}: {count}" for reason, count in sorted(reasons.items()))
        by_why.setdefault(why, []).append(agent)
    told = " and ".join(f"{', '.join(agents)}: {why}" for why, agents in by_why.items() if why)
    return f"of {counted(asked, 'question')} none gives one ({told})" if told else "there is nothing to make it of"


def _report(made: "AgentExamples", corpus: "Corpus", config: Config) -> None:
    """What was made, and what could not be and why."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 120)
    counts = Counter[str](example.agent for example in made.examples)
    faults = Counter(made.corruptions.values())
    table = Table("agent", "rows", "questions skipped", "why", title=f"{corpus.name}, agents={config.agents.style}")
    for agent, reasons in made.skipped.items():
        why = "; ".join(f"{reason}: {count}" for reason, count in sorted(reasons.items()))
        table.add_row(agent, str(counts[agent]), str(sum(reasons.values())), why)
    console.print(table)
    if faults:
        console.print("Faults: " + ", ".join(f"{name} {count}" for name, count in faults.most_common()))
    if made.shortened:
        console.print(
            f"{made.shortened} Decomposer answers were longer than agents.max_target_tokens="
            f"{config.agents.max_target_tokens} and lost their first steps."
        )
    if made.untold:
        console.print(f"{made.untold} sub-queries are not a step of their own: words would lose a part of them.")
    from macsql.factory.prepared import plain_notes

    for note in plain_notes(made.plain):
        console.print(note)
    for reason, count in sorted(corpus.skipped.items()):
        console.print(f"Left out of the corpus: {reason}: {count}")
    for note in corpus.notes:
        console.print(note)


if __name__ == "__main__":
    main()
