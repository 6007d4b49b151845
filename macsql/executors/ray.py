"""Trials on a Ray cluster: each a plain remote task that runs the trial's own process. The only module that knows Ray.

Ray retries nothing: a task whose node is lost has ended like a process that was killed, and the coordinator runs the
trial again, on whichever node has room. Where the nodes do not share the state directory (executor.options.shared=
false) the trial's folder travels as described in macsql.executors.mirror; its bytes come home as tasks too, pinned to
the coordinator's node.
"""

import logging
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil

from macsql.config import ExecutorConfig
from macsql.errors import UserError, first_line, with_type
from macsql.executors.local import TINY
from macsql.executors.mirror import INCOMING, Mirror, log_size, parcel, unpack
from macsql.executors.orphan import Orphan, orphan
from macsql.executors.supervise import TRIAL, Task, check_options, note, one_gpu_at_most, suited_threads, supervise
from macsql.trials.folder import LOG
from macsql.trials.process import EXIT_STOPPED

PLACE = "macsql-ray-"  # prefix of a trial's folder in a node's temporary directory; a process id follows
OPTIONS: dict[str, Any] = {
    "address": None,  # host:port of a cluster's head; null: RAY_ADDRESS, a cluster running here, else a new one
    "gpus": None,  # per trial; null: one where the cluster has any
    "shared": True,  # every node sees the state directory under the same path
    "module": TRIAL,
}


class RayHandle:
    """A task of the cluster."""

    def __init__(self, ray: Any, reference: Any, folder: Path) -> None:
        self.ray, self.reference, self.folder = ray, reference, folder
        self.code: int | None = None
        self.stopped = False

    def poll(self) -> int | None:
        """The trial's exit code, -9 where its node or its task was lost, None while it runs or waits for room."""
        if self.code is None and self.ray.wait([self.reference], timeout=0)[0]:
            self.code = self._outcome()
        return self.code

    def stop(self) -> None:
        """Ask for a checkpoint and an end; a task that waits for room ends at once."""
        if self.poll() is None:
            self.stopped = True
            self.ray.cancel(self.reference, recursive=False)  # what it is sending home arrives

    def kill(self) -> None:
        """End the task's process at once, and with it the trial's."""
        if self.poll() is None:
            self.ray.cancel(self.reference, force=True)

    def _outcome(self) -> int:
        try:
            return int(self.ray.get(self.reference))
        except self.ray.exceptions.TaskCancelledError:
            return EXIT_STOPPED if self.stopped else -signal.SIGKILL
        except self.ray.exceptions.RayTaskError as error:  # the task itself failed; its traceback says where
            note(self.folder, str(error))
            return 1
        except Exception as error:  # the node, its worker or what it held is gone
            note(self.folder, f"Ray lost the trial ({with_type(error)})")
            return -signal.SIGKILL


