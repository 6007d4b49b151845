"""Trials forked from one process: as `python -m` would start them, whoever is killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading

import psutil
import pytest
from waiting import ended, wait_for

from macsql.config import to_yaml
from macsql.executors import warm
from macsql.executors.forked import Warm
from macsql.executors.local import LocalExecutor, Share
from macsql.executors.supervise import Task
from macsql.factory.prepared import prepare
from macsql.train import run_folder
from macsql.trials.result import read_result

# what a trial's module does -> its exit code, and the last line of its log
ENDS = {
    "print('done')": (0, "done"),
    "print('done'); sys.exit(0)": (0, "done"),
    "sys.exit()": (0, ""),
    "print('stopped', flush=True); sys.exit(3)": (3, "stopped"),
    "sys.exit('in words')": (1, "in words"),
    "raise ValueError('odd')": (1, "ValueError: odd"),
    "os.abort()": (-signal.SIGABRT, ""),
    "os.kill(os.getpid(), signal.SIGKILL)": (-signal.SIGKILL, ""),
    "import atexit; atexit.register(print, 'at the end'); sys.exit(1)": (1, "at the end"),
    "print(__name__, sys.argv[1:] == [os.environ['FOLDER']], os.getsid(0) == os.getpid(), os.getcwd())": (
        0,
        f"__main__ True True {os.getcwd()}",  # noqa: PTH109
    ),
    "print(os.getppid() == int(os.environ['MACSQL_PARENT']), sys.stdin.read(), os.environ['OMP_NUM_THREADS'])": (
        0,
        "True  2",
    ),
    "print(sorted(os.listdir('/proc/self/fd'))[:4], len(os.listdir('/proc/self/fd')))": (0, "['0', '1', '2', '3'] 4"),
}

SWEEP = """
import sys, time
from pathlib import Path
from macsql.executors.local import LocalExecutor, Share
executor = LocalExecutor([Share(1, None)], "ending", forks=True)
handle = executor.start(Path(sys.argv[1]), 0)
print(handle.process.pid, executor._warm.process.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Makes `ending`, the module that trials run, of a line of code."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("FOLDER", str(tmp_path))

    def make(code):
        (tmp_path / "ending.py").write_text(f"import os, signal, sys, time\n{code}\n")
        (tmp_path / "log.txt").unlink(missing_ok=True)

    return make


@pytest.fixture
def executor():
    made = LocalExecutor([Share(2, None)], "ending", forks=True)
    yield made
    made.close()


def last_line(folder):
    return ((folder / "log.txt").read_text().splitlines() or [""])[-1]


def test_a_forked_trial_ends_as_one_that_is_started(tmp_path, module, executor):
    for code, (exit_code, line) in ENDS.items():
        module(code)
        assert (ended(executor.start(tmp_path, 0)), last_line(tmp_path)) == (exit_code, line), code
    assert executor.forks


@pytest.mark.slow
@pytest.mark.parametrize("code", ENDS)
def test_one_that_is_started_ends_so(tmp_path, module, code):
    module(code)
    started = LocalExecutor([Share(2, None)], "ending")
    assert (ended(started.start(tmp_path, 0)), last_line(tmp_path)) == ENDS[code]


def test_a_trial_goes_on_when_the_process_that_forked_it_is_killed(tmp_path, module, executor, capsys):
    module("while not os.path.exists(sys.argv[1] + '/go'): time.sleep(0.01)\nsys.exit(3)")
    handle = executor.start(tmp_path, 0)
    os.kill(executor._warm.process.pid, signal.SIGKILL)
    executor._warm.process.wait()
    assert handle.poll() is None
    (tmp_path / "go").touch()
    assert ended(handle) == 3
    assert ended(executor.start(tmp_path, 0)) == 3
    assert ended(executor.start(tmp_path, 0)) == 3
    assert capsys.readouterr().out == (
        "From here on each trial imports for itself, some seconds more: none can be forked (ended by signal 9).\n"
    )


def test_a_process_that_cannot_fork_is_done_without(tmp_path, module, executor, capsys):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif 'macsql.executors.warm' in sys.orig_argv: sys.exit('no room for it')\n"
    )
    module("print('done')")
    assert ended(executor.start(tmp_path, 0)) == 0
    assert last_line(tmp_path) == "done"
    assert "none can be forked (SystemExit: no room for it)" in capsys.readouterr().out


