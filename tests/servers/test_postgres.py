"""Studies in a real PostgreSQL, and one coordinator for each of them wherever it runs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from servers import until

from macsql.errors import UserError
from macsql.search.database_lock import DatabaseLock

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def storage(postgres, request):
    return postgres.create(request.node.name)


def test_one_coordinator_a_study_whatever_its_state_directory(storage, stub_sweep):
    """Two state directories stand for two machines: what they share is the database alone."""
    changes = {"tracking.storage": storage}
    first = stub_sweep("here", changes, {"STUB_PAUSE": "0.5"})
    second = stub_sweep("there", changes)
    call = first.start()
    until(first.events, "the first sweep's events")
    assert second.run() == 1
    assert "already running on this database (macsql " in second.log
    call.signal(signal.SIGKILL)
    assert call.wait() == -signal.SIGKILL
    first.environment["STUB_PAUSE"] = "0.01"
    assert first.run() == 0, first.log
    assert second.run() == 0, second.log
    assert "nothing is left to run" in second.log


def test_the_lock_is_the_studys_and_ends_with_its_session(storage):
    one, same, other = DatabaseLock(storage, "a"), DatabaseLock(storage, "a"), DatabaseLock(storage, "b")
    assert one.acquire()
    assert not same.acquire()
    assert same.holder().startswith("macsql ")
    assert other.acquire()
    one.release()
    until(same.acquire, "the lock", 5)
    for lock in (same, other):
        lock.release()


@pytest.mark.parametrize(
    ("storage", "words"),
    [
        ("postgresql+psycopg://user:secret@127.0.0.1/x", "holds a password"),
        ("postgresql+psycopg://user@127.0.0.1:1/x", "cannot be used there"),
        ("postgresql+nodriver://user@127.0.0.1/x", r"macsql\[postgres\]"),
        ("postgresql", "write postgresql"),
    ],
)
def test_a_database_that_cannot_be_had_is_refused_in_a_sentence(storage, words):
    if words == "cannot be used there":
        pytest.importorskip("psycopg", reason="the driver is an extra: macsql[postgres]")
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
