"""The real command with real trials, killed in the middle and compared with an undisturbed sweep."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
SWEEP = [
    *("data.questions=8", "data.test_fraction=0.2", "data.eval_fraction=0.2"),
    *("model=pocket_scratch", "codec=marks", "model.pocket.vocab_size=600", "model.pocket.d_model=16"),
    *("model.pocket.d_ff=32", "model.pocket.num_layers=1"),
    *("trainer.per_device_train_batch_size=2", "trainer.num_train_epochs=4", "trainer.bf16=false"),
    *("generation.max_new_tokens=8", "generation.limit=2"),
    *("sweep.name=killed", "trainer.learning_rate=1e-3,3e-3", "executor.workers=2", "executor.threads=1"),
]


def start(folder: Path) -> subprocess.Popen:
    with (folder / "out.txt").open("a") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "macsql.sweep", *SWEEP, f"tracking.state_dir={folder / 'state'}"],
            cwd=folder,
            stdout=out,
            stderr=out,
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
        )


def steps(folder: Path) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in folder.glob("state/trials/*/events.jsonl"))


def picture(folder: Path) -> dict:
    with closing(sqlite3.connect(folder / "state" / "mlflow.db")) as db:
        settings = db.execute(
            "select r.name, m.key, m.step, m.value from metrics m join runs r using (run_uuid)"
            " where m.key not like 'seconds/%' order by 1, 2, 3, 4"
        ).fetchall()
        statuses = sorted(db.execute("select name, status from runs").fetchall())
    with closing(sqlite3.connect(folder / "state" / "optuna.db")) as db:
        values = db.execute(
            "select t.state, v.value from trials t join trial_values v using (trial_id) order by v.value"
        ).fetchall()
    results = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("state/trials/*/result.json")}
    answers = {path.parent.name: path.read_text() for path in folder.glob("state/trials/*/predictions.jsonl")}
    metrics = {key: (value["status"], value["steps"], value["metrics"]) for key, value in results.items()}
    return {"settings": settings, "statuses": statuses, "values": values, "metrics": metrics, "answers": answers}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_a_killed_sweep_ends_as_an_undisturbed_one(tmp_path, seed):
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    calm.mkdir()
    killed.mkdir()
    assert start(calm).wait(600) == 0, (calm / "out.txt").read_text()
    total, draw = steps(calm), random.Random(seed)
    for share in (0.25, 0.6, 0.9):
        call, goal, until = start(killed), total * draw.uniform(share - 0.2, share), time.monotonic() + 300
        while steps(killed) < goal and call.poll() is None:
            assert time.monotonic() < until, (killed / "out.txt").read_text()
            time.sleep(0.02)
        call.send_signal(draw.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGINT]))
        for path in killed.glob("state/trials/*/trial.lock"):
            if draw.random() < 0.5:
                with suppress(ProcessLookupError, ValueError, KeyError):
                    os.kill(json.loads(path.read_text())["pid"], signal.SIGKILL)
        call.wait(300)
    assert start(killed).wait(600) == 0, (killed / "out.txt").read_text()
    assert picture(killed) == picture(calm)
