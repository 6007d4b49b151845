"""Sweeps of stub trials in processes that can be killed, forked from one that has imported everything.

Reads one JSON object per line and answers each with one: {"run": {...}} -> {"pid": N}; {"wait": N} -> {"code": N}
(negative: the signal). A forked sweep is macsql.sweep.run with nothing prepared, everything else being real.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import mlflow
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
import optuna  # noqa: F401
from omegaconf import OmegaConf

import macsql.executors.orphan as orphan
from macsql import sweep
from macsql.config import Config, validate
from macsql.coordination.display import Display  # noqa: F401
from macsql.coordination.interrupts import Interrupts
from macsql.coordination.lock import StudyLock
from macsql.coordination.preflight import Preflight
from macsql.errors import UserError
from macsql.executors.local import LocalExecutor
from macsql.factory.prepared import Prepared
from macsql.search.estimate import Cost
from macsql.search.plan import Planner
from macsql.tracking.tracker import Tracker

TRACED = (
    *("/macsql/search/", "/macsql/coordination/", "/macsql/executors/", "/macsql/trials/", "/macsql/training/"),
    *("/macsql/tracking/tracker.py", "/macsql/system/files.py", "/macsql/sweep.py"),
)


class Data(Prepared):
    @property
    def fingerprint(self) -> str:
        return "nothing"


class Unprepared(Preflight):
    """A preflight of trials that need no examples."""

    def prepared(self, config: Config) -> Prepared:  # noqa: ARG002
        return Data(Path("/nothing"))

    @property
    def cost(self) -> Cost:
        return Cost({}, 0.0, 0)


def configuration(state: str, changes: dict[str, Any]) -> Config:
    base = OmegaConf.create(
        {
            "data": {"format": "pocket"},
            "agents": {"style": "brief"},
            "codec": {"name": "marks"},
            "mixture": {"name": "real"},
            "model": {"name": "pocket", "pocket": {"vocab_size": 9, "d_model": 4, "d_ff": 4, "num_layers": 1}},
            "search": {
                "sampler": "grid",
                "space": {"trainer": {"learning_rate": "choice(1.0, 2.0)", "weight_decay": "choice(0.0, 0.1)"}},
            },
            "executor": {"name": "local", "workers": 2, "threads": 1, "options": {"module": "stub_trial"}},
            "tracking": {"state_dir": state},
            "sweep": {"name": "stub"},
        }
    )
    base.model.pocket.num_heads = 1
    for key, value in changes.items():
        OmegaConf.update(base, key, value, force_add=True)
    return validate(base)


def run(order: dict[str, Any]) -> int:
    os.environ.update(order.get("environment", {}))
    if "orphan_patience" in order:
        orphan.PATIENCE = order["orphan_patience"]
    if "patience" in order:
        sweep.PATIENCE = order["patience"]
    if "server_down_for" in order:
        break_server(order["server_down_for"])
    if "no_room_for" in order:
        leave_no_room(order["no_room_for"])
    if order.get("interrupted_at_once"):
        interrupt_at_once()
    if "die_at_line" in order:
        die_at_line(order["die_at_line"], order.get("lines"))
    config = configuration(order["state"], order.get("changes", {}))
    try:
        preflight = Unprepared(config, Planner(config, []), print)
        preflight.check()
        with StudyLock(Path(order["state"]), config.sweep.name, config.tracking.storage) as lock:
            study = sweep.open_study(preflight)
            if study.complete:
                print("nothing is left to run")
            return sweep.run(preflight, study, lock.renew)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def die_at_line(number: int | None, listing: str | None) -> None:
    """Be killed before the n-th line of the house's own code that has not been met before; None: only count them."""
    met: dict[tuple[str, int], None] = {}

    def trace(frame: Any, event: str, _: Any) -> Any:
        if not any(part in frame.f_code.co_filename for part in TRACED):
            return None
        if event == "line" and (place := (frame.f_code.co_filename, frame.f_lineno)) not in met:
            met[place] = None
            if len(met) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            if listing:
                Path(listing).write_text(str(len(met)))
        return trace

    threading.settrace(trace)
    sys.settrace(trace)


def break_server(calls: int) -> None:
    """Let the first calls that write metrics fail after they have done half of their work, as a dying server may."""
    from mlflow import MlflowClient

    whole, left = MlflowClient.log_batch, [calls]

    def log_batch(self: Any, run_id: str, metrics: Any = (), **others: Any) -> Any:
        if metrics and left[0]:
            left[0] -= 1
            whole(self, run_id, metrics=metrics[: len(metrics) // 2])
            raise ConnectionError("the server is gone")
        return whole(self, run_id, metrics=metrics, **others)

    MlflowClient.log_batch = log_batch


def interrupt_at_once() -> None:
    """Let somebody press Ctrl-C as soon as the sweep listens."""
    enter = Interrupts.__enter__

    def interrupted(self: Interrupts) -> Interrupts:
        entered = enter(self)
        signal.raise_signal(signal.SIGINT)
        return entered

    Interrupts.__enter__ = interrupted


def leave_no_room(name: str) -> None:
    """Let trials of that name not be started."""
    start = LocalExecutor.start

    def full(self: LocalExecutor, folder: Path, slot: int) -> Any:
        if name in folder.name:
            raise OSError("no room")
        return start(self, folder, slot)

    LocalExecutor.start = full


def fork(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.setsid()
        sys.stdin = open(os.devnull)  # noqa: SIM115, PTH123
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        if order.get("template"):
            Tracker(None, Path(order["state"]), "template")
            config = configuration(order["state"], {"sweep.name": "template"})
            sweep.open_study(Unprepared(config, Planner(config, []), print))
            code = 0
        else:
            code = run(order)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def main() -> None:
    assert threading.active_count() == 1, "a process with threads must not fork"
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may have both ignored, as nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    for line in sys.stdin:
        order = json.loads(line)
        if "run" in order:
            answer = {"pid": fork(order["run"])}
        else:
            _, status = os.waitpid(order["wait"], os.WNOHANG if order.get("at_once") else 0)
            answer = {"code": os.waitstatus_to_exitcode(status) if _ else None}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
