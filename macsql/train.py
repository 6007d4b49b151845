"""`python -m macsql.train [key=value ...]`: one fine-tune, the unit that a sweep repeats.

`python -m macsql.train FOLDER` runs the trial in a folder that has a config.yaml: what executors start. Either command,
given again, goes on from the last checkpoint, or shows the result.
"""

import dataclasses
import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from macsql.app import command
from macsql.config import AUTO, Config, from_yaml, to_yaml
from macsql.errors import with_type
from macsql.factory.prepared import Prepared, prepare
from macsql.system.files import write_whole
from macsql.system.streams import say
from macsql.training import stages
from macsql.training.stages import Tell
from macsql.trials.folder import ABOUT, CONFIG
from macsql.trials.process import complete, serve
from macsql.trials.result import Result, read_result
from macsql.trials.stopping import Interrupted, StopRequest

if TYPE_CHECKING:
    from macsql.search.plan import PlannedTrial


def fine_tune(config: Config, folder: Path, prepared: Prepared | None, stop: StopRequest, tell: Tell) -> Result:
    """A configuration to a result, everything left in `folder`: one fine-tune from the first stage to the last.

    `prepared` are the examples where somebody has made them already; `tell` hears of each event after the file has it.
    Raises Interrupted when stopped, and whatever goes wrong.
    """
    from macsql.models.families import text_of

    stages.begin(config)
    clock = stages.Clock()

    data = stages.read(config, prepared or prepare(config))
    clock.lap("prepare")
    text = text_of(config, data.train)
    clock.lap("load")
    trained, taken = stages.train(config, folder, data, text, stop, tell)
    clock.lap("train")
    stop.check()
    answers = stages.answer(config, folder, data, stop)
    clock.lap("generate")
    metrics = stages.score(config, folder, answers, data.databases)
    clock.lap("score")
    return stages.result(config, trained, taken, metrics, clock)


def run_folder(
    folder: Path,
    prepared: Prepared | None = None,
    stop: StopRequest | None = None,
    tell: Tell = lambda step, epoch, metrics: None,  # noqa: ARG005
) -> Result:
    """Run the trial in `folder` and leave its result there, however it ends. Raises Interrupted alone."""
    asked = stop or StopRequest()
    return complete(folder, asked, lambda: fine_tune(asked_in(folder), folder, prepared, asked, tell))


def asked_in(folder: Path) -> Config:
    """The configuration of the trial in a folder."""
    return from_yaml((folder / CONFIG).read_text(encoding="utf-8"))


def main() -> None:
    """The command line: a trial's folder, or key=value."""
    if len(sys.argv) == 2 and (folder := Path(sys.argv[1])).is_dir():
        if not (folder / CONFIG).is_file():
            print(f"{folder} holds no {CONFIG}: name a trial's folder, or write key=value.", file=sys.stderr)
            sys.exit(1)
        sys.exit(run_process(folder))
    train()


def run_process(folder: Path) -> int:
    """A trial as a process of its own: exit code 0 when finished, 1 when failed, 3 when stopped on request."""

    def work(stop: StopRequest) -> Result:
        told = folder / ABOUT  # of a sweep
        about = json.loads(told.read_text(encoding="utf-8")) if told.exists() else {}
        prepared = Prepared(Path(about["prepared"])) if "prepared" in about else None
        return fine_tune(asked_in(folder), folder, prepared, stop, lambda step, epoch, metrics: None)  # noqa: ARG005

    return serve(folder, work)


@command
def train(config: Config) -> int:
    """Check, prepare, fine-tune, record, show; run again, it goes on from where it was or shows its result."""
    from macsql.models import families
    from macsql.tracking.addresses import check_uri
    from macsql.tracking.registry import check_register
    from macsql.training.check import check, examined, notes, uses

    check(config)  # before what is slow to import
    check_uri(config.tracking.uri)
    check_register(config)
    from macsql.training.arguments import bind

    families.check(config.model)
    bind(config)
    prepared = prepare(config)
    for line in prepared.left_out:
        say(f"Left out: {line}")
    for line in uses(config):
        say(line)
    for warning in [*notes(config), *examined(config, prepared)]:
        say(f"Warning: {warning}")
    return carry_out(config, prepared)


