"""Trials as child processes: shares of the machine, and how they are ended."""

import os
import time

import pytest

from macsql.config import ExecutorConfig
from macsql.errors import UserError
from macsql.executors import local
from macsql.executors.local import LocalExecutor, usable_cores

SLEEPER = """
import os, subprocess, sys, time
print(os.environ["OMP_NUM_THREADS"], os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ["MACSQL_PARENT"], flush=True)
child = subprocess.Popen(["sleep", "60"])
open(sys.argv[1] + "/child", "w").write(str(child.pid))
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
        (8, ["0", "1"], 60_000_000, {}, [(4, "0"), (4, "1")]),
        (8, ["GPU-a"], 60_000_000, {"workers": 2}, [(8, "GPU-a")] * 2),
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


@pytest.fixture
def sleeper(tmp_path, monkeypatch):
    """A running trial that has started a process of its own."""
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    handle = LocalExecutor([local.Share(3, "GPU-b")], "sleeper").start(tmp_path, 0)
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
        time.sleep(0.01)
    yield handle
    handle.kill()


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
