"""Trials as child processes: shares of the machine, and how they are ended."""

import os
import signal
import subprocess
import sys
import time

import pytest
from waiting import wait_for

from macsql.config import ExecutorConfig
from macsql.errors import UserError
from macsql.executors import local, orphan
from macsql.executors.forked import Forked
from macsql.executors.local import LocalExecutor, Share, usable_cores
from macsql.trials.process import EXIT_STOPPED, lock_of

SLEEPER = """
import os, subprocess, sys, time
print(os.environ["OMP_NUM_THREADS"], os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ["MACSQL_PARENT"], flush=True)
child = subprocess.Popen(["sleep", "60"])
open(sys.argv[1] + "/child", "w").write(str(child.pid))
time.sleep(60)
"""

HOLDER = """
import signal, sys, time
from pathlib import Path
from macsql.trials.process import lock_of
lock = lock_of(Path(sys.argv[1]))
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
assert lock.acquire()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def machine(monkeypatch):
    """A machine with so many cores and GPUs."""

    def make(cores, gpus=()):
        monkeypatch.setattr(local, "usable_cores", lambda: cores)
        monkeypatch.setattr(local, "visible_gpus", lambda: list(gpus))

    return make


@pytest.mark.parametrize(
    ("cores", "gpus", "parameters", "settings", "shares"),
    [
        (8, [], 1_000_000, {}, [(1, None)] * 8),
        (8, [], 60_000_000, {}, [(8, None)]),
        (8, [], None, {}, [(8, None)]),
        (8, [], 60_000_000, {"threads": 2}, [(2, None)] * 4),
        (8, [], 1_000_000, {"workers": 2}, [(1, None)] * 2),
        (8, [], 60_000_000, {"workers": 4}, [(2, None)] * 4),
        (8, ["0", "1"], 60_000_000, {}, [(4, "0"), (4, "1")]),
        (8, ["GPU-a"], 60_000_000, {"workers": 2}, [(4, "GPU-a")] * 2),
        (1, [], 1_000_000, {}, [(1, None)]),
        (2, [], 60_000_000, {"threads": 4}, [(4, None)]),
    ],
)
def test_the_machine_is_shared_out(machine, cores, gpus, parameters, settings, shares):
    machine(cores, gpus)
    made = LocalExecutor.suited(ExecutorConfig(name="local", **settings), parameters)
    assert [(share.threads, share.gpu) for share in made.shares] == shares
    assert made.slots == len(shares)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"workers": 0}, "executor.workers=0"),
        ({"threads": -1}, "executor.threads=-1"),
        ({"options": {"x": 1}}, "options.x"),
        ({"options": {"forks": "maybe"}}, "options.forks=maybe: write true or false"),
    ],
)
def test_odd_settings_are_refused(settings, words):
    with pytest.raises(UserError, match=words):
        LocalExecutor.suited(ExecutorConfig(name="local", **settings), 1)


@pytest.mark.parametrize(("quota", "cores"), [("max 100000", None), ("100000 100000", 1), ("50000 100000", 1)])
def test_a_containers_quota_counts(tmp_path, quota, cores):
    (tmp_path / "cpu.max").write_text(quota)
    assert usable_cores(tmp_path / "cpu.max") == (cores or len(os.sched_getaffinity(0)))
    assert usable_cores(tmp_path / "none") == len(os.sched_getaffinity(0))


@pytest.fixture(params=[True, False], ids=["forked", "started"])
def sleeper(tmp_path, monkeypatch, request):
    """A running trial that has started a process of its own."""
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    executor = LocalExecutor([local.Share(3, "GPU-b")], "sleeper", forks=request.param)
    handle = executor.start(tmp_path, 0)
    assert isinstance(handle.process, Forked) == request.param

    def started():
        assert handle.poll() is None, (tmp_path / "log.txt").read_text()
        return (tmp_path / "child").exists() and (tmp_path / "child").read_text()

    try:
        wait_for(started, "the sleeper's child")
        yield handle
    finally:
        handle.kill()
        executor.close()


def test_killing_takes_the_trials_own_processes_too(sleeper, tmp_path):
    assert sleeper.poll() is None
    sleeper.kill()
    assert sleeper.poll() == -9
    assert (tmp_path / "log.txt").read_text().split() == ["3", "GPU-b", str(os.getpid())]
    child = int((tmp_path / "child").read_text())
    until = time.monotonic() + 5
    while os.path.exists(f"/proc/{child}") and "Z" not in open(f"/proc/{child}/stat").read().split():  # noqa: PTH110, PTH123, SIM115
        assert time.monotonic() < until
        time.sleep(0.01)
    sleeper.kill()  # and again does nothing


def test_stopping_asks(sleeper):
    sleeper.stop()
    assert sleeper.process.wait(5) == -15
    sleeper.stop()


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_process_at_work_in_a_folder_is_adopted(tmp_path, monkeypatch, request):
    """Another process holds the folder, deaf to every signal but one, until its patience is over."""
    monkeypatch.setattr(orphan, "PATIENCE", 0.4)
    executor = LocalExecutor([Share(1, None)])
    assert executor.adopt(tmp_path) is None
    holder = request.getfixturevalue("holder")
    handle = executor.adopt(tmp_path)
    handle.stop()
    assert handle.poll() is None
    assert wait_for(lambda: handle.poll(), "its end", 10) == EXIT_STOPPED
    assert holder.wait(5) == -signal.SIGKILL


def test_a_process_on_another_machine_is_left_alone(tmp_path, monkeypatch, holder):
    monkeypatch.setattr(orphan, "PATIENCE", 0.0)
    monkeypatch.setattr(orphan, "HOST", "elsewhere")
    handle = LocalExecutor([Share(1, None)]).adopt(tmp_path)
    assert [handle.poll() for _ in range(3)] == [None] * 3
    assert holder.poll() is None
    handle.stop()
    assert handle.poll() == EXIT_STOPPED


def test_looking_at_a_folder_leaves_in_its_lock_who_had_it_last(tmp_path, holder):
    said = lock_of(tmp_path).holder()
    assert said[0] == holder.pid
    assert not lock_of(tmp_path).free()
    holder.kill()
    holder.wait()
    assert lock_of(tmp_path).free()
    assert lock_of(tmp_path).holder() == said
    assert lock_of(tmp_path / "nowhere").free()
    assert not (tmp_path / "nowhere").exists()
    mine = lock_of(tmp_path)
    assert mine.acquire()
    assert not mine.free()
    mine.release()
    assert mine.free()


KILL = """
import json, os, sys
from pathlib import Path
from macsql.executors.orphan import Orphan
from macsql.system.file_lock import HOST
folder = Path(sys.argv[1])
about = {"pid": int(sys.argv[2]) or os.getpid(), "host": HOST}
(folder / "trial.lock").write_text(json.dumps(about))
Orphan(folder).kill()
print("alive")
"""


def test_a_sweep_does_not_kill_itself_for_a_number_of_its_own_that_an_old_trial_had(tmp_path, holder):
    done = subprocess.run([sys.executable, "-c", KILL, str(tmp_path), "0"], capture_output=True, text=True, timeout=60)
    assert done.stdout == "alive\n", done
    assert holder.poll() is None


def test_a_process_whose_number_stands_in_a_lock_that_is_free_is_left_alone(tmp_path):
    with subprocess.Popen(["sleep", "60"]) as stranger:
        subprocess.run([sys.executable, "-c", KILL, str(tmp_path), str(stranger.pid)], check=True, timeout=60)
        assert stranger.poll() is None
        stranger.kill()


@pytest.mark.parametrize(
    ("listing", "names"),
    [
        ("GPU 0: A (UUID: GPU-a)\nGPU 1: A (UUID: GPU-b)", ["0", "1"]),
        (
            "GPU 0: A (UUID: GPU-a)\n  MIG 1g.10gb Device  0: (UUID: MIG-x)\n  MIG 1g.10gb Device  1: (UUID: MIG-y)\n"
            "GPU 1: A (UUID: GPU-b)",
            ["MIG-x", "MIG-y", "1"],
        ),
        ("", []),
    ],
)
def test_gpus_are_counted_and_their_parts(tmp_path, monkeypatch, listing, names):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!{sys.executable}\nprint({listing!r})")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert local.visible_gpus() == names
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,-1")
    assert local.visible_gpus() == ["3"]
