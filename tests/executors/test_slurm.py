"""Trials as jobs of a Slurm that is four small scripts (fake_slurm.py)."""

import os
import signal
import sys
import time

import pytest
from remote_stub import GATED, undisturbed
from waiting import at_work, ended, open_gate, steps_told, wait_for, wait_for_gate

from macsql.config import ExecutorConfig
from macsql.errors import UserError
from macsql.executors.jobs import judged
from macsql.executors.mirror import whole_checkpoints
from macsql.executors.slurm import SlurmExecutor, SlurmHandle
from macsql.trials.process import EXIT_STOPPED
from macsql.trials.result import read_result

pytest.importorskip("submitit", reason="submitit is not installed: pip install -e '.[slurm]'")


def executor(**options):
    return SlurmExecutor(ExecutorConfig("slurm", options={"module": "remote_stub", **options}), 1000)


@pytest.mark.usefixtures("slurm")
def test_a_job_runs_a_trial_to_its_end(stub_folder):
    folder = stub_folder()
    assert ended(executor().start(folder, 0)) == 0
    assert read_result(folder).metrics == {"eval_loss": undisturbed(20)}
    assert (folder / "log.txt").read_text() == "from step 0\n"


@pytest.mark.usefixtures("slurm")
def test_a_job_that_is_stopped_leaves_a_checkpoint_to_go_on_from(stub_folder):
    folder = stub_folder(gated=True)
    there = executor()
    job = there.start(folder, 0)
    wait_for_gate(folder)
    job.stop()
    assert ended(job) == EXIT_STOPPED
    assert whole_checkpoints(folder)[-1].name == f"checkpoint-{GATED}"  # at the step where it was asked
    assert steps_told(folder) == GATED
    assert ended(there.start(folder, 0)) == 0
    assert read_result(folder).metrics == {"eval_loss": undisturbed(20)}


@pytest.mark.usefixtures("slurm")
def test_a_job_that_is_killed_ends_at_once(stub_folder):
    folder = stub_folder(gated=True)
    job = executor().start(folder, 0)
    wait_for_gate(folder)
    job.kill()
    assert job.poll() == -signal.SIGKILL  # without a look at Slurm's accounting, which is slow to tell
    wait_for(lambda: not at_work(folder), "the end of all its processes")
    assert read_result(folder) is None


def test_what_slurm_ends_early_goes_on_in_another_job(slurm, stub_folder):
    """A time limit sends SIGTERM to every process of the job, and nobody of ours has asked for it."""
    folder = stub_folder(gated=True)
    handle = executor(resubmit=1).start(folder, 0)
    wait_for_gate(folder)
    os.system("scancel --signal=TERM 1")
    assert ended(handle) == 0
    assert len(list(slurm.glob("*.sh"))) == 2
    assert read_result(folder).metrics == {"eval_loss": undisturbed(20)}
    assert (folder / "log.txt").read_text().splitlines() == ["from step 0", f"from step {GATED}"]


def test_what_slurm_preempts_without_a_warning_goes_on_from_its_last_checkpoint(slurm, stub_folder):
    """No process of the job is left to say how it ended; the accounting does."""
    folder = stub_folder(gated=True)
    handle = executor(resubmit=1).start(folder, 0)
    wait_for_gate(folder)
    (slurm / "1.state").write_text("PREEMPTED")
    os.system("scancel 1")
    open_gate(folder)
    assert ended(handle) == 0
    assert len(list(slurm.glob("*.sh"))) == 2
    assert read_result(folder).metrics == {"eval_loss": undisturbed(20)}
    assert (folder / "log.txt").read_text().splitlines() == ["from step 0", "from step 5"]


def test_a_next_job_that_is_refused_costs_an_attempt_and_the_log_says_why(slurm, stub_folder):
    folder = stub_folder(gated=True)
    handle = executor().start(folder, 0)
    wait_for_gate(folder)
    (slurm / "closed").touch()
    os.system("scancel --signal=TERM 1")
    assert ended(handle) == EXIT_STOPPED
    assert "could not be submitted (FailedJobError: sbatch: error: no more jobs" in (folder / "log.txt").read_text()


def test_what_has_ended_early_is_not_submitted_again_to_be_stopped(slurm, stub_folder):
    folder = stub_folder(gated=True)
    handle = executor().start(folder, 0)
    wait_for_gate(folder)
    os.system("scancel --signal=TERM 1")
    wait_for(lambda: list(folder.glob("jobs/1_*_result.pkl")), "the end of its function")
    handle.stop()
    assert handle.poll() == EXIT_STOPPED
    assert len(list(slurm.glob("*.sh"))) == 1


