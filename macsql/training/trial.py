"""One trial: a folder with a configuration in it becomes a folder with a result in it.

    <folder>/config.yaml        asked: the whole configuration
             events.jsonl       told on the way: losses a step, evaluations, final metrics
             checkpoints/       the Trainer's own
             model/             the best model, in the hub's layout
             trained.json       steps and losses; its presence means that no step is left to take
             predictions.jsonl  verdicts.jsonl
             eval_predictions.jsonl  eval_verdicts.jsonl   where an agent's metric is the objective: test questions
                                                           choose nothing
             result.json        how it ended: status, metrics, seconds, steps; its presence means "done"

A trial knows neither Optuna nor MLflow nor the sweep that it may belong to. `python -m macsql.training.trial
FOLDER` runs one; the same command on a folder that was interrupted goes on from its last checkpoint.
"""

import dataclasses
import json
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from macsql.config import Config, from_yaml
from macsql.database.sandbox import Limits, Sandbox
from macsql.errors import UserError
from macsql.factory.prepared import Prepared, prepare
from macsql.models.codecs import Codec
from macsql.models.codecs import codec as codec_named
from macsql.models.decoding import generate, sample
from macsql.records import Example, Prediction, write_jsonl
from macsql.trials.checkpoints import last_checkpoint
from macsql.trials.events import EventLog
from macsql.trials.process import complete, serve
from macsql.trials.result import Result
from macsql.trials.result import read_result as read_result
from macsql.trials.stopping import StopRequest
from macsql.trials.trained import Trained, leave, trained_before

LIGER = "no effect: stock liger-kernel has no T5"
Tell = Callable[[int, float, dict[str, float]], None]


def check(config: Config) -> None:
    """Raise UserError for what is wrong with a trial's configuration and can be seen without reading data."""
    from macsql.models import seq2seq
    from macsql.training import mixture

    codec_named(config.codec.name)
    mixture.check(config.mixture)
    try:
        Path(config.tracking.state_dir).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"tracking.state_dir={config.tracking.state_dir} cannot be made ({error.strerror}): "
            "name a folder that can be written to."
        ) from error
    trainer = config.trainer
    for key in ("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"):
        if getattr(trainer, key) < 1:
            raise UserError(f"trainer.{key}={getattr(trainer, key)}: at least 1 is needed.")
    if not trainer.learning_rate > 0:
        raise UserError(f"trainer.learning_rate={trainer.learning_rate}: a rate above 0 is needed.")
    if trainer.num_train_epochs <= 0 and trainer.max_steps <= 0:
        raise UserError(f"trainer.num_train_epochs={trainer.num_train_epochs}: more than 0 is needed.")
    seq2seq.check(config.model)
    seq2seq.check_weights(config.model)


def notes(config: Config) -> list[str]:
    """A sentence for each thing that the configuration asks for and that changes nothing, or cannot be meant."""
    from macsql.models.seq2seq import made_here

    factor, lines = config.scale.learning_rate_factor, []
    if config.trainer.use_liger_kernel:
        lines.append(f"trainer.use_liger_kernel=true has {LIGER}.")
    if factor != 1 and not made_here(config.model):
        lines.append(
            f"scale.learning_rate_factor={factor:g} multiplies every learning rate, which is meant for random weights "
            "and not for a checkpoint: leave +scale out, or set it to 1."
        )
    return lines


def run(config: Config, folder: Path, prepared: Prepared | None, stop: StopRequest, tell: Tell) -> Result:
    """Fine-tune, generate and score as `config` says, leaving everything in `folder`.

    `prepared` are the examples where somebody has made them already; `tell` hears of each event after the file has it.
    Raises Interrupted when stopped, and whatever goes wrong.
    """
    import torch

    from macsql.metrics import score
    from macsql.models import seq2seq
    from macsql.training.finetune import training_arguments

    _quiet()
    if config.executor.threads:
        torch.set_num_threads(config.executor.threads)
    clock = _Clock()
    state = Path(config.tracking.state_dir)
    codec = codec_named(config.codec.name)

    prepared = prepared or prepare(config)
    train = prepared.examples("train")
    clock.lap("prepare")

    tokenizer = seq2seq.load_tokenizer(config.model, codec, train, state)
    clock.lap("load")

    data = Splits(train, prepared.examples("eval"), sample(prepared.examples("test"), config.generation.limit))
    before = trained_before(folder, config.trainer)
    trained, taken = (before, 0) if before else _train(config, folder, tokenizer, codec, data, stop, tell)
    clock.lap("train")
    stop.check()

    # What answers is what lies on disk, so that a trial killed from here on ends with the same answers; drawn ones too,
    # because loading sets the seed.
    kept = dataclasses.replace(config.model, path=str(folder / "model"))
    model: Any = seq2seq.load_model(kept, tokenizer, codec, config.seed)
    model.to(training_arguments(config, folder).device)
    answer = partial(
        generate, model, tokenizer, codec, config=config.generation, max_source_length=config.model.max_source_length
    )
    predictions = answer(examples=data.test, progress=lambda _: stop.check())
    write_jsonl(folder / "predictions.jsonl", predictions)
    chosen_by: list[Prediction] = []
    if any(name.startswith("eval/") for name in config.sweep.objectives):
        chosen_by = answer(examples=sample(data.eval, config.generation.limit), progress=lambda _: stop.check())
        write_jsonl(folder / "eval_predictions.jsonl", chosen_by)
    clock.lap("generate")

    with Sandbox(config.metrics.workers, Limits(seconds=config.metrics.time_limit)) as sandbox:
        scored = score(predictions, prepared.databases, sandbox)
        choosing = score(chosen_by, prepared.databases, sandbox)
    write_jsonl(folder / "verdicts.jsonl", scored.verdicts)
    if chosen_by:
        write_jsonl(folder / "eval_verdicts.jsonl", choosing.verdicts)
    clock.lap("score")

    metrics = {
        **trained.losses,
        **scored.metrics,
        **{f"eval/{name}": value for name, value in choosing.metrics.items()},
    }
    return Result("FINISHED", metrics, steps=trained.steps, parts=clock.parts, notes=notes(config), attempt_steps=taken)


