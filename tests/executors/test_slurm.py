"""Trials as submitit jobs: of this machine for real, of a Slurm that is three small scripts."""

import os
import signal
import stat
import subprocess
import sys
import time

import psutil
import pytest
from remote_stub import GATED, undisturbed
from waiting import at_work, ended, open_gate, steps_told, wait_for, wait_for_gate

from macsql.config import ExecutorConfig
from macsql.errors import UserError
from macsql.executors.jobs import judged
from macsql.executors.mirror import whole_checkpoints
from macsql.executors.orphan import Orphan
from macsql.executors.slurm import SlurmExecutor, SlurmHandle
from macsql.trials.process import EXIT_STOPPED
from macsql.trials.result import read_result

submitit = pytest.importorskip("submitit", reason="submitit is not installed: pip install -e '.[slurm]'")


def executor(cluster="local", **options):
    return SlurmExecutor(
        ExecutorConfig("slurm", options={"cluster": cluster, "module": "remote_stub", **options}), 1000
    )


# What a cluster's commands do as far as a job can tell: a batch script runs on, srun runs its command, scancel signals
# all processes of the job, sacct knows what has become of it.
SBATCH = """
import os, subprocess, sys
from pathlib import Path
here = Path(os.environ["FAKE_SLURM"])
if (here / "closed").exists():
    sys.exit("sbatch: error: no more jobs today")
number = str(len(list(here.glob("*.sh"))) + 1)
script = here / f"{number}.sh"
script.write_text(Path(sys.argv[1]).read_text())
if not (here / "full").exists():
    environment = os.environ | {"SLURM_JOB_ID": number, "SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
    log = (here / f"{number}.out").open("wb")
    job = subprocess.Popen(["bash", str(script)], env=environment, stdout=log, stderr=log, start_new_session=True)
    (here / f"{number}.pid").write_text(str(job.pid))
print(f"Submitted batch job {number}")
"""
SRUN = """
import os, sys
command = sys.argv[1:]
while command and command[0].startswith("-"):
    command = command[2:] if command[0] in ("--output", "--error") else command[1:]
os.execvp(command[0], command)
"""
SCANCEL = """
import os, signal, sys
from pathlib import Path
import psutil
here, number = Path(os.environ["FAKE_SLURM"]), sys.argv[-1]
with (here / "scancel").open("a") as log:
    log.write(" ".join(sys.argv[1:]) + "\\n")
pid = here / f"{number}.pid"
if sys.argv[1].startswith("--state"):
    if not pid.exists():
        (here / f"{number}.state").write_text("CANCELLED by 0")
elif pid.exists():
    job = psutil.Process(int(pid.read_text()))
    kind = signal.SIGTERM if sys.argv[1] == "--signal=TERM" else signal.SIGKILL
    for process in job.children(recursive=True) + [job]:
        if process.name() != "bash":  # the batch script itself gets none
            process.send_signal(kind)
"""
SACCT = """
import os
from pathlib import Path
import psutil
here = Path(os.environ["FAKE_SLURM"])
print("JobID|State|NodeList")
for script in here.glob("*.sh"):
    number = script.stem
    state, pid = here / f"{number}.state", here / f"{number}.pid"
    if state.exists():
        word = state.read_text()
    elif not pid.exists():
        word = "PENDING"
    else:
        alive = psutil.pid_exists(int(pid.read_text())) and psutil.Process(int(pid.read_text())).status() != "zombie"
        word = "RUNNING" if alive else "NODE_FAIL"
    print(f"{number}|{word}|node1")
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A folder that stands for the cluster: N.sh a job's script, N.pid its process, `full` when nothing may start,
    `closed` when nothing may be submitted, N.state what the accounting is to say of a job whatever it is at."""
    cluster = tmp_path / "cluster"
    cluster.mkdir()
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {"sbatch": SBATCH, "srun": SRUN, "scancel": SCANCEL, "sacct": SACCT}.items():
        path = programs / name
        path.write_text(f"#!{sys.executable}{text}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SLURM", str(cluster))
    monkeypatch.setattr("macsql.executors.slurm.FORCED_LOOK", 1.0)
    # Job numbers begin at 1 in every test, and submitit remembers for good which have ended.
    monkeypatch.setattr(submitit.SlurmJob, "watcher", type(submitit.SlurmJob.watcher)(delay_s=600))
    yield cluster
    for pid in cluster.glob("*.pid"):
        if psutil.pid_exists(int(pid.read_text())):
            for child in psutil.Process(int(pid.read_text())).children(recursive=True):
                child.kill()


@pytest.fixture(params=["local", "slurm"])
def cluster(request):
    if request.param == "slurm":
        request.getfixturevalue("slurm")
    return request.param


def test_a_job_runs_a_trial_to_its_end(cluster, stub_folder):
    folder = stub_folder()
    assert ended(executor(cluster).start(folder, 0)) == 0
    assert read_result(folder).metrics == {"eval_loss": undisturbed(20)}
    assert (folder / "log.txt").read_text() == "from step 0\n"


