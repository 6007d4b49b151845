"""How a trial's end is written down: in its folder, in the study and in MLflow, in this order."""

import dataclasses
import json
import math
import os
import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from macsql.config import Config, flatten
from macsql.coordination.progress import Ended, Running
from macsql.coordination.publisher import Publisher
from macsql.errors import UserError
from macsql.revision import revision
from macsql.search.plan import PlannedTrial
from macsql.search.sizes import sizes
from macsql.search.study import Study
from macsql.tracking.registry import ALIAS, register
from macsql.trials.folder import ABOUT, CHECKPOINTS
from macsql.trials.result import Cause, Result, read_result, write_result


class Finalizer:
    """Closes trials, and remembers those that are closed. Every step may be repeated after a kill."""

    def __init__(
        self,
        study: Study,
        publisher: Publisher,
        tags: Callable[[PlannedTrial], dict[str, str]],
        objectives: Sequence[str],
    ) -> None:
        self.study, self.publisher, self.tags, self.objectives = study, publisher, tags, objectives
        self.closed: dict[int, Ended] = {}  # by place in the plan
        self._told: dict[int, tuple[Mapping[str, Any], Mapping[str, str]]] = {}  # index -> parameters, tags

    @property
    def ended(self) -> list[Ended]:
        """What has been closed, by place in the plan."""
        return [self.closed[index] for index in sorted(self.closed)]

    def known(self, trial: PlannedTrial, values: Sequence[float]) -> None:
        """A trial that the study knows to be complete, with these objectives."""
        told = dict(zip(self.objectives, values, strict=False))
        self._record(trial, read_result(trial.folder) or Result("FINISHED", told), fresh=False)

    def finished(self, trial: PlannedTrial, result: Result, fresh: bool) -> None:
        """A trial that has done its work; a failed one all the same where an objective is missing or no number."""
        missing = [name for name in self.objectives if name not in result.metrics]
        odd = [name for name in self.objectives if not math.isfinite(result.metrics.get(name, 0.0))]
        if missing:
            self.failed(trial, result, f"sweep.metric {', '.join(missing)} was not measured by it", fresh)
        elif odd:
            self.failed(trial, result, f"diverged: {', '.join(odd)} is not a number", fresh, "diverged")
        else:
            shutil.rmtree(trial.folder / CHECKPOINTS, ignore_errors=True)  # where its process died before
            self.study.finish(trial.index, [result.metrics[name] for name in self.objectives])
            self._record(trial, result, fresh)

    def failed(self, trial: PlannedTrial, result: Result, reason: str, fresh: bool, cause: Cause = "") -> None:
        """A trial that is not tried again in this call."""
        result = dataclasses.replace(result, status="FAILED", reason=reason, cause=cause or result.cause)
        with suppress(OSError):  # a full disk, for one: the study knows of it all the same
            write_result(trial.folder, result)
        self.study.finish(trial.index, None)
        self._record(trial, result, fresh)

    def pruned(self, running: Running, fresh: bool) -> None:
        """A trial that the pruner has stopped, and that has come to its end."""
        folder, objective = running.trial.folder, self.objectives[0]
        result = read_result(folder)
        if result is None or not result.pruned:
            value = running.latest.get(objective)
            reason = f"pruned: others had a better {objective} by then" + (
                "" if value is None else f" than {value:.4g}"
            )
            result = Result("KILLED", running.latest, reason, running.step, cause="pruned")
            folder.mkdir(parents=True, exist_ok=True)
            write_result(folder, result)
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
        self._record(running.trial, result, fresh)

    def publish(self, trial: PlannedTrial, status: str) -> None:
        """Tell MLflow's side how a trial stands."""
        if not (trial.folder / ABOUT).exists():
            return  # killed between its proposal and its folder, or the folder has been taken away
        if trial.index not in self._told:
            tags = {
                **self.tags(trial),
                "macsql.index": str(trial.index),
                "macsql.label": trial.label,
                "macsql.repeat": str(trial.repeat),
                "macsql.setting": json.dumps(trial.setting),
            }
            self._told[trial.index] = parameters(trial), tags
        self.publisher.tell(trial.folder, status, *self._told[trial.index])

    def _record(self, trial: PlannedTrial, result: Result, fresh: bool) -> None:
        self.closed[trial.index] = Ended(trial, result, fresh)
        self.publish(trial, result.status)


def parameters(trial: PlannedTrial) -> dict[str, Any]:
    """The resolved configuration for MLflow's parameters, with the rate that the Trainer really gets."""
    config = trial.config
    rate = config.trainer.learning_rate * config.scale.learning_rate_factor
    return {**flatten(config), "effective_learning_rate": rate}


def provenance(config: Config, fingerprint: str) -> dict[str, str]:
    """Tags of a run: what a figure must never be read without. `fingerprint`: of its data."""
    return {
        "macsql.data": config.data.format,
        "macsql.data_fingerprint": fingerprint,
        "macsql.model": config.model.name,
        "macsql.parameters": str(sizes(config.model)),
        "macsql.scale": config.scale.name,
        "macsql.code": revision(),
        "macsql.machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "macsql.time_limit": str(config.metrics.time_limit),
    }


def registered(trial: PlannedTrial, name: str) -> str:
    """Register a trial's model under tracking.registered_model, else `name`; returns one sentence, whatever came of it.

    What was trained is not lost where MLflow does not take the model: the same command tries again.
    """
    tracking = trial.config.tracking
    name = tracking.registered_model or name
    try:
        version, new = register(trial.folder, name, tracking.uri, Path(tracking.state_dir))
    except UserError as error:
        return f"The model was not registered. {error}"
    said = f"as version {version}" if new else f"as version {version} already"
    return f"The model of {trial.key} is registered {said}: models:/{name}@{ALIAS}"
