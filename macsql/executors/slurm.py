"""Trials as Slurm jobs, submitted through submitit. The only module that imports submitit.

A job runs `macsql.executors.supervise`, which runs the trial's own process. Whoever wants a job to end early, be it the
sweep, the time limit or a preemption, sends SIGTERM, which Slurm hands to every process of the job: the trial writes
its checkpoint, and the function around it only waits. What Slurm ended early is submitted again by itself.
"""

import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from macsql.config import ExecutorConfig
from macsql.errors import UserError, with_type
from macsql.executors.jobs import LAST, OVER, State, judged, remember, remembered
from macsql.executors.local import TINY
from macsql.executors.orphan import Orphan, orphan
from macsql.executors.supervise import TRIAL, Task, check_options, note, one_gpu_at_most, suited_threads, supervise
from macsql.trials.folder import JOBS
from macsql.trials.process import EXIT_STOPPED

OPTIONS: dict[str, Any] = {
    "partition": None,
    "account": None,
    "qos": None,
    "constraint": None,
    "time": 1440,  # minutes
    "grace": 120,  # seconds between SIGTERM and the time limit
    "mem_gb": None,
    "gpus_per_node": 0,
    "resubmit": 20,
    "setup": [],
    "module": TRIAL,
}
FORCED_LOOK = 30.0  # seconds between two questions to Slurm's accounting; a job that ends by itself leaves a file
CORES = 4  # a trial of a model that is not tiny, where nobody says otherwise
UNHEARD_OF = 300.0  # seconds after a submission in which the accounting may not know the job yet
GONE = -signal.SIGKILL


class SlurmHandle:
    """A job, or the last of several that a trial has been through."""

    def __init__(self, executor: "SlurmExecutor", folder: Path, job: Any = None) -> None:
        """`job` is one that has been submitted before."""
        self.executor, self.folder = executor, folder
        self.job = job or executor.submit(folder)
        self.left = int(executor.options["resubmit"])
        self.code: int | None = None
        self.asked = False
        self.looked = time.monotonic()

    def poll(self) -> int | None:
        """The trial's exit code, -9 where its job was lost, None while it waits or runs."""
        if self.code is None:
            state, word = self.executor.state(self.job, self._due())
            if state in OVER:
                code = self._outcome(state, word)
                if code != EXIT_STOPPED or not self._goes_on():
                    self.code = code
        return self.code

    def stop(self) -> None:
        """Ask for a checkpoint and an end; a job that waits in the queue leaves it."""
        self.asked = True  # before the look: what has just ended early is not submitted to be stopped
        if self.poll() is None:
            self.executor.terminate(self.job)

    def kill(self) -> None:
        """Cancel the job: Slurm kills what does not end by itself, and whoever asked does not wait to hear of it."""
        self.asked = True
        if self.poll() is None:
            self.executor.cancel(self.job)
            self.code = GONE

    def _due(self) -> bool:
        """Whether it is time to ask Slurm's accounting."""
        due = time.monotonic() - self.looked > FORCED_LOOK
        if due:
            self.looked = time.monotonic()
        return due

    def _outcome(self, state: State, word: str) -> int:
        if state == "finished":
            outcome, value = self.job._get_outcome_and_result()
            if outcome == "success":
                return int(value)
            note(self.folder, str(value))
            return 1
        if self.asked or state == "early":
            return EXIT_STOPPED  # asked: taken out of the queue, or cancelled
        where = self.job.paths.folder
        note(self.folder, f"Slurm ended job {self.job.job_id} ({word}); its own output is in {where}")
        return GONE

    def _goes_on(self) -> bool:
        """Submit what was stopped by nobody of ours once more; False where that is not to be, or fails."""
        if self.asked or self.left == 0:
            return False
        self.left -= 1
        try:
            self.job = self.executor.submit(self.folder)
        except Exception as error:  # the queue's business: it costs this trial an attempt and the sweep nothing
            note(self.folder, f"Its next job could not be submitted ({with_type(error)}).")
            return False
        return True


