"""Runs in MLflow. The only module of the house that knows MLflow.

A trial's folder is the truth; MLflow is a picture of it that can be drawn again. `Tracker.sync` compares the two and
adds what is missing: the run, its parameters, the events behind the last one that arrived, the files and the status.
So a server that was down, or a process that was killed, costs nothing but time.
"""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macsql.errors import UserError
from macsql.training.events import read_events

BATCH = 900  # metrics a call; MLflow takes at most 1,000 of everything together
FILES = ("config.yaml", "predictions.jsonl", "verdicts.jsonl", "result.json", "log.txt")


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
    """Draws trial folders into MLflow, below one parent run a sweep."""

    def __init__(self, uri: str | None, state_dir: Path, experiment: str) -> None:
        """Connect, creating database and experiment where they are missing. `uri` None: SQLite under `state_dir`.

        Raises UserError where a given server cannot be reached.
        """
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        import logging

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        logging.getLogger("alembic").setLevel(logging.ERROR)
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        self.uri = uri or f"sqlite:///{(state_dir / 'mlflow.db').resolve()}"
        self._compared: set[Path] = set()
        local = uri is None
        if local:
            state_dir.mkdir(parents=True, exist_ok=True)
        try:
            self.client = MlflowClient(self.uri)
            found = self.client.get_experiment_by_name(experiment)
            # Artifacts would follow the current directory unless their place is absolute.
            place = (state_dir / "artifacts").resolve().as_uri() if local else None
            self.experiment_id = (
                found.experiment_id if found else self.client.create_experiment(experiment, artifact_location=place)
            )
        except MlflowException as error:
            raise UserError(f"tracking.uri={self.uri}: MLflow cannot be used there ({_first_line(error)}).") from error

    def parent(self, key: str, tags: Mapping[str, str]) -> str:
        """The id of the run that holds a sweep's trials together; made where it is missing, set running."""
        run_id = self._find(f"tags.`macsql.sweep` = '{key}' and tags.`macsql.role` = 'sweep'")
        if run_id is None:
            own = {"macsql.sweep": key, "macsql.role": "sweep", **_source(), **tags}
            run_id = self.client.create_run(self.experiment_id, run_name=key, tags=own).info.run_id
        self.client.update_run(run_id, status="RUNNING")
        return run_id

    def end_parent(
        self,
        run_id: str,
        status: str,
        metrics: Mapping[str, float],
        files: Sequence[Path] = (),
        tags: Mapping[str, str] = {},
    ) -> None:
        """Set a sweep's status and its summary."""
        for name, value in tags.items():
            self.client.set_tag(run_id, name, value)
        for name, value in metrics.items():
            self.client.log_metric(run_id, name, value)
        for path in files:
            self.client.log_artifact(run_id, str(path))
        self.client.set_terminated(run_id, status)

    def sync(
        self, folder: Path, parent: str | None, params: Mapping[str, Any], tags: Mapping[str, str], status: str
    ) -> None:
        """Make MLflow agree with a trial's folder.

        `status` is RUNNING, FINISHED, FAILED or KILLED; with all but RUNNING the files are logged too and the run ends.
        Safe to repeat, after a kill in the middle as well. Raises what MLflow raises where it cannot be reached.
        """
        ledger = Ledger.read(folder)
        if ledger.run_id is None:
            ledger.run_id = self._child(folder, parent, params, tags)
            ledger.write(folder)
        if folder not in self._compared:  # a kill may have come between shipping and writing the ledger
            ledger.seen = self._arrived(ledger.run_id)
            self._compared.add(folder)
        self._ship(folder, ledger)
        if status == ledger.status:
            return
        if status == "RUNNING":
            self.client.update_run(ledger.run_id, status="RUNNING")
        else:
            self._finish(folder, ledger.run_id)
            self.client.set_terminated(ledger.run_id, status)
        ledger.status = status
        ledger.write(folder)

    def runs(self, key: str) -> list[Run]:
        """The trials of a sweep, by their place in the plan."""
        found = self.client.search_runs(
            [self.experiment_id], f"tags.`macsql.sweep` = '{key}' and tags.`macsql.role` = 'trial'", max_results=5000
        )
        runs = [
            Run(r.info.run_id, r.info.run_name, r.info.status, r.data.params, r.data.metrics, r.data.tags)
            for r in found
        ]
        return sorted(runs, key=lambda run: int(run.tags.get("macsql.index", "0")))

    def _child(self, folder: Path, parent: str | None, params: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        from mlflow.entities import Param

        run_id = self._find(f"tags.`macsql.trial` = '{folder.name}'")
        if run_id is None:
            own = {"macsql.trial": folder.name, "macsql.role": "trial", **_source(), **tags}
            if parent is not None:
                own["mlflow.parentRunId"] = parent
            name = tags.get("macsql.label", folder.name)
            run_id = self.client.create_run(self.experiment_id, run_name=name, tags=own).info.run_id
        there = self.client.get_run(run_id).data.params
        entries = [Param(name, str(value)) for name, value in params.items() if name not in there]
        for start in range(0, len(entries), 100):
            self.client.log_batch(run_id, params=entries[start : start + 100])
        self.client.log_artifact(run_id, str(folder / "config.yaml"))
        return run_id

    def _ship(self, folder: Path, ledger: "Ledger") -> None:
        from mlflow.entities import Metric

        events, offset = read_events(folder / "events.jsonl", ledger.offset(folder))
        new = [
            Metric(name, value, int(event.time * 1000), event.step)
            for event in events
            for name, value in event.metrics.items()
            if event.step > ledger.seen.get(name, -1)  # told again after a resume, or shipped just before a kill
        ]
        for start in range(0, len(new), BATCH):
            self.client.log_batch(ledger.run_id or "", metrics=new[start : start + BATCH])
        if offset != ledger.events:
            for metric in new:
                ledger.seen[metric.key] = max(metric.step, ledger.seen.get(metric.key, -1))
            ledger.events = offset
            ledger.file = _inode(folder / "events.jsonl")
            ledger.write(folder)

    def _finish(self, folder: Path, run_id: str) -> None:
        from mlflow.entities import Metric

        result = json.loads((folder / "result.json").read_text()) if (folder / "result.json").exists() else {}
        steps, now = result.get("steps", 0), int((folder / "config.yaml").stat().st_mtime * 1000)
        final = {
            **{name if "/" in name else f"best_{name}": value for name, value in result.get("metrics", {}).items()},
            **{f"seconds/{name}": value for name, value in result.get("parts", {}).items()},
        }
        batch = [Metric(name, float(value), now, steps) for name, value in final.items()]
        for start in range(0, len(batch), BATCH):
            self.client.log_batch(run_id, metrics=batch[start : start + BATCH])
        if result.get("reason"):
            self.client.set_tag(run_id, "macsql.reason", result["reason"][:4000])
        for name in FILES:
            if (folder / name).exists():
                self.client.log_artifact(run_id, str(folder / name))

    def _arrived(self, run_id: str) -> dict[str, int]:
        """The last step that arrived for each metric of a run that exists already."""
        last: dict[str, int] = {}
        for name in self.client.get_run(run_id).data.metrics:
            last[name] = max(point.step for point in self.client.get_metric_history(run_id, name))
        return last

    def _find(self, condition: str) -> str | None:
        found = self.client.search_runs([self.experiment_id], condition, max_results=1)
        return found[0].info.run_id if found else None


class Ledger:
    """What has arrived at MLflow of one trial, kept in its folder as shipped.json."""

    def __init__(
        self,
        run_id: str | None = None,
        events: int = 0,
        file: int = 0,
        seen: dict[str, int] | None = None,
        status: str = "",
    ) -> None:
        self.run_id = run_id
        self.events = events  # bytes of events.jsonl that have been shipped
        self.file = file  # inode of that file: a resumed trial begins a new one
        self.seen = seen or {}  # metric -> last step shipped
        self.status = status

    @classmethod
    def read(cls, folder: Path) -> "Ledger":
        """The ledger of a folder; a new one where there is none."""
        path = folder / "shipped.json"
        return cls(**json.loads(path.read_text())) if path.exists() else cls()

    def offset(self, folder: Path) -> int:
        """Where to read on in the events; from the start where a resumed trial has begun the file anew."""
        return self.events if _inode(folder / "events.jsonl") == self.file else 0

    def write(self, folder: Path) -> None:
        """Put shipped.json in place in one step."""
        partial = folder / f"shipped.{os.getpid()}.partial"
        partial.write_text(json.dumps(vars(self)))
        partial.replace(folder / "shipped.json")


def _inode(path: Path) -> int:
    return path.stat().st_ino if path.exists() else 0


def _source() -> dict[str, str]:
    """Where the code stands, for a run's tags."""
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return {"mlflow.source.name": "macsql"}
    return {"mlflow.source.name": "macsql", "mlflow.source.git.commit": commit}


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
