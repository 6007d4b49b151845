"""`python -m macsql.sweep +experiment=lr_bs [+scale=pocket] [key=value ...]`: a sweep; run again, it resumes."""

from pathlib import Path
from typing import TYPE_CHECKING

from macsql.app import command
from macsql.config import Config
from macsql.errors import UserError

if TYPE_CHECKING:
    from macsql.search.coordinator import Ended
    from macsql.search.preflight import Preflight
    from macsql.search.study import Study


@command
def main(config: Config) -> int:
    """Plan, check, run what is missing, compare. Exit code 0 when every trial has finished, 2 when one failed."""
    from hydra.core.hydra_config import HydraConfig

    from macsql import compare
    from macsql.search.lock import StudyLock
    from macsql.search.plan import Planner
    from macsql.search.preflight import Preflight

    preflight = Preflight(config, Planner(config, list(HydraConfig.get().overrides.task)), say)
    preflight.check()
    if config.sweep.dry_run:
        preflight.announce()
        return 0
    with StudyLock(Path(config.tracking.state_dir), config.sweep.name):
        study = open_study(preflight)
        if (
            all(entry.state in {"COMPLETE", "PRUNED"} for entry in study.entries())
            and len(study.entries()) >= study.size
        ):
            say(f"Sweep {config.sweep.name}: all {study.size} trials are done, nothing is left to run.")
            code = 0
        else:
            preflight.announce()
            preflight.bind_arguments()
            for warning in preflight.warnings():
                say(f"Warning: {warning}")
            code = run(preflight, study)
    if code != 130:
        compare.show(config.sweep.name, Path(config.tracking.state_dir))
    return code


def open_study(preflight: "Preflight") -> "Study":
    """The study of this sweep. Raises UserError, naming the differences, where it was begun with something else."""
    from macsql.search.plan import differences, sweep_identity
    from macsql.search.study import Study

    config = preflight.config
    state = Path(config.tracking.state_dir)
    state.mkdir(parents=True, exist_ok=True)
    storage = config.tracking.storage or f"sqlite:///{(state / 'optuna.db').resolve()}"
    directions, repeats = config.sweep.direction, config.sweep.repeats
    study = Study(config.sweep.name, storage, config.search, preflight.space, directions, repeats)
    now = sweep_identity(config, preflight.space, preflight.fingerprints)
    before = study.identity
    if before is None:
        study.set_identity(now)
    elif changed := differences(before, now):
        shown = "; ".join(changed[:5]) + (f"; and {len(changed) - 5} more" if len(changed) > 5 else "")
        raise UserError(
            f"The sweep {config.sweep.name!r} was begun with another configuration ({shown}): "
            "undo the change, or give the new sweep its own name with sweep.name=NAME."
        )
    return study


def run(preflight: "Preflight", study: "Study") -> int:
    """Run what is missing of the study, with MLflow kept up to date beside it."""
    from macsql.search.coordinator import Coordinator
    from macsql.search.display import Display
    from macsql.search.publisher import Publisher
    from macsql.tracking import Tracker

    config = preflight.config
    state = Path(config.tracking.state_dir)
    tags = describe(preflight)
    tracker = Tracker(config.tracking.uri, state, config.sweep.name)
    parent = tracker.parent(config.sweep.name, tags)
    publisher = Publisher(tracker, parent)
    with Display(preflight.cost.steps, config.sweep.metric[0]) as display:
        coordinator = Coordinator(
            study,
            preflight.planner,
            preflight.executor,
            publisher,
            lambda trial: preflight.prepared(trial.config).folder,
            {**tags, "macsql.sweep": config.sweep.name},
            display,
        )
        ended = coordinator.run()
    late = publisher.close(timeout=60.0)
    if late:
        say(
            f"MLflow did not take {len(late)} trials whole ({publisher.problem}): "
            "run the same command again to send the rest."
        )
    code = report(ended, study.size, coordinator.interrupts > 0)
    best = best_trial(ended, config)
    try:
        status = {0: "FINISHED", 2: "FAILED", 130: "KILLED"}[code]
        summary = {"trials_finished": float(sum(item.result.status == "FINISHED" for item in ended))}
        about = {"macsql.best_trial": best.trial.key, "macsql.best_point": best.trial.label} if best else {}
        tracker.end_parent(parent, status, summary, tags=about)
    except Exception as error:  # the trials' folders hold everything; the parent is set right by the next call
        say(f"MLflow did not take the end of the sweep ({type(error).__name__}).")
    return code


def describe(preflight: "Preflight") -> dict[str, str]:
    """Tags that every run of the sweep carries: what a figure must never be read without."""
    import os
    import platform

    config = preflight.config
    first = preflight.trials[0].config
    return {
        "macsql.data": config.data.format,
        "macsql.data_fingerprint": preflight.prepared(first).fingerprint,
        "macsql.model": config.model.name,
        "macsql.scale": config.scale.name,
        "macsql.machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "macsql.time_limit": str(config.metrics.time_limit),
    }


def report(ended: "list[Ended]", size: int, interrupted: bool) -> int:
    """Say how the sweep went; returns the exit code."""
    failed = [item for item in ended if item.result.status == "FAILED"]
    for item in failed:
        say(f"Failed: {item.trial.label}: {item.result.reason} (its log: {item.trial.folder / 'log.txt'})")
    if interrupted:
        say(f"Stopped on request with {len(ended)} of {size} trials done: the same command goes on from here.")
        return 130
    return 2 if failed else 0


def best_trial(ended: "list[Ended]", config: Config) -> "Ended | None":
    """The finished trial with the best first objective."""
    metric, sign = config.sweep.metric[0], 1 if config.sweep.direction[0] == "minimize" else -1
    finished = [item for item in ended if item.result.status == "FINISHED"]
    return min(finished, key=lambda item: sign * item.result.metrics[metric], default=None)


def say(line: str) -> None:
    """One line of a sweep's plan or report."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