class SlurmExecutor:
    """Runs each trial as a job of its own, at most `executor.workers` at once."""

    forks = False

    def __init__(self, config: ExecutorConfig, parameters: int | None) -> None:
        """Raises UserError without submitit, without Slurm, or for options that Slurm's job script cannot hold."""
        self.options = check_options(config, OPTIONS)
        one_gpu_at_most("executor.options.gpus_per_node", self.options["gpus_per_node"])
        try:
            import submitit
        except ImportError as error:
            raise UserError("executor=slurm needs the library submitit: pip install submitit.") from error
        self.submitit = submitit
        if submitit.SlurmExecutor.affinity() < 0:
            raise UserError("executor=slurm needs Slurm's commands here (srun is missing): run it on a login node.")
        tiny = parameters is not None and parameters < TINY
        self.threads = suited_threads(config, tiny, CORES)
        self.slots, self.gpu = config.workers or 8, int(self.options["gpus_per_node"]) > 0

    def prepare(self) -> None:
        """Nothing is to be done before a trial."""

    def start(self, folder: Path, slot: int) -> SlurmHandle:  # noqa: ARG002
        """Submit a trial; what it prints goes to <folder>/log.txt, what its job prints to <folder>/jobs/."""
        return SlurmHandle(self, folder.resolve())

    def adopt(self, folder: Path) -> SlurmHandle | Orphan | None:
        """The job of an earlier sweep that is still in the queue or at work; a job outlives its sweep."""
        folder = folder.resolve()
        jobs = folder / JOBS
        number = remembered(jobs)
        if number is None:
            return orphan(folder)
        job: Any = self.submitit.SlurmJob(jobs, number)
        state, _ = self.state(job, forced=True)
        new = time.time() - (jobs / LAST).stat().st_mtime < UNHEARD_OF
        if state != "alive" and not (state == "unknown" and new):
            return orphan(folder)
        return SlurmHandle(self, folder, job)

    def close(self) -> None:
        """Nothing is held between trials."""

    def submit(self, folder: Path) -> Any:
        """A new job for the trial in a folder."""
        jobs = folder / JOBS
        queue = self.submitit.AutoExecutor(jobs, cluster="slurm")
        queue.update_parameters(**self._parameters(folder.name))
        task = Task(folder, Path.cwd(), self.threads, self.options["module"])
        job = queue.submit(run_trial, task)
        remember(jobs, job.job_id)
        return job

    def state(self, job: Any, forced: bool = False) -> tuple[State, str]:
        """What has become of a job, and the word for it of whoever runs it; `forced`: of this moment."""
        if _left_result(job):
            return "finished", ""
        word = job.watcher.get_state(job.job_id, mode="force" if forced else "standard")
        state = judged(word)
        # submitit never again asks about a job that it takes for ended, a suspended one among them
        (job.watcher._finished.add if state in OVER else job.watcher._finished.discard)(job.job_id)
        if state in OVER and _left_result(job):  # it has ended between the two questions
            return "finished", word
        return state, word

    def terminate(self, job: Any) -> None:
        """Take a job out of the queue, or send SIGTERM to all its processes."""
        _scancel("--state=PENDING", job.job_id)
        _scancel("--signal=TERM", job.job_id)

    def cancel(self, job: Any) -> None:
        """End a job, whatever it is at."""
        _scancel(job.job_id)

    def _parameters(self, name: str) -> dict[str, Any]:
        options, gpus = self.options, int(self.options["gpus_per_node"])
        given = {key: options[key] for key in ("partition", "account", "qos", "constraint") if options[key] is not None}
        return {
            "name": name,
            "timeout_min": int(options["time"]),
            "stderr_to_stdout": True,
            **({"gpus_per_node": gpus} if gpus else {}),
            "cpus_per_task": self.threads,
            **({"mem_gb": options["mem_gb"]} if options["mem_gb"] is not None else {}),
            **{f"slurm_{key}": value for key, value in given.items()},
            "slurm_setup": list(options["setup"]),
            "slurm_additional_parameters": {"signal": f"TERM@{int(options['grace'])}", "no-requeue": True},
        }


def _left_result(job: Any) -> bool:
    """Whether a job's function has returned or raised."""
    with suppress(OSError):
        job.paths.folder.chmod(job.paths.folder.stat().st_mode)  # or a disk of the network may answer from memory
    return bool(job.paths.result_pickle.exists())


def _scancel(*arguments: str) -> None:
    with suppress(OSError, subprocess.SubprocessError):  # the job has ended meanwhile, or the next call sees to it
        subprocess.run(["scancel", *arguments], check=False, timeout=60)


def run_trial(task: Task) -> int:
    """In a job: run the trial to its end; returns its exit code."""
    requests: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: requests.append(number))
    # Slurm signals every process of a job, the trial's among them: a second one from here would be one too many.
    return supervise(task, lambda: len(requests), forward=False)
