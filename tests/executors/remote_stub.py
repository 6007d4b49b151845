"""A trial without torch: it tells events, checkpoints like the Trainer, resumes, and ends with a value that shows it.

`python -m remote_stub FOLDER`; trainer.max_steps steps of REMOTE_STUB_PAUSE seconds, a checkpoint every fifth. Its
eval_loss is a chain of all steps, so a step that was lost or done twice changes it. Where trial.json names a gate, the
trial waits after step GATED until that file is there or it is asked to stop, so that what a test does then is no race.
"""

import json
import os
import sys
import time
from pathlib import Path

from macsql.config import from_yaml
from macsql.executors.mirror import whole_checkpoints
from macsql.trials.events import EventLog
from macsql.trials.process import serve
from macsql.trials.result import Result
from macsql.trials.stopping import StopRequest

EVERY = 5
GATED = 8
PATIENCE = 300.0  # seconds at a gate that nobody opens, because the test has failed


def chain(value: float, step: int) -> float:
    return (value * 31 + step) % 1009


def undisturbed(steps: int) -> float:
    value = 0.0
    for step in range(1, steps + 1):
        value = chain(value, step)
    return value


def work(folder: Path, stop: StopRequest) -> Result:
    config = from_yaml((folder / "config.yaml").read_text(encoding="utf-8"))
    checkpoints = whole_checkpoints(folder)
    state = json.loads((checkpoints[-1] / "trainer_state.json").read_text()) if checkpoints else None
    step, value = (state["global_step"], state["value"]) if state else (0, 0.0)
    events = EventLog(folder / "events.jsonl", step if state else None)
    print(f"from step {step}", flush=True)
    while step < config.trainer.max_steps:
        step, value = step + 1, chain(value, step + 1)
        time.sleep(float(os.environ.get("REMOTE_STUB_PAUSE", "0.02")))
        events.write(step, step / EVERY, {"loss": value})
        if step == GATED:
            wait_at_gate(folder, stop)
        if step % EVERY == 0 or stop.requested:
            save(folder, step, value)
        stop.check()
    (folder / "predictions.jsonl").write_text('{"id": "1"}\n', encoding="utf-8")
    (folder / "model").mkdir(exist_ok=True)
    (folder / "model" / "model.bin").write_bytes(b"\0" * 1000)
    (folder / "model" / "empty").write_bytes(b"")
    return Result("FINISHED", {"eval_loss": value}, steps=step)


def wait_at_gate(folder: Path, stop: StopRequest) -> None:
    gate, until = json.loads((folder / "trial.json").read_text()).get("gate"), time.monotonic() + PATIENCE
    while gate and not Path(gate).exists() and not stop.requested:
        if time.monotonic() > until:
            raise TimeoutError("nobody opened the gate")
        time.sleep(0.01)


def save(folder: Path, step: int, value: float) -> None:
    path = folder / "checkpoints" / f"checkpoint-{step}"
    path.mkdir(parents=True, exist_ok=True)
    (path / "weights").write_bytes(b"\0" * 100_000)
    best = str(folder / "checkpoints" / f"checkpoint-{step}")
    about = {"global_step": step, "value": value, "best_model_checkpoint": best}
    (path / "trainer_state.json").write_text(json.dumps(about))
    for older in whole_checkpoints(folder)[:-2]:
        (older / "trainer_state.json").unlink()
        (older / "weights").unlink()
        older.rmdir()


if __name__ == "__main__":
    place = Path(sys.argv[1])
    sys.exit(serve(place, lambda stop: work(place, stop)))
