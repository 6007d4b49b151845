"""A trial that costs nothing: it tells events, writes checkpoints and a result as the real one does.

`python -m stub_trial FOLDER`. Its loss depends on all of its steps, so that a resume from the wrong place shows. The
environment says how it misbehaves: STUB_PAUSE (seconds per step), STUB_FAIL, STUB_CRASH and STUB_DIVERGE (substrings of
the labels of trials that do so at step 6), STUB_HEAL (folder: a trial fails once and leaves a file there), STUB_GATE
(folder of a stub_sweep.Gate: the trial waits there before a step until the test has seen what it wants to see).
"""

import json
import os
import sys
import time
from pathlib import Path

from macsql.system.files import write_whole
from macsql.trials.events import EventLog
from macsql.trials.process import serve
from macsql.trials.result import Result
from macsql.trials.stopping import Diverged, Interrupted, StopRequest

STEPS = 10
CHECKPOINTS = (3, 6, 9)
EVALUATIONS = (2, 4, 6, 8, 10)
PATIENCE = 300.0  # seconds at a gate that nobody opens, because the test has failed


def work(folder: Path, stop: StopRequest) -> Result:
    about = json.loads((folder / "trial.json").read_text())
    rate = float(about["setting"].get("trainer.learning_rate", 1.0))
    busy = folder / "busy"
    if busy.exists() and alive(int(busy.read_text() or 0)):
        (folder / "overlap").write_text("two processes were at work here")
    busy.write_text(str(os.getpid()))

    saved = folder / "checkpoints" / "state.json"
    saved.parent.mkdir(exist_ok=True)
    state = json.loads(saved.read_text()) if saved.exists() else None
    step, level = (state["step"], state["level"]) if state else (0, 1.0)
    events = EventLog(folder / "events.jsonl", step if state else None)
    while step < STEPS:
        step += 1
        wait_at_gate(about["index"], step, stop)
        time.sleep(float(os.environ.get("STUB_PAUSE", "0.01")))
        level = level * 0.9 + rate * step / 7 + len(about["label"]) / 1000
        if step == 6:
            misbehave(about["label"])
        events.write(step, step / 5, {"loss": level})
        if step in EVALUATIONS:
            events.write(step, step / 5, {"eval_loss": level / 2})
        if step in CHECKPOINTS or stop.requested:
            write_whole(saved, json.dumps({"step": step, "level": level}))
        if stop.requested:
            busy.unlink()
            raise Interrupted
    busy.unlink()
    metrics = {"eval_loss": level / 2, "train_loss": level, "eval/decomposer/exact_match": 1 / (1 + level)}
    return Result("FINISHED", metrics, steps=step, parts={"train": 0.1})


def wait_at_gate(index: int, step: int, stop: StopRequest) -> None:
    """Wait until the gate is opened; a request to stop opens it too, unless it is deaf to that."""
    if not os.environ.get("STUB_GATE"):
        return
    gate = Path(os.environ["STUB_GATE"])
    about = json.loads((gate / "gate.json").read_text())
    if step != about["step"] or about["trial"] not in (None, index):
        return
    (gate / f"{index}.there").touch()
    until = time.monotonic() + PATIENCE
    while not ((gate / "open").exists() or (gate / f"{index}.open").exists()):
        if stop.requested:
            (gate / f"{index}.asked").touch()
            if not about["deaf"]:
                return
        if time.monotonic() > until:
            raise TimeoutError("nobody opened the gate")
        time.sleep(0.01)


def misbehave(label: str) -> None:
    def named(variable: str) -> bool:
        return bool(os.environ.get(variable)) and os.environ[variable] in label

    if os.environ.get("STUB_HEAL"):
        mark = Path(os.environ["STUB_HEAL"]) / label
        if not mark.exists():
            mark.touch()
            raise RuntimeError("fails once")
    if named("STUB_FAIL"):
        print("about to fail")
        raise RuntimeError("fails always")
    if named("STUB_DIVERGE"):
        raise Diverged("the loss is not a number at step 6")
    if named("STUB_CRASH"):
        print("about to crash", flush=True)
        os.abort()


def alive(process: int) -> bool:
    try:
        return process not in (0, os.getpid()) and "stub_trial" in Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return False


if __name__ == "__main__":
    where = Path(sys.argv[1])
    sys.exit(serve(where, lambda stop: work(where, stop)))
