"""(f) What a sweep itself costs: sweeps of 10, 100 and 1,000 trials that do nothing, in milliseconds per trial.

The trials end in the moment in which they start, in this very process; everything else is real: the plan and its
checks, the study in SQLite, the trials' folders, MLflow's database. `growth` is the coordinator's CPU time per trial in
the last three tenths of the sweep over that in its second to fourth: 1 where every trial costs the same.
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from experiments.bench.material import Material
from experiments.bench.measure import Job, python
from macsql.config import Config, validate
from macsql.coordination.coordinator import Coordinator
from macsql.coordination.interrupts import Interrupts
from macsql.coordination.preflight import Preflight
from macsql.coordination.progress import Progress
from macsql.coordination.publisher import Publisher
from macsql.search.plan import Planner
from macsql.search.space import read_space
from macsql.search.study import Study
from macsql.trials.events import EventLog
from macsql.trials.result import Result, write_result

SAMPLERS = ("grid", "random", "tpe")
LIMIT_MS = 50.0  # of wall clock per trial, for the coordinator
GROWTH = 1.5
CASES = (("grid", 10), ("grid", 100), ("grid", 1000), ("tpe", 1000))


def jobs(material: Material) -> list[Job]:
    """Sweeps of several sizes, and the same sweep with one worker and with two."""
    cases = [("grid", 10)] if material.small else CASES
    told = [
        Job("f", f"{count} trials, {sampler}", "ours", python("coordinator", sampler, str(count)))
        for sampler, count in cases
    ]
    words = ["--small"] if material.small else []
    told += [Job("f", "workers", f"{count} at once", python("workers", str(count), *words)) for count in (1, 2)]
    return told


class Done:
    """A trial that has ended before it was looked at."""

    def poll(self) -> int:
        """The exit code."""
        return 0

    def stop(self) -> None:
        """Nothing is left to stop."""

    def kill(self) -> None:
        """Nothing is left to kill."""


class Nothing:
    """An executor whose trials write what a trial writes and nothing else."""

    slots, threads, gpu, forks = 2, 1, False, False

    def prepare(self) -> None:
        """Nothing is to be done before a trial."""

    def start(self, folder: Path, slot: int) -> Done:  # noqa: ARG002
        """Write a trial's events and result."""
        events = EventLog(folder / "events.jsonl")
        for step in range(1, 6):
            events.write(step, step / 5, {"loss": 1 / step})
        loss = int(folder.name.split("-")[1]) % 7 / 7
        write_result(folder, Result("FINISHED", {"eval_loss": loss}, steps=5, seconds=0.0))
        return Done()

    def adopt(self, folder: Path) -> None:
        """No process is ever left behind."""

    def close(self) -> None:
        """Nothing is held."""


class Nowhere:
    """A record that takes everything."""

    def sync(self, *_: Any) -> None:
        """Take it."""


def configuration(state: Path, trials: int, sampler: str) -> Config:
    """A sweep of so many trials over a tiny model."""
    tree: dict[str, Any] = {
        "data": {"format": "pocket", "questions": 20},
        "agents": {"style": "brief"},
        "codec": {"name": "marks"},
        "mixture": {"name": "real"},
        "model": {
            "name": "pocket",
            "pocket": {"vocab_size": 600, "d_model": 16, "d_ff": 32, "num_layers": 1, "num_heads": 2},
        },
        "search": {"sampler": sampler, "n_trials": trials if sampler != "grid" else None},
        "executor": {"name": "local"},
        "tracking": {"state_dir": str(state)},
        "sweep": {"name": "bench"},
    }
    if sampler == "grid":
        seconds = -(-trials // 10)
        tree["search"]["space"] = {"trainer": {"warmup_steps": "range(0, 10)", "max_steps": f"range(1, {seconds + 1})"}}
    else:
        tree["search"]["space"] = {
            "trainer": {"learning_rate": "tag(log, interval(1e-6, 1e-2))", "weight_decay": "interval(0.0, 0.1)"}
        }
    return validate(OmegaConf.create(tree))


def sweep(state: Path, trials: int, sampler: str, record: Any, tenths: list[float] | None = None) -> int:
    """One call of a sweep from the study on; returns how many trials have ended."""
    config = configuration(state, trials, sampler)
    space = read_space(config.search.space)
    study = Study("bench", f"sqlite:///{state}/optuna.db", config.search, space, ["minimize"], 1)
    marks = [time.process_time()]

    def show(progress: Progress) -> None:
        while len(progress.ended) * 10 >= study.size * len(marks) and len(marks) <= 10:
            marks.append(time.process_time())

    publisher = Publisher(record)
    with Interrupts() as interrupts:
        coordinator = Coordinator(
            study, Planner(config, []), Nothing, publisher, lambda _: state, lambda _: {}, show, interrupts
        )
        ended = coordinator.run()
    publisher.close(60)
    if tenths is not None:
        tenths += [1000 * (b - a) * 10 / study.size for a, b in itertools.pairwise(marks)]
    return len(ended)


def plan(state: Path, trials: int, sampler: str) -> int:
    """What comes before the first trial, with a small corpus."""
    config = configuration(state, trials, sampler)
    preflight = Preflight(config, Planner(config, []), lambda _: None)
    preflight.check()
    preflight.announce()
    preflight.bind_arguments()
    return preflight.size


def timed(figures: dict[str, float], name: str, trials: int, work: Any) -> None:
    """Run a stage and keep what it took: milliseconds per trial."""
    started = time.monotonic()
    done = work()
    if done != trials:
        sys.exit(f"{name}: {done} of {trials} trials ended.")
    figures[f"{name}_ms_per_trial"] = 1000 * (time.monotonic() - started) / trials


def measure(trials: int, sampler: str) -> dict[str, float]:
    """The figures of one sweep."""
    from macsql.tracking.sweep_record import SweepRecord
    from macsql.training import trainer  # noqa: F401  (torch is imported once per sweep, not once per trial)

    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        tenths: list[float] = []
        timed(figures, "plan", trials, lambda: plan(state, trials, sampler))
        timed(figures, "coordinator", trials, lambda: sweep(state, trials, sampler, Nowhere(), tenths))
        timed(figures, "again", trials, lambda: sweep(state, trials, sampler, Nowhere()))
        record = SweepRecord(None, state, "bench", {})
        record.connect()
        timed(figures, "mlflow", trials, lambda: sweep(state, trials, sampler, record))
        timed(figures, "mlflow_again", trials, lambda: sweep(state, trials, sampler, record))
    if trials >= 100:
        figures["growth"] = sum(tenths[-3:]) / sum(tenths[1:4])
    return figures


def main() -> None:
    """One sweep. Exit code 1 where it is slower, or grows faster, than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sampler", choices=SAMPLERS)
    parser.add_argument("trials", type=int)
    parser.add_argument("--strict", action="store_true", help="exit code 1 beyond the limits")
    given = parser.parse_args()
    figures = measure(given.trials, given.sampler)
    each = figures["coordinator_ms_per_trial"]
    if given.strict and each > LIMIT_MS:
        sys.exit(f"The coordinator takes {each:.1f} ms per trial; {LIMIT_MS:.0f} is the limit.")
    if given.strict and figures.get("growth", 1.0) > GROWTH:
        sys.exit(f"The last trials take {figures['growth']:.2f} times as long as the first ones: that is not linear.")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
