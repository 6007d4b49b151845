"""Studies in a real PostgreSQL, and one coordinator for each of them wherever it runs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from servers import until

from macsql.coordination.database_lock import DatabaseLock
from macsql.errors import UserError

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def storage(postgres, request):
    return postgres.create(request.node.name)


def test_one_coordinator_a_study_whatever_its_state_directory(storage, stub_sweep):
    """Two state directories stand for two machines: what they share is the database alone."""
    changes = {"tracking.storage": storage}
    first, second = stub_sweep("here", changes), stub_sweep("there", changes)
    gate = first.gate(step=2)
    call = first.start()
    until(lambda: len(gate.reached()) == 2, "the first sweep's trials")
    assert second.run() == 1
    assert "already running on this database (macsql " in second.log
    call.signal(signal.SIGKILL)
    assert call.wait() == -signal.SIGKILL
    assert first.run(environment={}) == 0, first.log
    assert second.run() == 0, second.log
    assert "nothing is left to run" in second.log


def test_a_sweep_outlives_an_outage_of_its_database(postgres, storage, stub_sweep):
    """Of four trials one ends before the database is away, one meanwhile, two after; the study says the same."""
    calm, sweep = stub_sweep("calm"), stub_sweep("state", {"tracking.storage": storage})
    assert calm.run() == 0, calm.log
    gate = sweep.gate(step=5)
    call = sweep.start()
    gate.open(0)
    until(lambda: gate.reached() == [0, 1, 2], "the end of the first trial")
    postgres.stop()
    gate.open(1)
    try:
        until(lambda: "does not answer" in sweep.log, "word of the outage")
    finally:
        postgres.start()
    second = stub_sweep("there", {"tracking.storage": storage})
    until(lambda: "database is back" in sweep.log, "its end")
    assert second.run() == 1  # the lock was taken anew before anything else was done
    assert "already running on this database" in second.log
    gate.open()
    assert call.wait() == 0, sweep.log
    assert sweep.log.count("does not answer") == sweep.log.count("database is back") == 1
    assert "attempt 2" not in sweep.log
    pictures = calm.picture(), sweep.picture()
    assert pictures[0]["results"] == pictures[1]["results"]
    assert [state for _, state, *_ in pictures[1]["runs"]] == ["FINISHED"] * 4
    assert finished(storage) == 4


def test_an_outage_can_be_interrupted(postgres, storage, stub_sweep):
    sweep = stub_sweep("state", {"tracking.storage": storage})
    gate = sweep.gate(step=5)
    call = sweep.start()
    until(lambda: gate.reached() == [0, 1], "the first trials")
    postgres.stop()
    gate.open(0)
    try:
        until(lambda: "does not answer" in sweep.log, "word of the outage")
        call.signal(signal.SIGINT)
        assert call.wait() == 130, sweep.log
    finally:
        postgres.start()
    assert "goes on from here" in sweep.log
    until(lambda: not sweep.children(), "the children's checkpoints")
    sweep.environment = {}
    assert sweep.run() == 0, sweep.log
    assert finished(storage) == 4


def finished(storage: str) -> int:
    """Trials of the study that are complete; none may be left running."""
    import optuna

    trials = optuna.load_study(study_name="stub", storage=storage).trials
    assert not [trial for trial in trials if not trial.state.is_finished()]
    return sum(trial.state.name == "COMPLETE" for trial in trials)


def test_the_lock_is_the_studys_and_ends_with_its_session(storage):
    one, same, other = DatabaseLock(storage, "a"), DatabaseLock(storage, "a"), DatabaseLock(storage, "b")
    assert one.acquire()
    assert not same.acquire()
    assert same.holder().startswith("macsql ")
    assert other.acquire()
    one.release()
    until(same.acquire, "the lock")
    for lock in (same, other):
        lock.release()


@pytest.mark.parametrize(
    ("storage", "words"),
    [
        ("postgresql+psycopg://user:secret@127.0.0.1/x", "holds a password"),
        ("postgresql+psycopg://user@127.0.0.1:1/x", "cannot be used there"),
        ("postgresql+nodriver://user@127.0.0.1/x", r"pip install .psycopg\[binary\]."),
        ("postgresql", "or postgresql.psycopg://"),
    ],
)
def test_a_database_that_cannot_be_had_is_refused_in_a_sentence(storage, words):
    if words == "cannot be used there":
        pytest.importorskip("psycopg", reason="the driver is an extra, postgres")
    with pytest.raises(UserError, match=words) as refusal:
        DatabaseLock(storage, "a").acquire()
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("key", ["tracking.uri", "tracking.storage"])
def test_tracking_on_a_server_needs_its_addresses(key):
    given = {
        "tracking.uri": ("MLFLOW_TRACKING_URI", "http://host:5000"),
        "tracking.storage": ("OPTUNA_STORAGE", "postgresql+psycopg://user@host/optuna"),
    }
    variable, _ = given.pop(key)
    others = [f"{other}={value}" for other, (_, value) in given.items()]
    command = [sys.executable, "-m", "macsql.sweep", "+experiment=lr_bs", "tracking=server", *others]
    environment = {name: value for name, value in os.environ.items() if name != variable}
    done = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr == f"{key} has no value: write {key}=VALUE, or set the environment variable {variable}.\n"
