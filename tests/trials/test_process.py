"""What goes on around a trial's work."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from macsql.errors import UserError
from macsql.trials import process
from macsql.trials.process import complete, lock_of
from macsql.trials.result import Result, read_result, write_result
from macsql.trials.stopping import PARENT_DIED, Diverged, Interrupted, StopRequest

HOLDER = "import sys, time; from pathlib import Path; from macsql.trials.process import lock_of\n"
HOLDER += "lock = lock_of(Path(sys.argv[1])); assert lock.acquire(); print('held', flush=True); time.sleep(60)"


@pytest.fixture
def holder(tmp_path):
    """Another process that is at work in the folder."""
    other = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    yield other
    other.kill()
    other.wait()


def done(**metrics):
    return lambda: Result("FINISHED", metrics)


def test_a_folder_that_is_finished_is_not_worked_in_again(tmp_path):
    complete(tmp_path, StopRequest(), done(a=1.0))
    assert complete(tmp_path, StopRequest(), done(a=2.0)).metrics == {"a": 1.0}


def test_a_failed_one_is(tmp_path):
    write_result(tmp_path, Result("FAILED", {}, "once"))
    assert complete(tmp_path, StopRequest(), done(a=2.0)).status == "FINISHED"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UserError("Wrong."), "Wrong."),
        (Diverged("at step 3"), "diverged: at step 3"),
        (ValueError("one\ntwo"), "ValueError: one"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_whatever_goes_wrong_is_a_result(tmp_path, error, reason):
    def work():
        raise error

    assert complete(tmp_path, StopRequest(), work).reason == reason
    assert read_result(tmp_path).status == "FAILED"
    assert lock_of(tmp_path).free()


@pytest.mark.parametrize("left", [b"", b'{"status": "FINISHED", "metr', bytes(64)])
def test_half_a_result_is_none(tmp_path, left):
    """A power cut can leave a file that has its name but not yet its text."""
    (tmp_path / "result.json").write_bytes(left)
    assert read_result(tmp_path) is None
    assert complete(tmp_path, StopRequest(), done(a=1.0)).metrics == {"a": 1.0}
    assert read_result(tmp_path).metrics == {"a": 1.0}


def test_results_of_earlier_versions_are_read(tmp_path):
    old = {"status": "FINISHED", "metrics": {"a": 1.0}, "reason": "", "steps": 7, "seconds": 2.0, "parts": {}}
    (tmp_path / "result.json").write_text(json.dumps(old))
    assert read_result(tmp_path).timed_steps == 7


def test_an_interruption_leaves_no_result(tmp_path):
    def work():
        raise Interrupted

    with pytest.raises(Interrupted):
        complete(tmp_path, StopRequest(), work)
    assert read_result(tmp_path) is None


def test_a_folder_is_not_shared(tmp_path, holder, monkeypatch):
    monkeypatch.setattr(process, "PATIENCE", 0.2)
    result = complete(tmp_path, StopRequest(), done())
    assert (result.status, read_result(tmp_path)) == ("FAILED", None)
    assert f"Process {holder.pid} on" in result.reason


def test_it_is_waited_for(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    assert complete(tmp_path, StopRequest(), done()).status == "FINISHED"


def test_waiting_can_be_stopped(tmp_path, holder):  # noqa: ARG001
    stop = StopRequest()
    stop.requested = True
    with pytest.raises(Interrupted):
        complete(tmp_path, stop, done())


def test_a_trial_whose_parent_is_gone_already_does_nothing(tmp_path):
    """The parent died before the kernel was asked to tell of it."""
    code = "import sys; from pathlib import Path; from macsql.trials.process import serve\n"
    code += "sys.exit(serve(Path(sys.argv[1]), lambda stop: 1 / 0))"
    environment = os.environ | {"MACSQL_PARENT": "1"}
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, check=False)
    assert ended.returncode == process.EXIT_STOPPED
    assert not (tmp_path / "result.json").exists()


def test_the_lock_is_free_the_moment_its_holder_dies(tmp_path, holder):
    assert not lock_of(tmp_path).free()
    assert lock_of(tmp_path).holder()[0] == holder.pid
    os.kill(holder.pid, signal.SIGKILL)
    until = time.monotonic() + 5
    while not lock_of(tmp_path).free():
        assert time.monotonic() < until


def test_a_parents_death_asks_however_often_it_is_told():
    """The kernel tells of it once for each thread of the parent."""
    stop = StopRequest().listen()
    try:
        for _ in range(3):
            os.kill(os.getpid(), PARENT_DIED)
        assert stop.requested
    finally:
        for number in (signal.SIGTERM, PARENT_DIED):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
