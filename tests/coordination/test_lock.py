"""One coordinator a study, wherever its state directory is, and what ends it."""

import errno
import fcntl
import os
import signal
import subprocess
import sys

import pytest

from macsql.coordination.database_lock import DatabaseLock
from macsql.coordination.interrupts import Interrupts
from macsql.coordination.lock import StudyLock
from macsql.errors import UserError
from macsql.system.file_lock import FileLock


def run(code, *arguments):
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60)


LOCK = """
import sys
from pathlib import Path
from macsql.errors import UserError
from macsql.coordination.lock import StudyLock
try:
    with StudyLock(Path(sys.argv[1]), sys.argv[2], sys.argv[3] or None):
        print("held")
except UserError as error:
    print(error)
"""


def test_two_state_directories_with_one_file_of_studies(tmp_path):
    storage = f"sqlite:///{tmp_path}/studies.db"
    with StudyLock(tmp_path / "here", "a", storage):
        assert f"already running (process {os.getpid()}" in run(LOCK, str(tmp_path / "there"), "a", storage).stdout
        assert run(LOCK, str(tmp_path / "there"), "b", storage).stdout == "held\n"
        assert run(LOCK, str(tmp_path / "there"), "a", "").stdout == "held\n"
    assert run(LOCK, str(tmp_path / "there"), "a", storage).stdout == "held\n"


def test_a_state_directory_and_another_that_was_given_its_file(tmp_path):
    storage = f"sqlite:///{tmp_path}/here/optuna.db"
    with StudyLock(tmp_path / "here", "a"):
        assert f"already running (process {os.getpid()}" in run(LOCK, str(tmp_path / "there"), "a", storage).stdout


def test_a_database_without_such_a_lock_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"tracking\.storage=mysql://host/x: write sqlite:///FILE or postgresql"):
        StudyLock(tmp_path, "a", "mysql://host/x")


def test_a_file_system_without_locks_is_named_and_not_taken_for_a_held_one(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with pytest.raises(UserError, match=r"cannot be locked .*file system with POSIX locks"):
        FileLock(tmp_path / "x").acquire()


@pytest.fixture
def in_a_terminal():
    """The signals as a terminal leaves them; under nohup or behind `&` some are ignored before the tests begin."""
    before = {
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("in_a_terminal")
def test_a_terminal_that_goes_away_twice_is_one_request():
    with Interrupts() as interrupts:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGHUP)
        assert interrupts.count == 1
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.count == 2


SAY = """
import os, sys, time
from macsql.system.streams import say
sys.stdin.readline()
for _ in range(3):
    say("a line")
print("and on", file=sys.stderr)
"""


def test_work_goes_on_when_nobody_listens_any_more():
    process = subprocess.Popen(
        [sys.executable, "-c", SAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    process.stdin.write("go\n")
    process.stdin.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == "and on\n"
    process.stderr.close()


def test_a_lock_is_asked_for_again_however_long_its_database_is_away():
    pytest.importorskip("psycopg", reason="the driver is an extra, postgres")
    lock = DatabaseLock("postgresql+psycopg://nobody@127.0.0.1:1/x", "a")
    assert [lock.renew() for _ in range(3)] == [False] * 3