def test_nothing_is_left_of_a_sweep_that_is_killed(tmp_path, module):
    """The trial is told by the kernel as any other is, and the process that forks trials ends."""
    module(
        "from macsql.trials.stopping import StopRequest, stop_with_parent\n"
        "stop = StopRequest().listen(); stop_with_parent(stop)\n"
        "while not stop.requested: time.sleep(0.01)\nprint('asked to stop')"
    )
    with subprocess.Popen([sys.executable, "-c", SWEEP, str(tmp_path)], stdout=subprocess.PIPE) as sweep:
        both = [psutil.Process(int(word)) for word in sweep.stdout.readline().split()]
        sweep.kill()
    wait_for(lambda: not any(map(psutil.Process.is_running, both)), "their end")
    assert last_line(tmp_path) == "asked to stop"


def test_a_trial_that_is_not_told_to_go_does_nothing(tmp_path, module):
    """A sweep that dies in the middle of starting a trial leaves none behind that it does not know."""
    module("open(sys.argv[1] + '/begun', 'w')")
    task = Task(tmp_path, tmp_path, 1, "ending")
    made = Warm(task)
    try:
        for order in (b"", b'{"folder": "half'):
            here, there = socket.socketpair()
            with here, there, (tmp_path / "log.txt").open("ab") as log:
                socket.send_fds(made._requests, [b"+"], [there.fileno(), log.fileno()])
                there.close()
                here.sendall(order)
                here.shutdown(socket.SHUT_WR)
                assert here.recv(1) == b""
        assert ended(made.launch(task, {})) == 0  # it forks on
        assert (tmp_path / "begun").exists()
    finally:
        made.close()


@pytest.fixture
def real(tmp_path, tiny):
    """Makes the folder of a small real trial of so many threads."""

    def make(name, threads):
        made = tmp_path / name
        made.mkdir()
        tiny.executor.threads = threads
        (made / "config.yaml").write_text(to_yaml(tiny))
        (made / "trial.json").write_text(json.dumps({"prepared": str(prepare(tiny).folder.resolve())}))
        return made

    return make


def test_a_forked_trial_learns_and_answers_as_any_other(real, tiny):
    here, forked = real("here", 1), real("forked", 1)
    executor = LocalExecutor([Share(1, None)], forks=True)
    executor.prepare()
    assert run_folder(here, prepare(tiny)).status == "FINISHED"
    assert ended(executor.start(forked, 0), 300) == 0, (forked / "log.txt").read_text()
    executor.close()
    for name in ("predictions.jsonl", "verdicts.jsonl", "model/model.safetensors"):
        assert (forked / name).read_bytes() == (here / name).read_bytes(), name
    assert read_result(forked).metrics == read_result(here).metrics
    assert not (forked / "log.txt").read_text()
    assert executor.forks


@pytest.mark.slow
def test_forked_trials_of_several_threads_come_to_their_ends(real):
    """Threads that an import has started would be missing in a copy."""
    executor = LocalExecutor([Share(2, None)] * 2, forks=True)
    handles = [executor.start(real(name, 2), slot) for slot, name in enumerate(("one", "other"))]
    assert [ended(handle, 600) for handle in handles] == [0, 0]
    executor.close()


def test_a_process_with_threads_does_not_fork():
    here, there = socket.socketpair()
    waiting = threading.Event()
    other = threading.Thread(target=waiting.wait)
    other.start()
    try:
        with here, there, pytest.raises(RuntimeError, match="a thread"):
            warm.serve(there, os.getpid())
    finally:
        waiting.set()
        other.join()
