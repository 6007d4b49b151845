"""Trials as submitit jobs: of this machine for real, of a Slurm that is three small scripts."""

import os
import signal
import stat
import sys

import psutil
import pytest
from remote_stub import undisturbed
from waiting import ended, steps_told, wait_for

from macsql.config import ExecutorConfig
from macsql.errors import UserError
from macsql.executors.mirror import whole_checkpoints
from macsql.executors.slurm import SlurmExecutor
from macsql.training.process import EXIT_STOPPED
from macsql.training.result import read_result

submitit = pytest.importorskip("submitit", reason="submitit is not installed: pip install 'macsql[slurm]'")


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
    """A folder that stands for the cluster: N.sh a job's script, N.pid its process, `full` when nothing may start."""
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
    folder = stub_folder(steps=300)
    there = executor(cluster)
    job = there.start(folder, 0)
    wait_for(lambda: steps_told(folder) > 6, "some events")
    job.stop()
    assert ended(job) == EXIT_STOPPED
    last = whole_checkpoints(folder)[-1]
    assert int(last.name.split("-")[1]) in (
        steps_told(folder),
        steps_told(folder) - 1,
    )  # at the step where it was asked
    assert ended(there.start(folder, 0)) == 0
    assert read_result(folder).metrics == {"eval_loss": undisturbed(300)}


def test_a_job_that_is_killed_ends_at_once(cluster, stub_folder):
    folder = stub_folder(steps=2000)
    job = executor(cluster).start(folder, 0)
    wait_for(lambda: steps_told(folder) > 2, "some events")
    job.kill()
    assert ended(job, seconds=20) != 0
    assert read_result(folder) is None


def test_what_slurm_ends_early_goes_on_in_another_job(slurm, stub_folder):
    """A time limit sends SIGTERM to every process of the job, and nobody of ours has asked for it."""
    folder = stub_folder(steps=200)
    handle = executor("slurm", resubmit=1).start(folder, 0)
    wait_for(lambda: steps_told(folder) > 6, "some events")
    os.system("scancel --signal=TERM 1")
    assert ended(handle) == 0
    assert len(list(slurm.glob("*.sh"))) == 2
    assert read_result(folder).metrics == {"eval_loss": undisturbed(200)}
    assert len((folder / "log.txt").read_text().splitlines()) == 2


@pytest.mark.usefixtures("slurm")
def test_a_lost_job_is_a_failed_attempt_with_a_reason(stub_folder):
    folder = stub_folder(steps=2000)
    handle = executor("slurm").start(folder, 0)
    wait_for(lambda: steps_told(folder) > 2, "some events")
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
    folder = stub_folder(steps=60)
    executor("slurm").start(folder, 0)
    wait_for(lambda: steps_told(folder) > 2, "some events")
    assert ended(executor("slurm").adopt(folder)) == 0
    assert read_result(folder).metrics == {"eval_loss": undisturbed(60)}
    assert len(list(slurm.glob("*.sh"))) == 1
    wait_for(lambda: executor("slurm").adopt(folder) is None, "the job's own end")


def test_a_local_job_is_found_again_before_it_has_taken_its_folder(stub_folder):
    folder = stub_folder(steps=30)
    executor().start(folder, 0)
    handle = executor().adopt(folder)
    assert handle.poll() is None
    assert ended(handle) == 0
    assert len(list((folder / "jobs").glob("*_submitted.pkl"))) == 1
    assert executor().adopt(folder) is None


def test_a_number_that_another_process_has_now_is_not_a_job(stub_folder):
    folder = stub_folder()
    (folder / "jobs").mkdir()
    (folder / "jobs" / "last").write_text(str(os.getpid()))
    assert executor().adopt(folder) is None
