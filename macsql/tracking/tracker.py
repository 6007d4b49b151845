"""A trial's folder drawn into MLflow.

The folder is the truth; MLflow is a picture of it that can be drawn again. `Tracker.sync` compares the two and adds
what is missing: the run, its parameters, the events behind the last one that arrived, the files and the status. So a
server that was down, or a process that was killed, costs nothing but time.
"""

import dataclasses
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from macsql.errors import UserError, first_line
from macsql.system.addresses import sqlite_url
from macsql.system.file_lock import first_touch
from macsql.tracking.addresses import code_tags, folder_of, origin, quiet
from macsql.trials.events import read_events
from macsql.trials.folder import (
    CONFIG,
    EVAL_PREDICTIONS,
    EVAL_VERDICTS,
    EVENTS,
    LOG,
    PREDICTIONS,
    RESULT,
    VERDICTS,
)
from macsql.trials.ledger import Ledger
from macsql.trials.result import Result, read_result, stamp

BATCH = 900  # metrics per call; MLflow takes at most 1,000 of everything together
PARAMS_A_BATCH = 100  # MLflow's own limit
PAGE = 1000  # runs per search; MLflow takes at most 50,000
ANSWERS = (PREDICTIONS, VERDICTS, EVAL_PREDICTIONS, EVAL_VERDICTS)
FILES = (CONFIG, *ANSWERS, RESULT, LOG)


@dataclass(frozen=True)
class Run:
    """One MLflow run as it was read back."""

    run_id: str
    name: str
    status: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