def test_a_job_that_is_stopped_leaves_a_checkpoint_to_go_on_from(cluster, stub_folder):
    folder = stub_folder(gated=True)
    there = executor(cluster)
    job = there.start(folder, 0)
    wait_for_gate(folder)
    job.stop()
    assert ended(job) == EXIT_STOPPED
    assert whole_checkpoints(folder)[-1].name == f"checkpoint-{GATED}"  # at the step where it was asked
    assert steps_told(folder) == GATED
    assert ended(there.start(folder, 0)) == 0
    assert read_result(folder).metrics == {"eval_loss": undisturbed(20)}


def test_a_job_that_is_killed_ends_at_once(cluster, stub_folder):
    folder = stub_folder(gated=True)
    job = executor(cluster).start(folder, 0)
    wait_for_gate(folder)
    job.kill()
    assert job.poll() == -signal.SIGKILL  # without a look at Slurm's accounting, which is slow to tell
    wait_for(lambda: not at_work(folder), "the end of all its processes")
    assert read_result(folder) is None


def test_what_slurm_ends_early_goes_on_in_another_job(slurm, stub_folder):
    """A time limit sends SIGTERM to every process of the job, and nobody of ours has asked for it."""
    folder = stub_folder(gated=True)
    handle = executor("slurm", resubmit=1).start(folder, 0)
    wait_for_gate(folder)
    os.system("scancel --signal=TERM 1")
    assert ended(handle) == 0
    assert len(list(slurm.glob("*.sh"))) == 2
    assert read_result(folder).metrics == {"eval_loss": undisturbed(20)}
    assert (folder / "log.txt").read_text().splitlines() == ["from step 0", f"from step {GATED}"]


def test_what_slurm_preempts_without_a_warning_goes_on_from_its_last_checkpoint(slurm, stub_folder):
    """No process of the job is left to say how it ended; the accounting does."""
    folder = stub_folder(gated=True)
    handle = executor("slurm", resubmit=1).start(folder, 0)
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
    handle = executor("slurm").start(folder, 0)
    wait_for_gate(folder)
    (slurm / "closed").touch()
    os.system("scancel --signal=TERM 1")
    assert ended(handle) == EXIT_STOPPED
    assert "could not be submitted (FailedJobError): sbatch: error: no more jobs" in (folder / "log.txt").read_text()


def test_what_has_ended_early_is_not_submitted_again_to_be_stopped(slurm, stub_folder):
    folder = stub_folder(gated=True)
    handle = executor("slurm").start(folder, 0)
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
    handle = executor("slurm").start(folder, 0)
    (slurm / "1.state").write_text(word)
    for _ in range(3):
        assert handle.poll() is None
        time.sleep(0.01)  # submitit asks at most once a millisecond
    assert isinstance(executor("slurm").adopt(folder), SlurmHandle)
    (slurm / "1.state").write_text("NODE_FAIL")
    assert ended(handle) == -signal.SIGKILL
    assert executor("slurm").adopt(folder) is None


@pytest.mark.usefixtures("slurm")
def test_a_lost_job_is_a_failed_attempt_with_a_reason(stub_folder):
    folder = stub_folder(gated=True)
    handle = executor("slurm").start(folder, 0)
    wait_for_gate(folder)
    os.system("scancel 1")  # by somebody else, with SIGKILL
    assert ended(handle) == -signal.SIGKILL
    assert "Slurm ended job 1 (NODE_FAIL)" in (folder / "log.txt").read_text()


def test_a_job_in_the_queue_leaves_it_when_stopped(slurm, stub_folder):
    (slurm / "full").touch()
    handle = executor("slurm").start(stub_folder(), 0)
    assert handle.poll() is None
    handle.stop()
    assert ended(handle) == EXIT_STOPPED
    assert (slurm / "scancel").read_text().splitlines()[0] == "--state=PENDING 1"


def test_the_options_reach_the_job_script(slurm, stub_folder):
    (slurm / "full").touch()
    executor("slurm", partition="gpu", time=90, grace=60, mem_gb=16, gpus_per_node=1, setup=["module load x"]).start(
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
        ({"cluster": "kubernetes"}, "write slurm or local"),
        ({"gpus_per_node": 2}, "gpus_per_node=2: a trial trains on one GPU"),
        ({"partitoin": "gpu"}, "executor.options.partitoin"),
        ({"cluster": "slurm"}, "srun is missing"),
    ],
)
def test_an_executor_that_cannot_work_is_refused_in_a_sentence(monkeypatch, options, words):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match=words):
        SlurmExecutor(ExecutorConfig("slurm", options=options), None)


def test_without_submitit_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(UserError, match=r"executor=slurm needs submitit: pip install 'macsql\[slurm\]'"):
        SlurmExecutor(ExecutorConfig("slurm"), None)