def _quiet() -> None:
    """Keep transformers from saying what is of no use: progress bars of moments, and how it sorts young checkpoints."""
    from transformers.utils import logging as chatter

    chatter.disable_progress_bar()
    logger = logging.getLogger("transformers.trainer_utils")
    logger.addFilter(lambda record: "mtime may not be reliable" not in record.getMessage())


@dataclass(frozen=True)
class Splits:
    """The examples of one trial."""

    train: list[Example]
    eval: list[Example]
    test: list[Example]


def _train(
    config: Config, folder: Path, tokenizer: Any, codec: Codec, data: Splits, stop: StopRequest, tell: Tell
) -> tuple[Trained, int]:
    """Run the Trainer, from the last checkpoint where there is one, and leave the model; how it ended, steps taken."""
    from macsql.models import seq2seq
    from macsql.training.finetune import make_trainer, tokenised

    last = last_checkpoint(folder)
    events = EventLog(folder / "events.jsonl", None if last is None else last.step)

    def on_log(step: int, epoch: float, metrics: dict[str, float]) -> None:
        events.write(step, epoch, metrics)
        tell(step, epoch, metrics)

    trainer = make_trainer(
        config,
        seq2seq.load_model(config.model, tokenizer, codec, config.seed),
        tokenizer,
        tokenised(data.train, tokenizer, codec, config),
        tokenised(data.eval, tokenizer, codec, config),
        [row.agent for row in data.train],
        folder / "checkpoints",
        on_log,
        stop,
    )
    trainer.args.eval_on_start = trainer.args.eval_on_start and last is None
    stop.check()
    trainer.train(resume_from_checkpoint=None if last is None else str(last.folder))
    trainer.save_model(str(folder / "model"))  # the best one where load_best_model_at_end
    trained = leave(folder, config.trainer, dataclasses.asdict(trainer.state))
    return trained, trained.steps - (0 if last is None else last.step)


class _Clock:
    def __init__(self) -> None:
        self.last = time.monotonic()
        self.parts: dict[str, float] = {}

    def lap(self, part: str) -> None:
        now = time.monotonic()
        self.parts[part] = round(now - self.last, 3)
        self.last = now


def run_folder(
    folder: Path,
    prepared: Prepared | None = None,
    stop: StopRequest | None = None,
    tell: Tell = lambda step, epoch, metrics: None,  # noqa: ARG005
) -> Result:
    """Run the trial in `folder` and leave its result there, however it ends. Raises Interrupted alone."""
    asked = stop or StopRequest()

    def work() -> Result:
        config = from_yaml((folder / "config.yaml").read_text(encoding="utf-8"))
        return run(config, folder, prepared, asked, tell)

    return complete(folder, asked, work)


def main() -> None:
    """`python -m macsql.training.trial FOLDER`: exit 0 when finished, 1 when failed, 3 when stopped on request."""
    folder = Path(sys.argv[1])

    def work(stop: StopRequest) -> Result:
        about = json.loads((folder / "trial.json").read_text(encoding="utf-8"))
        prepared = Prepared(Path(about["prepared"])) if "prepared" in about else None
        config = from_yaml((folder / "config.yaml").read_text(encoding="utf-8"))
        return run(config, folder, prepared, stop, lambda step, epoch, metrics: None)  # noqa: ARG005

    sys.exit(serve(folder, work))


if __name__ == "__main__":
    main()