def carry_out(config: Config, prepared: Prepared) -> int:
    """Fine-tune on examples that are there, record and show it; returns the exit code."""
    from macsql.search.footprint import check_room

    config = with_threads(config, prepared)
    trial = planned(config, prepared.fingerprint)
    before = read_result(trial.folder)
    record = recorder(trial, prepared.fingerprint, before)
    if before is not None and before.status == "FINISHED":
        say("This fine-tune is done already.")
        result = before
    else:
        for line in check_room(config, prepared.examples("train")):
            say(line)
        record("RUNNING")
        try:
            result = run_folder(trial.folder, prepared, StopRequest().listen(), tell=_show)
        except Interrupted:
            record("KILLED")
            say("Stopped on request: the same command goes on from the last checkpoint.")
            return 130
    record(result.status)
    if result.metrics:
        say("Metrics under their keys in MLflow and results.csv (shares from 0 to 1; eval/: of eval questions):")
    for line in lines(result.metrics):
        say(line)
    say(": ".join(part for part in (result.status.lower(), result.reason) if part))
    say(f"Everything is in {trial.folder}")
    if config.tracking.register and result.status == "FINISHED":
        from macsql.coordination.finalize import registered

        say(registered(trial, trial.key))
    return 0 if result.status == "FINISHED" else 2


def with_threads(config: Config, prepared: Prepared) -> Config:
    """The configuration with a number in the place of executor.threads=auto, which is said."""
    if config.executor.threads != AUTO:
        return config
    from macsql.executors.threads import settled

    alone = dataclasses.replace(config, executor=dataclasses.replace(config.executor, workers=None))
    executor, said = settled(alone, prepared, 1, say)
    say(said)
    return dataclasses.replace(config, executor=executor)


def planned(config: Config, fingerprint: str) -> "PlannedTrial":
    """The fine-tune of a configuration on data of this fingerprint, its folder in place: other data, another folder."""
    from macsql.search.plan import PlannedTrial, identity

    asked = {**identity(config), "data fingerprint": fingerprint}
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:8]
    folder = Path(config.tracking.state_dir) / "trials" / f"train-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / CONFIG, to_yaml(config))
    return PlannedTrial(0, {}, 0, config, folder)


def recorder(trial: "PlannedTrial", fingerprint: str, before: Result | None) -> Callable[[str], None]:
    """Tells MLflow of a status. One that has finished `before` keeps the code and the machine that it was told of."""
    from macsql.coordination.finalize import parameters, provenance
    from macsql.tracking.tracker import Tracker

    config = trial.config
    tags = {"macsql.sweep": "train", "macsql.label": trial.key, "macsql.index": "0", **provenance(config, fingerprint)}
    if before is not None and before.status == "FINISHED":
        tags = {name: value for name, value in tags.items() if name not in {"macsql.code", "macsql.machine"}}
    tracker = Tracker(config.tracking.uri, Path(config.tracking.state_dir), "train")

    def record(status: str) -> None:
        """A fine-tune does not die of MLflow's silence."""
        try:
            tracker.sync(trial.folder, None, parameters(trial), tags, status)
        except Exception as error:
            say(f"MLflow does not answer ({with_type(error)}): the same command sends it what is missing.")

    return record


def lines(metrics: Mapping[str, float]) -> list[str]:
    """Metrics for a terminal: the losses, then agent by agent; the outcomes that did not occur are counted only."""
    groups: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        part = "eval/" if name.startswith("eval/") else ""  # an agent's answers to the eval questions
        agent, _, metric = name.removeprefix(part).partition("/")
        groups.setdefault(part + agent if metric else "", {})[metric or agent] = value
    told = []
    for group, values in groups.items():
        if group:
            told.append(f"  {group}: {values.pop('count', 0):.0f} answers")
        absent = [name for name, value in values.items() if name.startswith("outcome/") and not value]
        indent = "    " if group else "  "
        told += [f"{indent + name:44} {value:.4f}" for name, value in values.items() if name not in absent]
        if absent:
            told.append(f"{indent}outcomes that did not occur: {len(absent)}")
    return told


def _show(step: int, epoch: float, metrics: dict[str, float]) -> None:
    """A line for each evaluation, and for every fiftieth step."""
    if "eval_loss" in metrics or (step and step % 50 == 0):
        say(f"  step {step}, epoch {epoch:.2f}: " + ", ".join(f"{name} {value:.4g}" for name, value in metrics.items()))


if __name__ == "__main__":
    main()