def test_a_job_in_the_queue_outlives_its_sweep_and_is_found_again(slurm, stub_folder):
    """The sweep is gone, its job is not: a second one in the same folder would get in its way."""
    folder = stub_folder()
    (slurm / "full").touch()
    executor("slurm").start(folder, 0)
    handle = executor("slurm").adopt(folder)
    assert handle.poll() is None
    handle.stop()
    assert ended(handle) == EXIT_STOPPED
    assert len(list(slurm.glob("*.sh"))) == 1
    assert executor("slurm").adopt(folder) is None


def test_a_running_job_outlives_its_sweep_and_is_heard_to_its_end(slurm, stub_folder):
    folder = stub_folder(gated=True)
    executor("slurm").start(folder, 0)
    wait_for_gate(folder)
    handle = executor("slurm").adopt(folder)
    assert handle.poll() is None
    open_gate(folder)
    assert ended(handle) == 0
    assert read_result(folder).metrics == {"eval_loss": undisturbed(20)}
    assert len(list(slurm.glob("*.sh"))) == 1
    wait_for(lambda: executor("slurm").adopt(folder) is None, "the job's own end")


def test_a_local_job_is_found_again_before_it_has_taken_its_folder_and_may_go_on_to_its_end(stub_folder, monkeypatch):
    monkeypatch.setattr("macsql.executors.orphan.PATIENCE", 0.0)  # which is for what has been asked to stop
    folder = stub_folder(gated=True)
    executor().start(folder, 0)
    handle = executor().adopt(folder)
    assert handle.poll() is None
    wait_for_gate(folder)
    assert [handle.poll() for _ in range(3)] == [None] * 3
    open_gate(folder)
    assert ended(handle) == 0
    assert read_result(folder).metrics == {"eval_loss": undisturbed(20)}
    assert len(list((folder / "jobs").glob("*_submitted.pkl"))) == 1
    assert executor().adopt(folder) is None


def test_a_local_job_of_an_earlier_sweep_stops_with_a_checkpoint(stub_folder):
    folder = stub_folder(gated=True)
    executor().start(folder, 0)
    wait_for_gate(folder)
    handle = executor().adopt(folder)
    handle.stop()
    handle.stop()  # which is no second request: that would cost the checkpoint
    assert ended(handle) == EXIT_STOPPED
    assert whole_checkpoints(folder)[-1].name == f"checkpoint-{GATED}"


def test_a_local_job_of_an_earlier_sweep_is_killed_with_all_its_processes(stub_folder):
    folder = stub_folder(gated=True)
    executor().start(folder, 0)
    wait_for_gate(folder)
    handle = executor().adopt(folder)
    assert len(at_work(folder)) == 3  # submitit's controller, the job, the trial
    handle.kill()
    assert ended(handle) == EXIT_STOPPED
    wait_for(lambda: not at_work(folder), "the end of all its processes")
    assert not whole_checkpoints(folder)[-1].name.endswith(str(GATED))


def test_a_trial_that_has_lost_its_controller_is_asked_itself(stub_folder):
    folder = stub_folder(gated=True)
    there = executor()
    handle = there.start(folder, 0)
    wait_for_gate(folder)
    orphan = there.adopt(folder)
    handle.job._process.kill()
    handle.job._process.wait()
    assert orphan.poll() is None
    orphan.stop()
    assert ended(orphan) == EXIT_STOPPED
    assert whole_checkpoints(folder)[-1].name == f"checkpoint-{GATED}"


def test_a_number_that_another_process_has_now_is_not_a_job(stub_folder):
    folder = stub_folder()
    (folder / "jobs").mkdir()
    for kind in ("local:", ""):
        (folder / "jobs" / "last").write_text(f"{kind}{os.getpid()}")
        assert executor().adopt(folder) is None


@pytest.mark.parametrize("last", ["local:{}", "slurm:{}", "{}", "local:", "local:x", ""])
def test_a_process_is_not_looked_for_under_the_number_of_a_slurm_job(stub_folder, last):
    folder = stub_folder()
    (folder / "jobs").mkdir()
    with subprocess.Popen([sys.executable, "-c", "input()", folder / "jobs"], stdin=subprocess.PIPE) as process:
        (folder / "jobs" / "last").write_text(last.format(process.pid))
        found = executor().adopt(folder)
        assert isinstance(found, Orphan) if last == "local:{}" else found is None
        process.kill()


@pytest.mark.parametrize("last", ["slurm:1", "local:1", "1"])
def test_a_slurm_job_is_not_looked_for_under_the_number_of_a_process(slurm, stub_folder, last):
    """The number may be that of anybody's job, which to cancel would be a shame."""
    (slurm / "full").touch()
    executor("slurm").start(stub_folder("other"), 0)
    folder = stub_folder()
    (folder / "jobs").mkdir()
    (folder / "jobs" / "last").write_text(last)
    found = executor("slurm").adopt(folder)
    assert isinstance(found, SlurmHandle) if last == "slurm:1" else found is None
