"""A Slurm that is four small scripts on PATH, as far as a job can tell."""

import os
import stat
import sys
from contextlib import suppress

import psutil
import pytest

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
    told = [one for one in job.children(recursive=True) + [job] if one.name() != "bash"]  # the batch script gets none
    for process in told:
        process.send_signal(kind)
    if kind == signal.SIGKILL:  # whoever opens a gate next opens it to none of them
        psutil.wait_procs(told, timeout=10)
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
    submitit = pytest.importorskip("submitit", reason="submitit is not installed")
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
        with suppress(psutil.NoSuchProcess):  # any of them may end of its own accord meanwhile
            for child in psutil.Process(int(pid.read_text())).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    child.kill()