@pytest.mark.parametrize(
    ("word", "state"),
    [
        *((word, "alive") for word in ("PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "COMPLETING", "REQUEUED")),
        *((word, "alive") for word in ("REQUEUE_HOLD", "RESIZING", "STAGE_OUT", "A_WORD_OF_NEXT_YEAR")),
        *((word, "early") for word in ("PREEMPTED", "TIMEOUT", "PREEMPTED by 0")),
        *((word, "gone") for word in ("COMPLETED", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE")),
        *((word, "gone") for word in ("CANCELLED", "CANCELLED by 1000", "CANCELLED+")),
        *((word, "unknown") for word in ("", " ", "UNKNOWN")),
    ],
)
def test_what_a_word_of_slurms_accounting_means(word, state):
    assert judged(word) == state


@pytest.mark.parametrize("word", ["SUSPENDED", "CONFIGURING", "REQUEUE_HOLD"])
def test_a_job_that_is_not_at_work_but_has_not_ended_is_waited_for(slurm, stub_folder, monkeypatch, word):
    monkeypatch.setattr("macsql.executors.slurm.FORCED_LOOK", 0.0)
    folder = stub_folder()
    (slurm / "full").touch()
    handle = executor().start(folder, 0)
    (slurm / "1.state").write_text(word)
    for _ in range(3):
        assert handle.poll() is None
        time.sleep(0.01)  # submitit asks at most once a millisecond
    assert isinstance(executor().adopt(folder), SlurmHandle)
    (slurm / "1.state").write_text("NODE_FAIL")
    assert ended(handle) == -signal.SIGKILL
    assert executor().adopt(folder) is None


@pytest.mark.usefixtures("slurm")
def test_a_lost_job_is_a_failed_attempt_with_a_reason(stub_folder):
    folder = stub_folder(gated=True)
    handle = executor().start(folder, 0)
    wait_for_gate(folder)
    os.system("scancel 1")  # by somebody else, with SIGKILL
    assert ended(handle) == -signal.SIGKILL
    assert "Slurm ended job 1 (NODE_FAIL)" in (folder / "log.txt").read_text()


def test_a_job_in_the_queue_leaves_it_when_stopped(slurm, stub_folder):
    (slurm / "full").touch()
    handle = executor().start(stub_folder(), 0)
    assert handle.poll() is None
    handle.stop()
    assert ended(handle) == EXIT_STOPPED
    assert (slurm / "scancel").read_text().splitlines()[0] == "--state=PENDING 1"


def test_the_options_reach_the_job_script(slurm, stub_folder):
    (slurm / "full").touch()
    executor(partition="gpu", time=90, grace=60, mem_gb=16, gpus_per_node=1, setup=["module load x"]).start(
        stub_folder(), 0
    )
    script = (slurm / "1.sh").read_text()
    for line in ("partition=gpu", "time=90", "signal=TERM@60", "mem=16GB", "gpus-per-node=1", "cpus-per-task=1"):
        assert f"#SBATCH --{line}\n" in script
    assert "\nmodule load x\n" in script
    assert "#SBATCH --no-requeue\n" in script


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gpus_per_node": 2}, "gpus_per_node=2: a trial trains on one GPU"),
        ({"partitoin": "gpu"}, "executor.options.partitoin"),
        ({}, "srun is missing"),
    ],
)
def test_an_executor_that_cannot_work_is_refused_in_a_sentence(monkeypatch, options, words):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match=words):
        SlurmExecutor(ExecutorConfig("slurm", options=options), None)


def test_without_submitit_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(UserError, match="executor=slurm needs the library submitit"):
        SlurmExecutor(ExecutorConfig("slurm"), None)


def test_a_job_in_the_queue_outlives_its_sweep_and_is_found_again(slurm, stub_folder):
    """The sweep is gone, its job is not: a second one in the same folder would get in its way."""
    folder = stub_folder()
    (slurm / "full").touch()
    executor().start(folder, 0)
    handle = executor().adopt(folder)
    assert handle.poll() is None
    handle.stop()
    assert ended(handle) == EXIT_STOPPED
    assert len(list(slurm.glob("*.sh"))) == 1
    assert executor().adopt(folder) is None


def test_a_running_job_outlives_its_sweep_and_is_heard_to_its_end(slurm, stub_folder):
    folder = stub_folder(gated=True)
    executor().start(folder, 0)
    wait_for_gate(folder)
    handle = executor().adopt(folder)
    assert handle.poll() is None
    open_gate(folder)
    assert ended(handle) == 0
    assert read_result(folder).metrics == {"eval_loss": undisturbed(20)}
    assert len(list(slurm.glob("*.sh"))) == 1
    wait_for(lambda: executor().adopt(folder) is None, "the job's own end")


@pytest.mark.parametrize("last", ["slurm:1", "local:1", "1"])
def test_a_slurm_job_is_not_looked_for_under_the_number_of_a_process(slurm, stub_folder, last):
    """The number may be that of anybody's job, which to cancel would be a shame."""
    (slurm / "full").touch()
    executor().start(stub_folder("other"), 0)
    folder = stub_folder()
    (folder / "jobs").mkdir()
    (folder / "jobs" / "last").write_text(last)
    found = executor().adopt(folder)
    assert isinstance(found, SlurmHandle) if last == "slurm:1" else found is None
