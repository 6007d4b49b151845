"""Sweeps of stub trials that can be killed, and what MLflow and Optuna say about them afterwards."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent


class Zygote:
    """The process that forks sweeps."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "sweep_zygote.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
            | {"MLFLOW_LOGGING_LEVEL": "ERROR", "OMP_NUM_THREADS": "1"},
        )
        self.template = folder / "template"
        self.template.mkdir()
        made = self.ask(run={"template": True, "state": str(self.template), "log": str(folder / "template.log")})
        code = self.ask(wait=made["pid"])["code"]
        assert code == 0, (folder / "template.log").read_text()

    def ask(self, **order: Any) -> dict[str, Any]:
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(60)


@dataclass
class Call:
    """One call of the command."""

    zygote: Zygote
    pid: int
    code: int | None = None

    def wait(self, timeout: float = 120.0) -> int:
        until = time.monotonic() + timeout
        while self.code is None:
            self.code = self.zygote.ask(wait=self.pid, at_once=True)["code"]
            if self.code is None:
                assert time.monotonic() < until, "the sweep does not end"
                time.sleep(0.01)
        return self.code

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)


@dataclass
class Gate:
    """Where trials wait before a step, so that what a test does then does not race them.

    All of them or the one with that index. One that is asked to stop goes on to its stop, unless the gate is deaf.
    """

    folder: Path
    step: int
    trial: int | None = None
    deaf: bool = False

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "gate.json").write_text(json.dumps({"step": self.step, "trial": self.trial, "deaf": self.deaf}))

    @property
    def environment(self) -> dict[str, str]:
        """What tells trials of it."""
        return {"STUB_GATE": str(self.folder)}

    def reached(self) -> list[int]:
        """The trials that have come here, by index; those that have gone on too."""
        return sorted(int(path.stem) for path in self.folder.glob("*.there"))

    def asked(self) -> list[int]:
        """The trials that were asked to stop while they waited."""
        return sorted(int(path.stem) for path in self.folder.glob("*.asked"))

    def open(self, trial: int | None = None) -> None:
        """Let one trial go on, or all of them from now on."""
        (self.folder / ("open" if trial is None else f"{trial}.open")).touch()


@dataclass
class StubSweep:
    """A sweep in a state directory of its own."""

    zygote: Zygote
    state: Path
    changes: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state.mkdir(exist_ok=True)
        for database in ("mlflow.db", "optuna.db"):  # made once: MLflow's tables take seconds
            shutil.copy(self.zygote.template / database, self.state / database)

    def start(self, **more: Any) -> Call:
        order = {
            "state": str(self.state),
            "log": str(self.state / "sweep.log"),
            "changes": self.changes,
            "environment": self.environment,
            **self.more,
            **more,
        }
        self.calls.append(Call(self.zygote, self.zygote.ask(run=order)["pid"]))
        return self.calls[-1]

    def run(self, **more: Any) -> int:
        return self.start(**more).wait()

    def gate(self, step: int, trial: int | None = None, deaf: bool = False) -> Gate:
        """A new gate, for the calls from now on that are not given another environment."""
        made = Gate(Path(tempfile.mkdtemp(prefix="gate-", dir=self.state)), step, trial, deaf)
        self.environment = self.environment | made.environment
        return made

    def end(self) -> None:
        """Kill what is left of it."""
        for call in self.calls:
            if call.code is None:
                call.signal(signal.SIGKILL)
                call.wait()
        for process in self.children():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    @property
    def log(self) -> str:
        return (self.state / "sweep.log").read_text()

    def children(self) -> list[int]:
        """The processes that are at work in the trials' folders."""
        found, place = [], os.fsencode(self.state / "trials")
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and place in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
        return found

    def forking(self) -> list[int]:
        """The processes that fork the trials of the calls so far, alive."""
        parents = {str(call.pid) for call in self.calls}
        found = []
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if "macsql.executors.warm" in words and parents & {*words}:
                found.append(process.pid)
        return found

    def until(self, condition: Any, timeout: float = 60.0) -> None:
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, self.log
            time.sleep(0.005)

    def events(self) -> int:
        """Lines that the trials have told so far."""
        return sum(len(path.read_bytes().splitlines()) for path in self.state.glob("trials/*/events.jsonl"))

    def picture(self) -> dict[str, Any]:
        """What MLflow, Optuna and the folders say, without what differs between any two runs."""
        with closing(sqlite3.connect(self.state / "mlflow.db", timeout=60)) as db:
            db.execute("begin")  # a sweep may be at work: the tables are read as they are at one moment
            runs = {
                key: (name, status)
                for key, name, status in db.execute(
                    "select run_uuid, runs.name, status from runs join experiments using (experiment_id)"
                    " where experiments.name = 'stub'"
                )
            }
            metrics: dict[str, list[tuple[str, int, float]]] = {key: [] for key in runs}
            for key, metric, step, value in db.execute("select run_uuid, key, step, value from metrics"):
                if not metric.startswith("seconds/"):
                    metrics[key].append((metric, step, value))
            tags = {(run, key): value for run, key, value in db.execute("select run_uuid, key, value from tags")}
            params = dict(db.execute("select run_uuid, count(*) from params group by run_uuid"))
        with closing(sqlite3.connect(self.state / "optuna.db", timeout=60)) as db:
            db.execute("begin")
            trials = db.execute(
                "select a.value_json, t.state, v.value from trials t join studies using (study_id)"
                " join trial_user_attributes a on a.trial_id = t.trial_id and a.key = 'index'"
                " left join trial_values v on v.trial_id = t.trial_id where studies.study_name = 'stub'"
                " order by cast(a.value_json as integer), t.trial_id, v.objective"
            ).fetchall()
            unnamed = db.execute("select count(*) from trials where state in ('RUNNING', 'WAITING')").fetchone()[0]
        return {
            "parent": [status for key, (_, status) in runs.items() if tags.get((key, "macsql.role")) == "sweep"],
            "runs": sorted(
                (name, status, tags[key, "macsql.pruned"], bool(tags.get((key, "mlflow.parentRunId"))), params[key])
                for key, (name, status) in runs.items()
                if tags.get((key, "macsql.role")) == "trial" and (key, "macsql.pruned") in tags
            ),
            "unended": [name for name, status in runs.values() if status == "RUNNING"],
            "curves": {
                name: sorted(metrics[key])
                for key, (name, _) in runs.items()
                if tags.get((key, "macsql.role")) == "trial"
            },
            "trials": [row for row in trials if row[1] != "FAIL"],
            "running": unnamed,
            "overlaps": [path.parent.name for path in self.state.glob("trials/*/overlap")],
            "results": {
                path.parent.name: {
                    key: value for key, value in json.loads(path.read_text()).items() if key not in {"seconds", "parts"}
                }
                for path in self.state.glob("trials/*/result.json")
            },
            "left": [str(path.name) for path in self.state.glob("trials/*/checkpoints")],
        }
