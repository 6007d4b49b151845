"""`python -m macsql.sweep +experiment=lr_bs [key=value ...]`: a sweep; run again, it resumes.

`key=1,2` and `key=choice(1,2)` on the command line are axes of its search space, as in Hydra's own sweeps.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from macsql.app import command
from macsql.config import Config
from macsql.counts import counted
from macsql.errors import UserError, with_type
from macsql.system.streams import guarded, say
from macsql.trials.folder import LOG

if TYPE_CHECKING:
    from macsql.coordination.preflight import Preflight
    from macsql.coordination.progress import Ended
    from macsql.search.study import Study
    from macsql.tracking.sweep_record import SweepRecord


LOG_TAIL = 12  # lines of a failed trial's log worth showing
PATIENCE = 60.0  # seconds without an answer after which MLflow's copy is left to the next call
REPORTED = ".reported"  # beside a report: the manifests of what it was drawn from and of its files
HURRIED = 10.0  # the same once somebody has pressed Ctrl-C twice, or something has broken


def main() -> None:
    """The command line: sweep expressions become axes, then Hydra composes."""
    if code := guarded(_take_axes):
        sys.exit(code)
    sweep()


def _take_axes() -> None:
    from macsql.search.space import axes_as_overrides

    if {"-m", "--multirun"} & set(sys.argv[1:]):
        raise UserError("macsql.sweep runs all trials itself: leave out -m / --multirun.")
    sys.argv[1:] = axes_as_overrides(sys.argv[1:])


@command
def sweep(config: Config) -> int:
    """Plan, check, run what is missing, compare. Exit code 0 when every trial has finished, 2 when one failed."""
    from hydra.core.hydra_config import HydraConfig

    from macsql.coordination.lock import StudyLock
    from macsql.coordination.preflight import Preflight
    from macsql.search.plan import Planner
    from macsql.search.study import exists

    preflight = Preflight(config, Planner(config, list(HydraConfig.get().overrides.task)), say)
    preflight.check()
    if config.sweep.dry_run:
        if exists(config.sweep.name, storage_of(config)):
            open_study(preflight)  # refuses what the sweep itself would refuse
        look_ahead(preflight)
        return 0
    with StudyLock(Path(config.tracking.state_dir), config.sweep.name, config.tracking.storage) as lock:
        study = open_study(preflight)
        if study.complete:
            say(f"Sweep {config.sweep.name}: all {study.size} trials are done, nothing is left to run.")
        else:
            preflight.executor.prepare()
            look_ahead(preflight)
        recorded = study.complete and not config.tracking.register and config.tracking.uri is None
        recorded = recorded and in_mlflow_still(config)
        code = 0 if recorded else run(preflight, study, lock.renew)  # nothing left to run: MLflow gets what is missing
    if code != 130:
        show(config)
    return code


def show(config: Config) -> None:
    """Print the comparison, and draw its report anew unless nothing that it is drawn from has changed."""
    from macsql import compare
    from macsql.system.manifest import manifest, remember, unchanged

    name, state = config.sweep.name, Path(config.tracking.state_dir)
    folder = compare.beside(name, state)
    read = manifest(read_by_report(config))  # before it is read: another process may go on with the sweep
    comparison = compare.show(name, state)
    if comparison.settings and unchanged(folder / REPORTED, read, manifest(drawn_in(folder))):
        say(f"Unchanged: {folder / 'report.html'}")
    elif comparison.settings:
        compare.write(comparison, folder)
        remember(folder / REPORTED, read, manifest(drawn_in(folder)))


def in_mlflow_still(config: Config) -> bool:
    """Whether MLflow's own database and files and a sweep's trials are as they were when they agreed."""
    from macsql.system.manifest import manifest, unchanged

    mark, compared = in_mlflow(config)
    return unchanged(mark, manifest(compared))


def in_mlflow(config: Config) -> tuple[Path, list[Path]]:
    """A mark, and what it stands for: MLflow's own database and files, and a sweep's trials."""
    state, name = Path(config.tracking.state_dir), config.sweep.name
    folders = sorted((state / "trials").glob(f"{name}-*"))
    return state / "experiments" / name / ".recorded", [state / "mlflow.db", state / "artifacts", *folders]


def read_by_report(config: Config) -> list[Path]:
    """All that a report is drawn from."""
    from macsql.places import EXPERIMENTS

    state = Path(config.tracking.state_dir)
    trials = sorted((state / "trials").glob(f"{config.sweep.name}-*"))
    return [state / "data", *trials, *sorted(EXPERIMENTS.rglob("*.json"))]


def drawn_in(folder: Path) -> list[Path]:
    """The files of a report in its folder."""
    return [*sorted(folder.glob("*.csv")), folder / "report.html"]


def look_ahead(preflight: "Preflight") -> None:
    """Say what will happen and what is asked for in vain. Raises UserError for what the trials would refuse."""
    preflight.bind_arguments()
    preflight.announce()
    for warning in preflight.warnings():
        say(f"Warning: {warning}")
    preflight.rehearse()


def storage_of(config: Config) -> str:
    """Where Optuna keeps the study."""
    from macsql.system.addresses import sqlite_url

    return config.tracking.storage or sqlite_url(Path(config.tracking.state_dir) / "optuna.db")


def open_study(preflight: "Preflight") -> "Study":
    """The study of this sweep. Raises UserError, naming the differences, where its trials were begun otherwise."""
    from macsql.search.plan import begun_otherwise
    from macsql.search.study import Study
    from macsql.system.file_lock import first_touch

    config = preflight.config
    state = Path(config.tracking.state_dir)
    state.mkdir(parents=True, exist_ok=True)
    storage = storage_of(config)
    directions, repeats = config.sweep.direction, config.sweep.repeats
    with first_touch(state):
        study = Study(config.sweep.name, storage, config.search, preflight.space, directions, repeats)
    before = study.identity
    if study.entries() and before is not None:
        refusal = begun_otherwise(config.sweep.name, before, preflight.identity)
        if refusal is not None:
            raise refusal
    return study


def run(preflight: "Preflight", study: "Study", renew: Callable[[], bool]) -> int:
    """Run what is missing of the study, with MLflow kept up to date beside it. Returns the exit code.

    `renew` makes sure of the study's lock after an outage of its database (StudyLock.renew).
    """
    from macsql.coordination.coordinator import Coordinator
    from macsql.coordination.display import Display
    from macsql.coordination.finalize import registered
    from macsql.coordination.interrupts import Interrupts
    from macsql.coordination.publisher import Publisher
    from macsql.search.outage import Outage, StudyAway
    from macsql.system.manifest import manifest, remember
    from macsql.tracking.sweep_record import SweepRecord

    config = preflight.config
    study.begin(preflight.identity)  # it holds from the first trial on; until then a mistake may be undone
    record = SweepRecord(config.tracking.uri, Path(config.tracking.state_dir), config.sweep.name, describe(preflight))
    with Interrupts() as interrupts:
        study.outage = Outage(renew, lambda: interrupts.count > 0, say)
        try:
            record.connect()
        except UserError as error:
            if not study.entries():
                raise  # a wrong address must not be found out after hours
            say(f"{error} The trials go on and the missing records are sent later.")
        publisher = Publisher(record)
        ended: list[Ended] = []
        code = 1
        try:
            with Display({} if study.complete else preflight.cost.steps, config.sweep.objectives[0]) as display:
                coordinator = Coordinator(
                    study,
                    preflight.planner,
                    lambda: preflight.executor,
                    publisher,
                    lambda trial: preflight.prepared(trial.config).folder,
                    lambda trial: {**about(preflight, trial.config), "macsql.sweep": config.sweep.name},
                    display,
                    interrupts,
                )
                ended = coordinator.run()
            code = report(ended, study.size, interrupts.count > 0)
        except StudyAway as error:
            say(str(error))
            code = 130
        finally:
            code = 130 if code == 1 and interrupts.count else code
            pressed = interrupts.count
            patience = HURRIED if code == 1 or pressed > 1 else PATIENCE
            left = publisher.close(patience, hurry=lambda: interrupts.count > pressed)
            if left:
                say(
                    f"MLflow did not get all records of {len(left)} trials ({publisher.problem or 'no time left'}): "
                    "run the same command again to send the rest."
                )
            arrived = end(record, code, ended, config, whole=not left)
            if config.tracking.register and code in (0, 2) and (best := best_trial(ended, config)) is not None:
                say(registered(best.trial, config.sweep.name))
    if arrived and code == 0:
        mark, compared = in_mlflow(config)
        remember(mark, manifest(compared))
    return code


def end(record: "SweepRecord", code: int, ended: "list[Ended]", config: Config, whole: bool) -> bool:
    """Set the sweep's own run in MLflow to how the call ended; `whole`: MLflow has taken every trial.

    Returns whether MLflow has everything now, files included.
    """
    status = {0: "FINISHED", 130: "KILLED"}.get(code, "FAILED")
    tags = {"macsql.trials_finished": str(sum(item.result.status == "FINISHED" for item in ended))}
    if best := best_trial(ended, config):
        tags |= {"macsql.best_trial": best.trial.key, "macsql.best_setting": best.trial.label}
    try:
        left_out = record.end(status, tags, whole)
    except Exception as error:  # the trials' folders hold everything; the parent is set right by the next call
        say(f"MLflow did not record the end of the sweep ({with_type(error)}).")
        return False
    for sentence in left_out:
        say(sentence)
    return whole and not left_out


def describe(preflight: "Preflight") -> dict[str, str]:
    """Tags of the sweep's own run: those of its trials, every value of a tag in which they differ."""
    values: dict[str, dict[str, None]] = {}
    for trial in preflight.trials:
        for name, value in about(preflight, trial.config).items():
            values.setdefault(name, {})[value] = None
    return {name: ", ".join(found) for name, found in values.items()}


