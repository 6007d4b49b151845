"""The stages of one fine-tune, in the order in which macsql.train calls them.

Each leaves its files in the trial's folder (macsql.trials.folder). A trial knows neither Optuna nor MLflow nor the
sweep that it may belong to.
"""

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from macsql.config import Config
from macsql.database.sandbox import Limits, Sandbox
from macsql.database.schema import Database
from macsql.factory.prepared import Prepared
from macsql.models.decoding import predict, sample
from macsql.models.text import Text
from macsql.records import Example, Prediction, write_jsonl
from macsql.training.check import notes, uses
from macsql.training.precision import precision
from macsql.trials.checkpoints import last_checkpoint
from macsql.trials.events import EventLog
from macsql.trials.folder import (
    CHECKPOINTS,
    EVAL_PREDICTIONS,
    EVAL_VERDICTS,
    EVENTS,
    MODEL,
    PREDICTIONS,
    VERDICTS,
)
from macsql.trials.result import Result
from macsql.trials.stopping import StopRequest
from macsql.trials.trained import Trained, leave, trained_before

PADDING = "train/padding_share"  # of the positions of an epoch's batches; an event of its own, before the first step
Tell = Callable[[int, float, dict[str, float]], None]


class Clock:
    """Seconds of each stage, by its name."""

    def __init__(self) -> None:
        self.last = time.monotonic()
        self.parts: dict[str, float] = {}

    def lap(self, part: str) -> None:
        """A stage has ended."""
        now = time.monotonic()
        self.parts[part] = round(now - self.last, 3)
        self.last = now


@dataclass(frozen=True)
class Data:
    """What one fine-tune learns from, is evaluated on and is asked."""

    train: list[Example]
    eval: list[Example]
    test: list[Example]
    databases: Mapping[str, Database]
    fingerprint: str


@dataclass(frozen=True)
class Answers:
    """A trained model's answers."""

    test: list[Prediction]
    eval: list[Prediction]  # empty where no objective asks for them


def begin(config: Config) -> None:
    """Set the process up: CPU threads, and a library that keeps to itself what is of no use."""
    import torch
    from transformers.utils import logging as chatter

    chatter.disable_progress_bar()  # bars of moments
    logger = logging.getLogger("transformers.trainer_utils")  # how it sorts young checkpoints
    logger.addFilter(lambda record: "mtime may not be reliable" not in record.getMessage())
    if threads := config.executor.fixed_threads:  # what `auto` came to is in the environment of a sweep's trial
        torch.set_num_threads(threads)


def read(config: Config, prepared: Prepared) -> Data:
    """The examples: all for training and evaluation, of those for the test at most generation.limit per agent."""
    test = sample(prepared.examples("test"), config.generation.limit)
    train, evaluation = prepared.examples("train"), prepared.examples("eval")
    return Data(train, evaluation, test, prepared.databases, prepared.fingerprint)


def train(config: Config, folder: Path, data: Data, text: Text, stop: StopRequest, tell: Tell) -> tuple[Trained, int]:
    """Train where steps are left to take, from the last checkpoint where there is one, and leave the model.

    Returns how it ended and the steps taken now. `tell` hears of each event after the file has it.
    """
    from macsql.models.families import model_of, settle
    from macsql.training.trainer import make_trainer

    before = trained_before(folder, config.trainer)
    if before is not None:
        settle(folder / MODEL, config, text)
        return before, 0
    last = last_checkpoint(folder)
    events = EventLog(folder / EVENTS, None if last is None else last.step)

    def on_log(step: int, epoch: float, metrics: dict[str, float]) -> None:
        events.write(step, epoch, metrics)
        tell(step, epoch, metrics)

    model = model_of(config, text, data.fingerprint)
    trainer = make_trainer(config, model, data.train, data.eval, folder / CHECKPOINTS, on_log, stop)
    if last is None and (share := trainer.padding_share()) is not None:
        on_log(0, 0.0, {PADDING: share})
    trainer.args.eval_on_start = trainer.args.eval_on_start and last is None
    stop.check()
    trainer.train(resume_from_checkpoint=None if last is None else str(last.folder))
    trainer.save_model(str(folder / MODEL))  # the best one where load_best_model_at_end
    trained = leave(folder, config.trainer, dataclasses.asdict(trainer.state))
    settle(folder / MODEL, config, text)
    return trained, trained.steps - (0 if last is None else last.step)


def answer(config: Config, folder: Path, data: Data, stop: StopRequest) -> Answers:
    """Ask the trained model; predictions.jsonl, and eval_predictions.jsonl where an objective asks for it."""
    from macsql.constraints.guides import Guides, for_examples
    from macsql.models.families import load
    from macsql.training.arguments import training_arguments

    # What answers is what lies on disk, so that a trial killed from here on ends with the same answers; drawn ones too,
    # because loading sets the seed.
    model = load(folder / MODEL, config.seed)
    model.to(training_arguments(config, folder).device, bf16=precision(config).bf16)

    with Sandbox(config.metrics.workers, Limits(seconds=config.metrics.time_limit)) as sandbox:
        guides = Guides(model.text, model.card.prompt_style, config.generation, sandbox)

        def ask(examples: list[Example], name: str) -> list[Prediction]:
            given = for_examples(guides, examples, data.databases)
            predictions = predict(model, examples, config.generation, lambda _: stop.check(), given)
            write_jsonl(folder / name, predictions)
            return predictions

        answers = ask(data.test, PREDICTIONS)
        if not any(name.startswith("eval/") for name in config.sweep.objectives):
            return Answers(answers, [])
        return Answers(answers, ask(sample(data.eval, config.generation.limit), EVAL_PREDICTIONS))


def score(config: Config, folder: Path, answers: Answers, databases: Mapping[str, Database]) -> dict[str, float]:
    """Judge the answers; verdicts.jsonl and eval_verdicts.jsonl beside the predictions. Returns the metrics."""
    from macsql.metrics import score as judge

    with Sandbox(config.metrics.workers, Limits(seconds=config.metrics.time_limit)) as sandbox:
        scored = judge(answers.test, databases, sandbox)
        choosing = judge(answers.eval, databases, sandbox)
    write_jsonl(folder / VERDICTS, scored.verdicts)
    if answers.eval:
        write_jsonl(folder / EVAL_VERDICTS, choosing.verdicts)
    return {**scored.metrics, **{f"eval/{name}": value for name, value in choosing.metrics.items()}}


def result(config: Config, trained: Trained, taken: int, metrics: Mapping[str, float], clock: Clock) -> Result:
    """How the fine-tune ended; `taken`: steps of this attempt."""
    told = {**trained.losses, **metrics}
    return Result(
        "FINISHED",
        told,
        steps=trained.steps,
        parts=clock.parts,
        notes=[*uses(config), *notes(config)],
        attempt_steps=taken,
        precision=str(precision(config)),
    )
