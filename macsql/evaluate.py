"""`python -m macsql.evaluate [key=value ...]`: the three agents end to end on a benchmark, scored by its protocols.

Every reply is kept as it comes: after a kill the same command goes on where it was, and ends as it would have ended.
`seats=matrix` also tries the gold SQL and nobody in each seat, and says what each agent is worth.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from macsql.app import command
from macsql.config import Config
from macsql.counts import counted
from macsql.errors import UserError, with_type
from macsql.needs import check_numbers
from macsql.records import SPLITS, Agent, Question
from macsql.system.streams import say

if TYPE_CHECKING:
    from macsql.comparison.evaluated import Evaluated
    from macsql.corpora import Corpus
    from macsql.evaluation.cells import Cell
    from macsql.evaluation.scoring import Scorer, Scores
    from macsql.pipeline.seating import Seating
    from macsql.pipeline.traces import Traces
    from macsql.pipeline.turns import Answered

FORMATS = ("spider", "bird", "mac-sql")


@command
def main(config: Config) -> int:
    """Check, read, ask, score, write down, show."""
    from macsql import corpora
    from macsql.pipeline.seating import Seating

    check(config)
    state = Path(config.tracking.state_dir)
    seating = Seating(config.seats, config.generation, state, config.tracking.uri)
    seating.check()
    corpus = corpora.read(config.data, state)
    for warning in corpus.warnings:
        say(f"Warning: {warning}")
    return Evaluation(config, seating, corpus).run()


def check(config: Config) -> None:
    """Raise UserError for what can be wrong before anything is read."""
    from macsql import corpora
    from macsql.evaluation.scoring import protocols_of
    from macsql.pipeline.seating import check_seats
    from macsql.tracking.addresses import check_uri

    if config.evaluate.split not in SPLITS:
        raise UserError(f"evaluate.split={config.evaluate.split}: the parts are {', '.join(SPLITS)}.")
    if config.data.format == "chat":
        raise UserError("data=chat holds examples of single agents: evaluate on questions, as in data=spider.")
    if unknown := [name for name in config.evaluate.export if name not in FORMATS]:
        raise UserError(f"evaluate.export names {unknown[0]!r}: the formats are {', '.join(FORMATS)}.")
    if config.evaluate.ves_repeats < 1:
        raise UserError(f"evaluate.ves_repeats={config.evaluate.ves_repeats}: at least 1 is needed.")
    protocols_of(config.data.format, config.evaluate.protocols)
    check_numbers(config, "generation", "metrics")
    check_seats(config.seats)
    generation = config.generation
    served = "chat_api" in (config.seats.selector, config.seats.decomposer, config.seats.refiner)
    if served and (generation.constrained or generation.guided):
        raise UserError("A server's answers cannot be constrained or guided: leave out generation=, or seats=chat_api.")
    corpora.check(config.data)
    check_uri(config.tracking.uri)


class Evaluation:
    """One command: a corpus, its seats, and the folder where everything is kept."""

    def __init__(self, config: Config, seating: "Seating", corpus: "Corpus") -> None:
        from macsql import corpora
        from macsql.comparison.evaluated import FOLDER
        from macsql.evaluation.cells import cells_of, key_of
        from macsql.evaluation.scoring import protocols_of

        self.config, self.seating, self.corpus = config, seating, corpus
        self.questions = self._asked()
        self.fingerprint = corpora.fingerprint(corpus)
        self.cells = cells_of(config.seats)
        self.protocols = protocols_of(config.data.format, config.evaluate.protocols)
        self.key = key_of(config, seating, self.fingerprint)
        self.folder = Path(config.tracking.state_dir) / FOLDER / self.key
        self.suite = self._test_suite()

    def run(self) -> int:
        """Ask and score every set of seats; returns the exit code."""
        from macsql.pipeline.memory import Journal
        from macsql.system.file_lock import FileLock

        lock = FileLock(self.folder / "lock")
        if not lock.acquire():
            raise UserError(f"Another process is at work on this evaluation: its folder is {self.folder}.")
        journal = Journal(self.folder / "answers.jsonl")
        self.seating.memory = journal
        data = f"{counted(len(self.questions), 'question')} of {self.corpus.name} ({self.config.evaluate.split})"
        say(f"Evaluation {self.key}: {data}, {counted(len(self.cells), 'set')} of seats.")
        for told in self.seating.precisions():
            say(told)
        if len(journal):
            say(f"Going on: {counted(len(journal), 'reply', 'replies')} are there already.")
        try:
            return self._all()
        finally:
            journal.close()
            lock.release()

    def _all(self) -> int:
        from macsql.comparison.evaluated import write_evaluated
        from macsql.database.sandbox import Limits, Sandbox
        from macsql.evaluation.scoring import Scorer

        limits = Limits(seconds=self.config.metrics.time_limit)
        found: list[Evaluated] = []
        scores: dict[str, Scores] = {}
        with Sandbox(self.config.metrics.workers, limits) as sandbox:
            repeats = self.config.evaluate.ves_repeats
            databases = self.corpus.databases
            scorer = Scorer(databases, sandbox, self.protocols, self.folder / "databases", self.suite, repeats)
            for cell in self.cells:
                answers, names = self._answers(cell, sandbox)
                scores[cell.name] = scorer.score(answers)
                found.append(self._evaluated(cell, names, scores[cell.name], scorer))
                self._leave(cell, answers, scores[cell.name])
                self._record(cell, found[-1])
        write_evaluated(self.folder, found)
        self._show(found, scores, scorer)
        return 0

    def _answers(self, cell: "Cell", sandbox: object) -> "tuple[list[Answered], dict[str, str]]":
        from macsql.evaluation.progress import Line
        from macsql.pipeline.pipeline import Pipeline
        from macsql.pipeline.seating import rules_of

        seats = {agent: self.seating.seat(agent, who) for agent, who in cell.who.items()}
        line, traces = Line(cell.name), self._traces(cell)

        def tell(agent: Agent, number: int, done: int, count: int) -> None:
            line(agent, number, done, count)
            traces.tell(agent, number, done, count)

        pipeline = Pipeline(seats, sandbox, rules_of(self.config.seats, kept_rows=5), tell=tell)  # type: ignore[arg-type]
        answers = pipeline.answer(self.questions, self.corpus.databases)
        if self.config.tracking.trace:
            try:
                traces.keep(answers)
            except UserError as error:
                say(f"{error} The same command sends those that are missing.")
        return answers, {a: seat.name for a, seat in seats.items()}

    def _traces(self, cell: "Cell") -> "Traces":
        from macsql.pipeline.traces import Traces

        tracking = self.config.tracking
        return Traces(tracking.uri, Path(tracking.state_dir), "evaluate", f"{self.key}/{cell.name}")

    def _evaluated(self, cell: "Cell", names: dict[str, str], scores: "Scores", scorer: "Scorer") -> "Evaluated":
        from macsql.comparison.evaluated import Evaluated
        from macsql.evaluation.cells import benchmark_of
        from macsql.revision import revision

        shares = {name: share for name in scorer.names if (share := scores.share(name)) is not None}
        corpus, part = benchmark_of(self.corpus, self.config, self.questions)
        return Evaluated(
            key=self.key,
            cell=cell.name,
            seats=names,
            corpus=corpus,
            part=part,
            questions=len(self.questions),
            limited=self.config.data.limit is not None,
            scores=shares,
            judged={name: scores.judged(name) for name in shares},
            metrics=dict(scores.agents),
            fingerprint=self.fingerprint,
            code=revision(),
            time=time.time(),
        )

    def _leave(self, cell: "Cell", answers: "Sequence[Answered]", scores: "Scores") -> None:
        """Answers, verdicts and every turn of a set of seats, and the files of the official scripts."""
        from macsql.evaluation.scoring import predictions_of
        from macsql.pipeline.shown import turns_json
        from macsql.protocols.export import export
        from macsql.records import write_jsonl
        from macsql.trials.folder import PREDICTIONS, VERDICTS

        folder = self.folder / cell.name.replace(" ", "_")
        predictions = predictions_of(answers)
        write_jsonl(folder / PREDICTIONS, predictions)
        write_jsonl(folder / VERDICTS, scores.verdicts)
        write_jsonl(folder / "turns.jsonl", ({"id": one.question.id, "turns": turns_json(one)} for one in answers))
        for name in self.config.evaluate.export:
            for path in export(predictions, name, folder / name):  # type: ignore[arg-type]
                if cell is self.cells[0]:
                    say(f"Written: {path}")

    def _record(self, cell: "Cell", found: "Evaluated") -> None:
        """An evaluation does not die of MLflow's silence."""
        from macsql.tracking.evaluations import record_evaluation

        folder = self.folder / cell.name.replace(" ", "_")
        metrics = {f"pipeline/{name}": value for name, value in found.scores.items()}
        params = {**{f"seats.{agent}": name for agent, name in found.seats.items()}, "questions": found.questions}
        computes = " ".join(self.seating.precisions())
        tags = {
            "macsql.data_fingerprint": self.fingerprint,
            "macsql.code": found.code,
            "macsql.corpus": found.corpus,
            "macsql.precision": computes,
        }
        try:
            record_evaluation(
                self.config.tracking.uri,
                Path(self.config.tracking.state_dir),
                f"{self.key}/{cell.name}",
                params,
                tags,
                {**metrics, **found.metrics},
                [path for path in sorted(folder.iterdir()) if path.is_file()],
            )
        except Exception as error:
            say(f"MLflow does not answer ({with_type(error)}): the same command sends it what is missing.")

    def _show(self, found: "list[Evaluated]", scores: "dict[str, Scores]", scorer: "Scorer") -> None:
        from rich.console import Console

        from macsql.evaluation.cells import BASE
        from macsql.report import seats
        from macsql.report.tables.seats import outcomes

        tables = seats.tables_of(found, scores, scorer.names)
        seats.show(tables, Console(width=None if sys.stdout.isatty() else 160, markup=False))
        seats.leave(self.folder, tables, self.questions, scores, scorer.names)
        say(f"Answers: {outcomes(scores[BASE])}")
        if skipped := int(scores[BASE].agents.get("selector/turns/skipped", 0)):
            asked = counted(skipped, "question")
            say(f"The Selector was skipped for {asked} on small schemas: seats.skip_small=false asks it all the same.")
        limit = (
            f"time limit {scorer.bench.options.time_limit:g} s, while answering {self.config.metrics.time_limit:g} s"
        )
        say(f"data {self.fingerprint} · {limit}")
        say(f"Everything is in {self.folder}")

    def _asked(self) -> list[Question]:
        asked = list(self.corpus.of(self.config.evaluate.split))  # type: ignore[arg-type]
        if not asked:
            there = ", ".join(f"{len(self.corpus.of(split))} {split}" for split in SPLITS)
            raise UserError(f"No question belongs to evaluate.split={self.config.evaluate.split}: there are {there}.")
        return asked

    def _test_suite(self) -> Path | None:
        named = self.config.evaluate.test_suite
        if named is None:
            return None
        from macsql.corpora import place

        folder = place("evaluate.test_suite", named)
        if not folder.is_dir():
            raise UserError(f"evaluate.test_suite={named} is not a folder: it should hold DB/*.sqlite.")
        if not (folder / self.questions[0].db_id).is_dir() and (folder / "database").is_dir():
            folder = folder / "database"
        for name in dict.fromkeys(question.db_id for question in self.questions):
            if not any((folder / name).glob("*.sqlite")):
                raise UserError(f"evaluate.test_suite={named} has no {name}/*.sqlite, which questions are asked of.")
        return folder


if __name__ == "__main__":
    main()