def about(preflight: "Preflight", config: Config) -> dict[str, str]:
    """Tags of a trial's run."""
    from macsql.coordination.finalize import provenance

    return provenance(config, preflight.prepared(config).fingerprint)


def report(ended: "list[Ended]", size: int, interrupted: bool) -> int:
    """Say how the sweep went; returns the exit code."""
    failed = [item for item in ended if item.result.status == "FAILED"]
    for item in failed:
        say(f"Failed: {item.trial.label}: {item.result.reason} (its log: {item.trial.folder / LOG})")
        for line in log_tail(item.trial.folder, LOG_TAIL):
            say(f"    {line}")
    if interrupted and len(ended) < size:
        say(
            f"Stopped on request with {len(ended)} of {counted(size, 'trial')} done. "
            "Those that were running keep their last checkpoints: the same command goes on from here."
        )
        return 130
    return 2 if failed else 0


def log_tail(folder: Path, lines: int) -> list[str]:
    """The last lines of what a trial printed."""
    try:
        return (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
    except OSError:
        return []


def best_trial(ended: "list[Ended]", config: Config) -> "Ended | None":
    """The first seed of the setting with the best first objective on average, as the comparison has it."""
    from macsql.search.best import best_on_average

    metric = config.sweep.objectives[0]
    told = [
        (json.dumps(item.trial.setting, sort_keys=True), item)
        for item in ended
        if item.result.status == "FINISHED" and metric in item.result.metrics
    ]
    best = best_on_average(((setting, item.result.metrics[metric]) for setting, item in told), config.sweep.sign())
    seeds = [item for setting, item in told if setting == best]
    return min(seeds, key=lambda item: item.trial.repeat, default=None)


if __name__ == "__main__":
    main()
