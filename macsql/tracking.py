"""Runs in MLflow. The only module of the house that knows MLflow.

A trial's folder is the truth; MLflow is a picture of it that can be drawn again. `Tracker.sync` compares the two and
adds what is missing: the run, its parameters, the events behind the last one that arrived, the files and the status.
So a server that was down, or a process that was killed, costs nothing but time.
"""

import dataclasses
import logging
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from macsql import __version__ as macsql_version
from macsql.config import Config
from macsql.errors import UserError, first_line
from macsql.revision import commit, revision
from macsql.system.addresses import sqlite_file, sqlite_url
from macsql.system.file_lock import first_touch
from macsql.system.files import write_whole
from macsql.trials.events import read_events
from macsql.trials.folder import (
    CONFIG,
    EVAL_PREDICTIONS,
    EVAL_VERDICTS,
    EVENTS,
    LOG,
    MODEL,
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
DATABASES = ("postgresql", "mysql", "mssql", "databricks")  # how MLflow's other addresses begin
FILES = (CONFIG, *ANSWERS, RESULT, LOG)
ALIAS = "best"  # of the version of a registered model that counts
EXAMPLE = {"question": ["How many singers are there?"], "database": ["concerts.sqlite"]}  # of what it takes
LOADER = "macsql.pipeline.served"  # makes what MLflow loads of a model's folder


@dataclass(frozen=True)
class Run:
    """One MLflow run as it was read back."""

    run_id: str
    name: str
    status: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Span:
    """A part of what happened to a question; a whole trace where it is the outermost."""

    name: str
    begin: int  # ns since 1970
    end: int
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    attributes: Mapping[str, Any]
    failed: bool = False
    parts: tuple["Span", ...] = ()  # of the outermost alone


def check_uri(uri: str | None) -> None:
    """Raise UserError for an address of MLflow that is none, or that holds a password: every trial's folder has it."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    if uri is None or sqlite_file(uri, "tracking.uri") is not None:
        return
    server = uri.startswith(("http://", "https://"))
    if not server and not uri.startswith(DATABASES):  # MLflow keeps no runs in plain files any more
        raise UserError(f"tracking.uri={uri} is not an address of MLflow: write http://HOST:PORT or sqlite:///FILE.")
    try:
        password = urlsplit(uri).password if server else make_url(uri).password if "://" in uri else None
    except (ArgumentError, ValueError) as error:
        raise UserError(f"tracking.uri={uri} is not an address: write http://HOST:PORT or sqlite:///FILE.") from error
    if password is not None:
        instead = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" if server else "PGPASSWORD or PGPASSFILE"
        raise UserError(
            "tracking.uri holds a password, which would be written into every trial's folder and into MLflow: leave it "
            f"out and set {instead}."
        )


def check_register(config: Config) -> None:
    """Raise UserError, before any cost, for a model that is to be registered and cannot be."""
    name = config.tracking.registered_model
    if name is not None and not re.fullmatch(r"[\w][\w. -]{0,99}", name):
        raise UserError(
            f"tracking.registered_model={name}: write a name of at most 100 letters, digits, underscores, dots, "
            "hyphens and blanks."
        )
    if not config.tracking.register:
        return
    if "decomposer" not in config.agents.roles:
        raise UserError("tracking.register=true: a model that is to answer questions needs decomposer in agents.roles.")
    if config.data.format == "chat":
        raise UserError(
            "tracking.register=true: a model trained on the prompts of a chat file cannot be asked in a style of ours."
        )


class Tracker:
    """Draws trial folders into MLflow, below one parent run per sweep."""

    def __init__(self, uri: str | None, state_dir: Path, experiment: str) -> None:
        """Connect, creating database and experiment where they are missing. `uri` None: SQLite under `state_dir`.

        Raises UserError where a given server cannot be reached.
        """
        _quiet()
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
                self.origin = None if local else _origin(state_dir)
                self.client = MlflowClient(self.uri)
                found = self.client.get_experiment_by_name(experiment)
                # Artifacts would follow the current directory unless their place is absolute.
                place = (state_dir / "artifacts").resolve().as_uri() if local else None
                self.experiment_id = (
                    found.experiment_id if found else self.client.create_experiment(experiment, artifact_location=place)
                )
                self._files = _folder(found.artifact_location if found else place) if local else None
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
        own = {"macsql.sweep": key, "macsql.role": "sweep", **_source(), **self._own(), **tags}
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
            own = {"macsql.trial": folder.name, "macsql.role": "trial", **_source(), **self._own(), **tags}
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


def record_evaluation(
    uri: str | None,
    state_dir: Path,
    key: str,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    metrics: Mapping[str, float],
    files: Sequence[Path],
) -> None:
    """One set of seats that answered a benchmark, as a run of the experiment `evaluate`; told again, it stays one run.

    Raises what MLflow raises where it cannot be reached.
    """
    from mlflow.entities import Metric, Param, RunTag

    tracker = Tracker(uri, state_dir, "evaluate")
    client, experiment = tracker.client, tracker.experiment_id
    found = client.search_runs([experiment], f"tags.`macsql.evaluation` = '{key}'", max_results=1)
    if found and found[0].info.status == "FINISHED" and found[0].data.tags.get("macsql.code") == tags["macsql.code"]:
        return
    own = {"macsql.evaluation": key, "macsql.role": "evaluation", **_source()}
    run_id = found[0].info.run_id if found else client.create_run(experiment, run_name=key, tags=own).info.run_id
    now = int(time.time() * 1000)
    entries = [Metric(_metric_name(name), value, now, 0) for name, value in metrics.items()]
    given = [] if found and found[0].data.params else [Param(name, str(value)) for name, value in params.items()]
    for start in range(0, len(entries), BATCH):
        client.log_batch(run_id, metrics=entries[start : start + BATCH])
    client.log_batch(run_id, params=given, tags=[RunTag(name, value) for name, value in tags.items()])
    for path in files:
        client.log_artifact(run_id, str(path))
    client.set_terminated(run_id, "FINISHED")


def _metric_name(name: str) -> str:
    """A metric's name in letters that MLflow takes."""
    return re.sub(r"[^\w/. -]", "", name)


def trial_of(run_id: str, uri: str | None, state_dir: Path) -> str:
    """The trial that a run records. Raises UserError where there is no such run, or it records none."""
    _quiet()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        tags = MlflowClient(_there(uri, state_dir)).get_run(run_id).data.tags
    except MlflowException as error:
        raise UserError(f"MLflow has no run {run_id} ({first_line(error)}).") from error
    if "macsql.trial" not in tags:
        raise UserError(f"The run {run_id} is not of a trial: choose one whose tag macsql.role is trial.")
    return tags["macsql.trial"]


def downloaded(model: str, uri: str | None, state_dir: Path) -> Path:
    """The folder of a registered model, models:/NAME@ALIAS or models:/NAME/VERSION, fetched where it is elsewhere.

    Raises UserError where there is none of that name.
    """
    _quiet()
    from mlflow import MlflowClient, artifacts
    from mlflow.exceptions import MlflowException

    place = _there(uri, state_dir)
    client = MlflowClient(place, place)
    name, _, alias = model.removeprefix("models:/").partition("@")
    name, _, version = name.partition("/")
    if not name or not (alias or version):
        raise UserError(f"{model} names no version of a model: write models:/NAME@ALIAS or models:/NAME/VERSION.")
    try:
        number = client.get_model_version_by_alias(name, alias).version if alias else version
        source = client.get_model_version_download_uri(name, number)
        return Path(artifacts.download_artifacts(artifact_uri=source, tracking_uri=place))
    except (MlflowException, OSError) as error:
        raise UserError(f"{model} cannot be had from MLflow ({first_line(error)}).") from error


def register(trial: Path, name: str, uri: str | None, state_dir: Path) -> tuple[str, bool]:
    """Log a finished trial's model in MLflow and register it as models:/NAME@best; again, nothing is done.

    What MLflow loads of it is a pyfunc: a question and a database's path to SQL and rows (macsql.pipeline.served). It
    holds the model's folder and no code: macsql has to be installed where it is loaded. Returns the number of the
    version, and whether it is new. Raises UserError where MLflow does not take it.
    """
    _quiet()
    from mlflow import MlflowClient, pyfunc
    from mlflow.entities import LoggedModelStatus
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model
    from pandas import DataFrame
    from sqlalchemy.exc import SQLAlchemyError

    run_id = Ledger.read(trial).run_id
    if run_id is None:
        raise UserError(f"MLflow does not know the trial {trial.name} yet: the same command sends it, then its model.")
    if not (trial / MODEL).is_dir():
        raise UserError(f"The trial {trial.name} has no folder `{MODEL}` any more.")
    try:
        place = _there(uri, state_dir)
        client = MlflowClient(place, place)
        if (there := _version(client, name)) is not None and there.run_id == run_id:
            return there.version, False
        run = client.get_run(run_id)
        tags = {"macsql.trial": trial.name, "macsql.code": revision()}
        logged = client.create_logged_model(run.info.experiment_id, "model", run_id, tags)
        with TemporaryDirectory() as together:
            pyfunc.save_model(
                Path(together) / "model",
                loader_module=LOADER,
                data_path=str(trial / MODEL),
                mlflow_model=Model(
                    logged.artifact_location, run_id, model_uuid=logged.model_id, model_id=logged.model_id
                ),
                signature=_signature(),
                input_example=DataFrame(EXAMPLE),
                pip_requirements=_requirements(),
            )
            client.log_model_artifacts(logged.model_id, str(Path(together) / "model"))
        client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        if there is None and not client.search_registered_models(f"name = '{name}'", max_results=1):
            client.create_registered_model(name, description="Question and database to SQL and rows, by macsql.")
        source = logged.artifact_location  # as models:/ID it would be looked for where the process's own address leads
        version = client.create_model_version(name, source, run_id, tags, model_id=logged.model_id).version
        client.set_registered_model_alias(name, ALIAS, version)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise UserError(f"MLflow did not take the model of {trial.name} ({first_line(error)}).") from error
    return version, True


def keep_traces(uri: str | None, state_dir: Path, experiment: str, traces: Sequence[Span], key: str = "") -> None:
    """Send traces to MLflow's experiment of that name. Raises UserError where one has not arrived.

    With `key`, a trace whose attribute `macsql.question` one of that key has already is left out.
    """
    os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"  # what has been sent has arrived
    tracker = Tracker(uri, state_dir, experiment)
    from mlflow import set_tracking_uri
    from mlflow.entities import SpanType
    from mlflow.exceptions import MlflowException

    set_tracking_uri(tracker.uri)  # traces know no other way
    client, last = tracker.client, ""
    try:
        there = _traced(tracker, key) if key else set()
        for trace in traces:
            tags = {name: str(value) for name, value in trace.attributes.items()}
            if tags.get("macsql.question") in there:
                continue
            root = client.start_trace(
                trace.name,
                SpanType.CHAIN,
                dict(trace.inputs),
                dict(trace.attributes),
                {**tags, "macsql.code": revision(), "macsql.evaluation": key},
                tracker.experiment_id,
                trace.begin,
            )
            for part in trace.parts:
                span = client.start_span(
                    part.name,
                    root.trace_id,
                    root.span_id,
                    SpanType.AGENT,
                    dict(part.inputs),
                    dict(part.attributes),
                    part.begin,
                )
                status = "ERROR" if part.failed else "OK"
                client.end_span(root.trace_id, span.span_id, dict(part.outputs), None, status, part.end)
            client.end_trace(root.trace_id, dict(trace.outputs), None, "ERROR" if trace.failed else "OK", trace.end)
            last = root.trace_id
        if last:
            client.get_trace(last)  # MLflow only logs what goes wrong on the way
    except MlflowException as error:
        raise UserError(f"MLflow did not take the traces of {len(traces)} questions ({first_line(error)}).") from error


def _traced(tracker: Tracker, key: str) -> set[str]:
    """The questions that have a trace under a key."""
    found: set[str] = set()
    token: str | None = None
    while True:
        page = tracker.client.search_traces(
            [tracker.experiment_id], f"tags.`macsql.evaluation` = '{key}'", 500, page_token=token, include_spans=False
        )
        found |= {trace.info.tags.get("macsql.question", "") for trace in page}
        token = page.token
        if not token:
            return found


def _version(client: Any, name: str) -> Any:
    """The version of a registered model that counts; None without one."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, ALIAS)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):  # no model; no such alias
            raise
        return None


def _signature() -> Any:
    """What a registered model takes and gives."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    given: list[Any] = [ColSpec("string", name) for name in ("question", "database")]
    made: list[Any] = [ColSpec("string", name, required=False) for name in ("sql", "columns", "rows", "message")]
    return ModelSignature(Schema([*given, ColSpec("string", "evidence", required=False)]), Schema(made))


def _requirements() -> list[str]:
    """The distributions that a registered model needs, as they are installed here."""
    needed = ("mlflow", "torch", "transformers", "sqlglot", "peft", "rapidfuzz")
    return [f"macsql=={macsql_version}", *(f"{name}=={version(name)}" for name in needed)]


def _there(uri: str | None, state_dir: Path) -> str:
    """The address of MLflow to read from. Raises UserError where nothing has been recorded yet."""
    if uri is None and not (state_dir / "mlflow.db").exists():
        raise UserError(f"{state_dir} holds no mlflow.db: nothing has been recorded there.")
    return uri or sqlite_url(state_dir / "mlflow.db")


def _quiet() -> None:
    """Before MLflow is imported: it asks once, waits ten seconds, and leaves the talking to us."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # a repeated create makes a second run
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")  # or it speaks of migrations
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    for talkative in ("mlflow", "alembic"):
        logging.getLogger(talkative).setLevel(logging.CRITICAL)  # what goes wrong is told in a sentence


class SweepRecord:
    """A sweep in MLflow: its own run and its trials'. Connects when first used, and again as often as that fails."""

    def __init__(self, uri: str | None, state_dir: Path, name: str, tags: Mapping[str, str]) -> None:
        self.where, self.tags = (uri, state_dir, name), tags
        self._connected: tuple[Tracker, str] | None = None

    def connect(self) -> tuple[Tracker, str]:
        """The tracker and the id of the sweep's own run, which is running from now on. Raises UserError."""
        if self._connected is None:
            tracker = Tracker(*self.where)
            self._connected = tracker, tracker.parent(self.where[2], self.tags)
        return self._connected

    def sync(self, folder: Path, params: Mapping[str, Any], tags: Mapping[str, str], status: str) -> None:
        """Make MLflow agree with a trial's folder. Raises whatever keeps it from that."""
        tracker, parent = self.connect()
        tracker.sync(folder, parent, params, tags, status)

    def end(self, status: str, tags: Mapping[str, str], whole: bool = True) -> list[str]:
        """Set the sweep's own run to how it ended; returns a sentence for what MLflow did not get."""
        tracker, parent = self.connect()
        tracker.end_parent(parent, status, tags, whole)
        if not tracker.kept_back:
            return []
        return [
            f"MLflow's own place for files cannot be written to (trials: {len(tracker.kept_back)}): they are in the "
            "trials' folders alone; the runs' tag macsql.system.files names the place."
        ]


def _origin(state_dir: Path) -> str:
    """What tells this state directory's runs from others on a server that sweeps of the same name may share."""
    path = state_dir / "origin"
    if not path.exists() or not path.read_text(encoding="utf-8").strip():
        write_whole(path, uuid4().hex)
    return path.read_text(encoding="utf-8").strip()


def _folder(address: str | None) -> Path | None:
    """The folder that a file: address names; None for another."""
    parts = urlsplit(address or "")
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _source() -> dict[str, str]:
    """Where the code stands, for a run's tags."""
    found = commit()
    return {"mlflow.source.name": "macsql", **({"mlflow.source.git.commit": found} if found else {})}
