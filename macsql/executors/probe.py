"""`python -m macsql.executors.probe FOLDER`: steps per second of a trial's copies beside each other, for each way.

Started by `macsql.executors.threads`, which leaves config.yaml and order.json in FOLDER and finds rates.json there. The
copies load the model once and are told for each way who takes part and with how many threads; all begin their steps at
the same moment.
"""

import dataclasses
import json
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle
from pathlib import Path
from statistics import median
from threading import Barrier, BrokenBarrierError
from typing import Any

from macsql.config import Config, from_yaml
from macsql.executors.threads import ORDER, RATES
from macsql.executors.warm import import_all
from macsql.factory.prepared import Prepared
from macsql.trials.folder import CONFIG
from macsql.trials.stopping import signal_of_death

BATCHES = 4  # different ones; steps take them in turn, the same for every way
WAIT = 600.0  # seconds that a copy waits for the others

_copy: dict[str, Any] = {}  # of a copy: its step, and where it waits for the others in each way


def main() -> None:
    """Measure what is asked for in a folder and leave the rates there."""
    folder = Path(sys.argv[1])
    order = json.loads((folder / ORDER).read_text(encoding="utf-8"))
    if sys.platform == "linux":
        import_all()
    rates = measured(folder, order["ways"], order["steps"], order["seconds"])
    (folder / RATES).write_text(json.dumps(rates), encoding="utf-8")


def measured(folder: Path, ways: Sequence[tuple[int, int]], steps: int, seconds: float) -> list[float]:
    """Steps per second of all copies together, for each (threads, copies)."""
    # forked before anything here has started a thread, as trials are; elsewhere that is not safe
    context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    gates = [context.Barrier(beside) for _, beside in ways]
    copies = max(beside for _, beside in ways)
    rates = []
    with ProcessPoolExecutor(copies, context, _begin, (str(folder), gates)) as pool:
        for place, (threads, beside) in enumerate(ways):
            asked = [pool.submit(_timed, place, threads, steps, seconds) for _ in range(beside)]
            raise_first(future.exception() for future in asked)
            rates.append(sum(1 / median(future.result()) for future in asked))
    return rates


def step_of(config: Config, prepared: Prepared) -> Callable[[], None]:
    """One optimizer step of a trial, as often as it is called: its model, batches and precision; nothing is logged."""
    from macsql.models.families import model_of, text_of
    from macsql.training import stages
    from macsql.training.trainer import make_trainer
    from macsql.trials.stopping import StopRequest

    stages.begin(config)
    config = dataclasses.replace(config, mixture=dataclasses.replace(config.mixture, rows=None))
    examples, enough = prepared.examples("train"), BATCHES * config.trainer.per_device_train_batch_size
    rows = examples[:: max(1, len(examples) // enough)][:enough]  # of all agents and lengths
    model = model_of(config, text_of(config, examples), prepared.fingerprint)
    trainer = make_trainer(config, model, rows, rows[:1], Path("unused"), lambda *_: None, StopRequest())
    trainer.create_optimizer_and_scheduler(num_training_steps=BATCHES)
    network, optimizer = trainer.accelerator.prepare(trainer.model, trainer.optimizer)
    step: Any = trainer.training_step
    batches = cycle(list(trainer.get_train_dataloader()))

    def take() -> None:
        step(network, dict(next(batches)))
        optimizer.step()
        optimizer.zero_grad()

    return take


def timed(take: Callable[[], None], steps: int, seconds: float, clock: Callable[[], float]) -> list[float]:
    """Seconds of each of so many steps; at least one, and no further one once `seconds` are over."""
    taken: list[float] = []
    while not taken or (len(taken) < steps and sum(taken) < seconds):
        began = clock()
        take()
        taken.append(clock() - began)
    return taken


def _begin(folder: str, gates: list[Barrier]) -> None:
    """In a copy: remember what it is to work on."""
    signal_of_death(signal.SIGKILL)
    _copy.update(folder=Path(folder), gates=gates)


def _timed(place: int, threads: int, steps: int, seconds: float) -> list[float]:
    """In a copy: the steps of one way, after one that is not counted. A copy that waits takes no second task."""
    import torch

    gate = _copy["gates"][place]
    try:
        if "take" not in _copy:
            order = json.loads((_copy["folder"] / ORDER).read_text(encoding="utf-8"))
            config = from_yaml((_copy["folder"] / CONFIG).read_text(encoding="utf-8"))
            _copy["take"] = step_of(config, Prepared(Path(order["prepared"])))
        torch.set_num_threads(threads)
        _copy["take"]()
        gate.wait(WAIT)
    except Exception:
        gate.abort()  # the others need not wait
        raise
    return timed(_copy["take"], steps, seconds, time.perf_counter)


def raise_first(errors: Iterable[BaseException | None]) -> None:
    """Raise what went wrong first, where something did: not that the other copies have waited for it in vain."""
    found = sorted(filter(None, errors), key=lambda error: isinstance(error, BrokenBarrierError))
    if found:
        raise found[0]


if __name__ == "__main__":
    main()