class Tracker:
    """Draws trial folders into MLflow, below one parent run per sweep."""

    def __init__(self, uri: str | None, state_dir: Path, experiment: str) -> None:
        """Connect, creating database and experiment where they are missing. `uri` None: SQLite under `state_dir`.

        Raises UserError where a given server cannot be reached.
        """
        quiet()
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        self.uri = uri or sqlite_url(state_dir / "mlflow.db")
        self._runs: dict[str, Run] | None = None  # trial -> its run as it was when this process first looked
        self._compared: set[Path] = set()
        self.kept_back: set[Path] = set()  # trials whose files could not be put where this MLflow keeps files
        local = uri is None
        state_dir.mkdir(parents=True, exist_ok=True)
        try:
            with first_touch(state_dir):
                self.origin = None if local else origin(state_dir)
                self.client = MlflowClient(self.uri)
                found = self.client.get_experiment_by_name(experiment)
                # Artifacts would follow the current directory unless their place is absolute.
                place = (state_dir / "artifacts").resolve().as_uri() if local else None
                self.experiment_id = (
                    found.experiment_id if found else self.client.create_experiment(experiment, artifact_location=place)
                )
                self._files = folder_of(found.artifact_location if found else place) if local else None
        except MlflowException as error:
            raise UserError(f"tracking.uri={self.uri}: MLflow cannot be used there ({first_line(error)}).") from error
        if found and found.lifecycle_stage == "deleted":
            raise UserError(
                f"The MLflow experiment {experiment!r} has been deleted: restore it "
                f"(mlflow experiments restore --experiment-id {self.experiment_id}), or set sweep.name=NAME."
            )

    def parent(self, key: str, tags: Mapping[str, str]) -> str:
        """The id of the run that holds a sweep's trials together; made where it is missing, set running.

        Raises UserError where MLflow does not answer.
        """
        from mlflow.exceptions import MlflowException

        try:
            return self._parent(key, tags)
        except MlflowException as error:
            raise UserError(f"tracking.uri={self.uri}: MLflow cannot be used there ({first_line(error)}).") from error

    def _parent(self, key: str, tags: Mapping[str, str]) -> str:
        found = self._search(f"tags.`macsql.sweep` = '{key}' and tags.`macsql.role` = 'sweep'", 1)
        if found:
            run_id = found[0].run_id
            self.client.update_run(run_id, status="RUNNING")
            return run_id
        own = {"macsql.sweep": key, "macsql.role": "sweep", **code_tags(), **self._own(), **tags}
        return self.client.create_run(self.experiment_id, run_name=key, tags=own).info.run_id

    def end_parent(self, run_id: str, status: str, tags: Mapping[str, str] = {}, whole: bool = True) -> None:
        """Set a sweep's status and its summary.

        Where `whole`, every trial of this call has arrived: what still looks alive is of a study that is gone.
        """
        for run in list(self._known().values()):
            if whole and run.status == "RUNNING":
                self.client.set_terminated(run.run_id, "KILLED")
        for name, value in tags.items():
            self.client.set_tag(run_id, name, value)
        self.client.set_terminated(run_id, status)

    def sync(
        self, folder: Path, parent: str | None, params: Mapping[str, Any], tags: Mapping[str, str], status: str
    ) -> None:
        """Make MLflow agree with a trial's folder.

        `status` is RUNNING, FINISHED, FAILED or KILLED; with all but RUNNING the files are logged too and the run ends.
        Safe to repeat, after a kill in the middle as well. Raises what MLflow raises where it cannot be reached.
        """
        ledger, run = Ledger.read(folder), self._known().get(folder.name)
        if run is None or ledger.run_id != run.run_id:  # nothing there yet, or a kill came before it was written down
            ledger = Ledger(run_id=self._begin(folder, run, parent, params, tags))
            ledger.write(folder)
            run = self._known()[folder.name]
        # The same status may come with another end: stopped before, pruned now.
        settled = status == ledger.status == run.status and (
            status == "RUNNING" or (ledger.result == stamp(folder) and self._has_files(folder, run.run_id))
        )
        if settled and ledger.events == _size(folder / EVENTS):
            return
        try:
            if folder not in self._compared:  # a kill may have come between shipping and writing the ledger
                ledger.seen = self._arrived(ledger.run_id or "")
                self._compared.add(folder)
            self._ship(folder, ledger)
            if not settled:
                self._set_status(folder, ledger, status)
        except Exception:
            self._compared.discard(folder)  # who knows what of it arrived
            raise

    def runs(self, key: str) -> list[Run]:
        """The trials of a sweep, by their place in the plan."""
        runs = self._search(f"tags.`macsql.sweep` = '{key}' and tags.`macsql.role` = 'trial'")
        return sorted(runs, key=lambda run: int(run.tags.get("macsql.index", "0")))

    def _known(self) -> dict[str, Run]:
        """Trial -> run for all that are there, asked for once: whoever else writes to them does so at his own risk."""
        if self._runs is None:
            self._runs = {run.tags["macsql.trial"]: run for run in self._search("tags.`macsql.role` = 'trial'")}
        return self._runs

    def _own(self) -> dict[str, str]:
        """The tag that tells runs of this state directory from those of others on the same server."""
        return {"macsql.origin": self.origin} if self.origin else {}

    def _search(self, condition: str, limit: int | None = None) -> list[Run]:
        if self.origin:
            condition = f"{condition} and tags.`macsql.origin` = '{self.origin}'"
        runs: list[Run] = []
        token: str | None = None
        while True:
            page = self.client.search_runs(
                [self.experiment_id], condition, max_results=min(limit or PAGE, PAGE), page_token=token
            )
            runs += [
                Run(r.info.run_id, r.info.run_name, r.info.status, r.data.params, r.data.metrics, r.data.tags)
                for r in page
            ]
            token = page.token
            if not token or (limit is not None and len(runs) >= limit):
                return runs

    def _begin(
        self, folder: Path, run: Run | None, parent: str | None, params: Mapping[str, Any], tags: Mapping[str, str]
    ) -> str:
        """The run of a trial with its parameters; taken over where a kill left one half made."""
        from mlflow.entities import Param

        name = tags.get("macsql.label", folder.name)
        if run is None:
            own = {"macsql.trial": folder.name, "macsql.role": "trial", **code_tags(), **self._own(), **tags}
            if parent is not None:
                own["mlflow.parentRunId"] = parent
            try:
                run_id = self.client.create_run(self.experiment_id, run_name=name, tags=own).info.run_id
            except Exception:
                self._runs = None  # it may be there all the same, its answer lost: the next attempt looks again
                raise
            there: Mapping[str, str] = {}
        else:
            run_id, there = run.run_id, run.params
        self._known()[folder.name] = Run(run_id, name, run.status if run else "RUNNING", there, {}, tags)
        entries = [Param(key, str(value)) for key, value in params.items() if key not in there]
        for start in range(0, len(entries), PARAMS_A_BATCH):
            self.client.log_batch(run_id, params=entries[start : start + PARAMS_A_BATCH])
        if run is None:
            self._compared.add(folder)
        return run_id

    def _ship(self, folder: Path, ledger: "Ledger") -> None:
        """Send the events behind the last one that arrived."""
        from mlflow.entities import Metric

        events, offset = read_events(folder / EVENTS, ledger.events)
        seen, new = dict(ledger.seen), []
        for event in events:
            for name, value in event.metrics.items():
                if event.step > seen.get(name, -1):  # else told again after a resume, or shipped just before a kill
                    seen[name] = event.step
                    new.append(Metric(name, value, int(event.time * 1000), event.step))
        for start in range(0, len(new), BATCH):
            self.client.log_batch(ledger.run_id or "", metrics=new[start : start + BATCH])
        if offset != ledger.events:
            ledger.seen, ledger.events = seen, offset
            ledger.write(folder)

    def _set_status(self, folder: Path, ledger: "Ledger", status: str) -> None:
        run_id = ledger.run_id or ""
        if status == "RUNNING":
            self.client.update_run(run_id, status="RUNNING")
        else:
            self._finish(folder, ledger)
            self.client.set_terminated(run_id, status)
        ledger.status = status
        ledger.write(folder)
        self._known()[folder.name] = dataclasses.replace(self._known()[folder.name], status=status)

    def _finish(self, folder: Path, ledger: "Ledger") -> None:
        """Send what a trial's end adds: final metrics, how it ended, its files."""
        from mlflow.entities import Metric, RunTag

        ledger.result, result = stamp(folder), read_result(folder) or Result("KILLED", {})
        now = int(time.time() * 1000)
        final = {f"seconds/{name}": value for name, value in result.parts.items()}
        if result.status == "FINISHED":  # else they are the latest, not the best
            final |= {name if "/" in name else f"best_{name}": value for name, value in result.metrics.items()}
        batch = [
            Metric(name, float(value), now, result.steps) for name, value in final.items() if name not in ledger.seen
        ]
        tags = [
            RunTag("macsql.reason", result.reason[:4000]),  # empty again where a later attempt finished
            RunTag("macsql.pruned", str(result.pruned).lower()),
            RunTag("macsql.notes", " ".join(result.notes)[:4000]),  # what was left to the machine, or had no effect
            RunTag("macsql.precision", result.precision),
        ]
        self.client.log_batch(ledger.run_id or "", metrics=batch[:BATCH], tags=tags)
        ledger.seen.update({metric.key: metric.step for metric in batch})
        files = [folder / name for name in FILES if (folder / name).exists()]
        with TemporaryDirectory() as together:  # one call for all of them: each call asks MLflow where they belong
            for path in files:
                shutil.copy(path, together)
            try:
                self.client.log_artifacts(ledger.run_id or "", together)
                if "macsql.system.files" in self._known()[folder.name].tags:  # an earlier call could not
                    self.client.delete_tag(ledger.run_id or "", "macsql.system.files")
            except OSError as error:
                address = self.client.get_run(ledger.run_id or "").info.artifact_uri
                if not address.startswith(("file:", "/")):
                    raise  # a server that does not answer
                self.kept_back.add(folder)  # the state directory has come from elsewhere, or a disk is full
                ledger.result = 0  # the next call tries again
                reason = f"{address} cannot be written to ({error.strerror}): the files are in the trial's folder"
                self.client.set_tag(ledger.run_id or "", "macsql.system.files", reason)

    def _has_files(self, folder: Path, run_id: str) -> bool:
        """Whether a trial's files are where MLflow keeps them; a server is believed, as each would be a question."""
        if self._files is None:
            return True
        place = self._files / run_id / "artifacts"
        return all((place / name).exists() for name in FILES if (folder / name).exists())

    def _arrived(self, run_id: str) -> dict[str, int]:
        """The last step that arrived for each metric of a run that exists already."""
        names = self.client.get_run(run_id).data.metrics
        return {name: max(point.step for point in self.client.get_metric_history(run_id, name)) for name in names}


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
