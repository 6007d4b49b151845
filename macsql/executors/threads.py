"""How many CPU threads a trial gets with executor.threads=auto: as many as a probe of some twenty steps says.

How fast one trial is with more threads is the wrong question, because trials run beside each other: n of them with one
thread each, or one with n. Either way loses something. Threads wait for each other behind every small product; trials
beside each other share caches and the way to memory, which shows only when they do run at the same time. So the probe
takes steps of the very model, batch and precision with 1, 2, 4, ... and all threads, each time with as many copies
beside each other as trials would run, and counts the steps per second of all copies together:

    copies = cores // threads, and no more than executor.workers, the trials of the sweep, and those that memory holds

Where two numbers are within 5 % the smaller one is taken: what a trial computes with one thread is the same to the bit
on every machine of its kind.

The answer is kept in <state_dir>/threads/ under a name of all that it depends on, so it is measured once, and a sweep
that is continued gets the number that it had. It is no part of a trial's identity. A trial that was begun with one
number and goes on with another (on a machine with other cores, or with that file gone) adds up the same numbers in
another order: its result differs in the last bits, as between two machines, and is as valid.
"""

import dataclasses
import hashlib
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from macsql.config import Config, ExecutorConfig, to_yaml
from macsql.counts import counted
from macsql.errors import first_line
from macsql.executors.local import usable_cores, visible_gpus
from macsql.executors.supervise import TRIAL
from macsql.factory.prepared import Prepared
from macsql.system.files import write_whole
from macsql.system.processor import processor
from macsql.trials.folder import CONFIG

STEPS = 20  # of each copy, all numbers of threads together
SECONDS = 20.0  # after which no further step is taken with one number of threads
PATIENCE = 900.0  # seconds for the whole probe
ALIKE = 1.05  # times as fast as fewer threads: what is below it is noise
ORDER, RATES = "order.json", "rates.json"


@dataclasses.dataclass(frozen=True)
class Way:
    """To share out a machine: so many trials beside each other, with so many threads each."""

    threads: int
    beside: int


@dataclasses.dataclass(frozen=True)
class Measured:
    """Steps per second of all trials together, for each way; and what finding out took."""

    steps_per_second: dict[Way, float]
    seconds: float


Probe = Callable[[Config, Prepared, Sequence[Way]], dict[Way, float]]


def ways(cores: int, workers: int | None, most: int) -> list[Way]:
    """The ways to share out so many cores between `workers` (null: as many as fit) and at most `most` trials."""
    each = max(1, cores // (workers or 1))
    numbers = [2**power for power in range(each.bit_length()) if 2**power < each] + [each]
    return [Way(threads, workers or max(1, min(cores // threads, most))) for threads in numbers]


def best(steps_per_second: dict[Way, float]) -> Way:
    """The way that takes the most steps; fewer threads where more of them are hardly faster."""
    fastest = max(steps_per_second.values())
    return min((way for way, rate in steps_per_second.items() if rate * ALIKE >= fastest), key=lambda way: way.threads)


def settled(
    config: Config, prepared: Prepared, most: int, say: Callable[[str], None], probe: Probe | None = None
) -> tuple[ExecutorConfig, str]:
    """The executor's configuration with numbers in the place of `auto`, and a sentence on them for the plan.

    `config` is the trial that costs most and `most` how many of them may run at once. Where nothing can be measured the
    numbers stay open, as with threads=null.
    """
    asked = config.executor
    open_ = dataclasses.replace(asked, threads=None)
    if visible_gpus():
        return open_, "CPU threads: as with executor.threads=null, because trials compute on a GPU"
    if asked.options.get("module", TRIAL) != TRIAL:
        return open_, "CPU threads: as with executor.threads=null, because the trials are not fine-tunes"
    found = ways(usable_cores(), asked.workers, most)
    place = Path(config.tracking.state_dir) / "threads" / f"{_name(config, prepared, found)}.json"
    measured = _kept(place)
    if measured is None:
        say(f"Measuring how many CPU threads suit a trial, {STEPS} steps ...")
        began = time.monotonic()
        try:
            rates = (probe or probed)(config, prepared, found)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return open_, f"CPU threads: as with executor.threads=null, measuring failed ({first_line(error)})"
        measured = Measured(rates, time.monotonic() - began)
        _keep(place, measured)
    way = best(measured.steps_per_second)
    return dataclasses.replace(asked, threads=way.threads, workers=way.beside), _sentence(way, measured, place)


def probed(config: Config, prepared: Prepared, found: Sequence[Way]) -> dict[Way, float]:
    """Steps per second of all trials together for each way, measured in processes of their own.

    Raises ValueError with the last words of a probe that died, SubprocessError where it takes too long.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / CONFIG).write_text(to_yaml(config), encoding="utf-8")
        order = {
            "prepared": str(prepared.folder.absolute()),
            "steps": max(2, STEPS // len(found)),
            "seconds": SECONDS,
            "ways": [[way.threads, way.beside] for way in found],
        }
        (folder / ORDER).write_text(json.dumps(order), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "macsql.executors.probe", name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
        if done.returncode:
            raise ValueError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
        rates = json.loads((folder / RATES).read_text(encoding="utf-8"))
    return dict(zip(found, rates, strict=True))


def _sentence(way: Way, measured: Measured, place: Path) -> str:
    """What was chosen and what it was chosen from: one line of the plan."""

    def told(one: Way) -> str:
        return f"{measured.steps_per_second[one]:.3g} steps per second with {one.beside} x {one.threads}"

    others = ", ".join(told(one) for one in measured.steps_per_second if one != way)
    against = f"; {others}" if others else ""
    return (
        f"CPU threads: {way.threads} for each of {counted(way.beside, 'trial')} at a time ({told(way)}{against}; "
        f"measured in {measured.seconds:.0f} s, kept in {place})"
    )


def _name(config: Config, prepared: Prepared, found: Sequence[Way]) -> str:
    """Of all that the steps per second depend on, a name."""
    trainer = config.trainer
    what = (
        *(processor(), platform.system(), version("torch"), version("transformers"), repr(found)),
        *(repr(config.model), repr(config.agents), config.codec.name, prepared.fingerprint),
        *(trainer.per_device_train_batch_size, trainer.bf16, trainer.optim, trainer.train_sampling_strategy),
        sorted(trainer.options.items()),
    )
    return hashlib.sha256(repr(what).encode()).hexdigest()[:12]


def _keep(place: Path, measured: Measured) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {"threads": way.threads, "beside": way.beside, "steps_per_second": rate}
        for way, rate in measured.steps_per_second.items()
    ]
    write_whole(place, json.dumps({"seconds": measured.seconds, "ways": rows}, indent=1) + "\n")


def _kept(place: Path) -> Measured | None:
    """What was measured before; None where there is nothing, or nothing that can be read."""
    try:
        told = json.loads(place.read_text(encoding="utf-8"))
        rates = {Way(row["threads"], row["beside"]): float(row["steps_per_second"]) for row in told["ways"]}
        return Measured(rates, float(told["seconds"])) if rates else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
