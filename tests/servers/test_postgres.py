"""Studies in a real PostgreSQL, and one coordinator for each of them wherever it runs."""

import signal

import pytest
from servers import until

from macsql.errors import UserError
from macsql.search.database_lock import DatabaseLock


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
    with pytest.raises(UserError, match=words) as refusal:
        DatabaseLock(storage, "a").acquire()
    assert "secret" not in str(refusal.value)
