"""What a sweep itself costs: `make bench` runs one of 1,000 trials that do nothing and says what is left.

    python tests/bench_coordinator.py [--trials 1000] [--sampler grid|random|tpe]

The trials end in the moment in which they start, in this very process; everything else is real: the plan and its
checks, the study in SQLite, the trials' folders, MLflow's database. Printed are milliseconds per trial for each stage,
and for each tenth of the sweep the coordinator's CPU time, so that growth shows and the machine's other work does not.
Exit code 1 where the coordinator takes longer than LIMIT_MS a trial, or the last tenths longer than GROWTH times the
first ones.
"""

import argparse
import itertools
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

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

LIMIT_MS = 50.0  # of wall clock a trial, for the coordinator
GROWTH = 1.5  # the last three tenths of a sweep over its second to fourth (the first one imports)


class Done:
    """A trial that has ended before it was looked at."""

    def poll(self) -> int:
        return 0

    def stop(self) -> None: ...

    def kill(self) -> None: ...


class Nothing:
    """An executor whose trials write what a trial writes and nothing else."""

    slots, threads, gpu = 2, 1, False

    def start(self, folder: Path, slot: int) -> Done:  # noqa: ARG002
        events = EventLog(folder / "events.jsonl")
        for step in range(1, 6):
            events.write(step, step / 5, {"loss": 1 / step})
        loss = int(folder.name.split("-")[1]) % 7 / 7
        write_result(folder, Result("FINISHED", {"eval_loss": loss}, steps=5, seconds=0.0))
        return Done()

    def adopt(self, folder: Path) -> None:  # noqa: ARG002
        return None

    def close(self) -> None: ...


class Nowhere:
    """A record that takes everything."""

    def sync(self, *_: Any) -> None: ...


def configuration(state: Path, trials: int, sampler: str) -> Config:
    tree = {
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
    preflight = Preflight(
        configuration(state, trials, sampler), Planner(configuration(state, trials, sampler), []), str
    )
    preflight.check()
    preflight.announce()
    preflight.bind_arguments()
    return preflight.size


def timed(name: str, trials: int, work: Any) -> float:
    """Run a stage and print what it took; returns milliseconds of CPU a trial."""
    started, cpu = time.monotonic(), time.process_time()
    assert work() == trials
    each = 1000 * (time.monotonic() - started) / trials
    busy = 1000 * (time.process_time() - cpu) / trials
    print(f"  {name:52} {each:7.1f} ms per trial, {busy:.1f} of CPU", flush=True)
    return each


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--sampler", choices=["grid", "random", "tpe"], default="grid")
    arguments = parser.parse_args()
    trials, sampler = arguments.trials, arguments.sampler
    print(f"{trials} trials that do nothing, search={sampler}; load of this machine {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        tenths: list[float] = []
        timed("plan, checks and estimate (torch is imported)", trials, lambda: plan(state, trials, sampler))
        each = timed("run", trials, lambda: sweep(state, trials, sampler, Nowhere(), tenths))
        print("  each tenth of it, ms of CPU a trial: " + " ".join(f"{value:.1f}" for value in tenths))
        timed("the same command again, all done", trials, lambda: sweep(state, trials, sampler, Nowhere()))
        from macsql.tracking import SweepRecord

        record = SweepRecord(None, state, "bench", {})
        record.connect()
        timed("MLflow's record of it, in its own thread", trials, lambda: sweep(state, trials, sampler, record))
        timed("the same command again, nothing to record", trials, lambda: sweep(state, trials, sampler, record))
    if each > LIMIT_MS:
        sys.exit(f"The coordinator takes {each:.1f} ms per trial; {LIMIT_MS:.0f} is the limit.")
    grown = sum(tenths[-3:]) / sum(tenths[1:4])
    if grown > GROWTH:
        sys.exit(f"The last trials take {grown:.2f} times as long as the first ones: that is not linear.")


if __name__ == "__main__":
    main()