class RayExecutor:
    """Runs trials as tasks of a cluster, as many at once as its CPUs (or GPUs) hold."""

    forks = False

    def __init__(self, config: ExecutorConfig, parameters: int | None) -> None:
        """Connect. Raises UserError without Ray, without an answer at the address, or where no trial would fit."""
        self.options = check_options(config, OPTIONS)
        try:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            import ray
        except ImportError as error:
            raise UserError("executor=ray needs the library ray: pip install ray.") from error
        self.ray = ray
        self._connect()
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        cpus, gpus = max(node.get("CPU", 0) for node in nodes), max(node.get("GPU", 0) for node in nodes)
        tiny = parameters is not None and parameters < TINY
        self.gpus = float(self.options["gpus"]) if self.options["gpus"] is not None else float(gpus > 0)
        one_gpu_at_most("executor.options.gpus", self.gpus)
        self.threads = suited_threads(config, tiny, int(cpus / max(1, gpus)))
        fit = sum(int(_fits(node, self.threads, self.gpus)) for node in nodes)
        if fit == 0:
            self.close()
            raise UserError(
                f"No node of the Ray cluster has the {self.threads} CPUs and {self.gpus:g} GPUs that a trial asks for: "
                "set executor.threads or executor.options.gpus."
            )
        self.slots, self.gpu = config.workers or fit, self.gpus > 0
        self._kept: dict[tuple[str, int], Any] = {}  # files that many trials read, put into the cluster once

    def prepare(self) -> None:
        """Nothing is to be done before a trial."""

    def start(self, folder: Path, slot: int) -> RayHandle:  # noqa: ARG002
        """Submit a trial; what it prints goes to <folder>/log.txt."""
        folder = folder.resolve()
        task = Task(folder, Path.cwd(), self.threads, self.options["module"])
        if self.options["shared"]:
            return RayHandle(self.ray, self._task.remote(task), folder)
        shutil.rmtree(folder / INCOMING, ignore_errors=True)  # half of what a lost node was sending
        (folder / LOG).touch()
        files = {name: self._put(name, path) for name, path in parcel(folder).items()}
        home = self.ray.get_runtime_context().get_node_id()
        return RayHandle(self.ray, self._task.remote(task, files, home, log_size(folder)), folder)

    def adopt(self, folder: Path) -> Orphan | None:
        """The process that an earlier sweep left at work in a trial's folder."""
        return orphan(folder)

    def close(self) -> None:
        """Leave the cluster; what this sweep still has there ends with it."""
        self.ray.shutdown()

    @cached_property
    def _task(self) -> Any:
        # One task a worker process: its end is the trial's end, whatever became of the task.
        return self.ray.remote(max_retries=0, max_calls=1, num_cpus=self.threads, num_gpus=self.gpus)(run_trial)

    def _put(self, name: str, path: Path) -> Any:
        if name.startswith("trial/"):
            return self.ray.put(path.read_bytes())
        key = (str(path), path.stat().st_mtime_ns)
        if key not in self._kept:
            self._kept[key] = self.ray.put(path.read_bytes())
        return self._kept[key]

    def _connect(self) -> None:
        address = self.options["address"]
        if address is not None and str(address).startswith("ray://"):
            raise UserError(
                f"executor.options.address={address}: give host:port of the cluster's head, "
                "and start the sweep on one of its nodes."
            )
        host, _, port = str(address).rpartition(":")
        try:
            if host and port.isdigit():  # Ray itself would try for minutes
                socket.create_connection((host, int(port)), timeout=10).close()
            self.ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # ConnectionError, ValueError, RuntimeError: by version and by what is wrong
            raise UserError(
                f"executor.options.address={address}: no Ray cluster could be joined there from this machine "
                f"({first_line(error)})."
            ) from error


def run_trial(task: Task, files: Mapping[str, Any] | None = None, home: str | None = None, log_bytes: int = 0) -> int:
    """On a node: run the trial to its end; returns its exit code.

    `files` (name in the parcel -> reference to its bytes) and `home` (the coordinator's node) are there where the
    nodes share no file system; home's log.txt has `log_bytes` bytes already.
    """
    requests: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: requests.append(number))  # how a cancelled task hears of it
    if files is None or home is None:
        if not task.folder.is_dir():
            raise FileNotFoundError(
                f"{socket.gethostname()} does not see {task.folder}: put tracking.state_dir on a file system that "
                "all nodes share, or set executor.options.shared=false"
            )
        return supervise(task, lambda: len(requests))
    import ray

    _clear_leftovers()
    with tempfile.TemporaryDirectory(prefix=f"{PLACE}{os.getpid()}-") as root:
        trial = unpack(Path(root), ((name, ray.get(reference)) for name, reference in files.items()))
        mirror = Mirror(trial, task.folder, log_bytes, _home(home))
        code = supervise(Task(trial, Path(root), task.threads, task.module), lambda: len(requests), mirror.look)
        mirror.finish()
        return code


def _clear_leftovers() -> None:
    """Remove what tasks that were killed have left on this node."""
    for path in Path(tempfile.gettempdir()).glob(f"{PLACE}*"):
        process = path.name.removeprefix(PLACE).partition("-")[0]
        if process.isdigit() and not psutil.pid_exists(int(process)):
            shutil.rmtree(path, ignore_errors=True)


def _home(node: str) -> Callable[..., None]:
    """Call a function on that node, and wait for its end."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    where = NodeAffinitySchedulingStrategy(node, soft=False)
    task = ray.remote(max_retries=0, num_cpus=0)(_call).options(scheduling_strategy=where)
    return lambda function, *arguments: ray.get(task.remote(function, arguments))


def _call(function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    function(*arguments)


def _fits(node: Mapping[str, float], threads: int, gpus: float) -> float:
    """How many trials a node holds at once."""
    rooms = [node.get("CPU", 0) // threads]
    return min([*rooms, node.get("GPU", 0) // gpus] if gpus else rooms)
