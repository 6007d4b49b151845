"""What goes on around a trial's work, whatever the work is: one process a folder, and a result however it ends."""

import dataclasses
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from macsql.errors import UserError, with_type
from macsql.system.file_lock import FileLock
from macsql.trials.folder import CHECKPOINTS, LOCK, RESULT
from macsql.trials.result import Result, read_result, write_result
from macsql.trials.stopping import Diverged, Interrupted, StopRequest, stop_with_parent

EXIT_STOPPED = 3  # interrupted with a checkpoint on disk
PATIENCE = 60.0  # seconds to wait for another process to leave the folder


def lock_of(folder: Path) -> FileLock:
    """The lock that a trial's process holds on its folder as long as it lives."""
    return FileLock(folder / LOCK)


@contextmanager
def occupied(folder: Path, stop: StopRequest) -> Iterator[None]:
    """Hold the folder. Raises Interrupted when asked to stop, UserError where another process does not leave it."""
    lock, until, told = lock_of(folder), time.monotonic() + PATIENCE, False
    stop.check()
    while not lock.acquire():
        process, host = lock.holder()
        if not told:
            print(f"Waiting for process {process} on {host}, which is at work in {folder}.", flush=True)
            told = True
        if time.monotonic() > until:
            raise UserError(f"Process {process} on {host} is at work in {folder}: wait for it, or end it.")
        time.sleep(0.1)
        stop.check()
    try:
        stop.check()
        yield
    finally:
        lock.release()


def complete(folder: Path, stop: StopRequest, work: Callable[[], Result]) -> Result:
    """The folder's result: the one that is there where it has finished before, else what `work` gives.

    Leaves the result in the folder however the work ends. Raises Interrupted alone.
    """
    started = time.monotonic()
    try:
        with occupied(folder, stop):
            before = read_result(folder)
            if before is not None and before.status == "FINISHED":
                result = before
            else:
                (folder / RESULT).unlink(missing_ok=True)  # of a failed attempt
                result = _outcome(work)
                result = dataclasses.replace(result, seconds=round(time.monotonic() - started, 3))
                write_result(folder, result)
            if result.status == "FINISHED":
                shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)  # they serve for resuming only
    except UserError as error:  # the folder is taken; its result is the other process's to write
        result = Result("FAILED", {}, str(error))
        print(error, flush=True)
    return result


def serve(folder: Path, work: Callable[[StopRequest], Result]) -> int:
    """A trial's whole process; returns its exit code: 0 finished, 1 failed, EXIT_STOPPED stopped on request."""
    stop = StopRequest().listen()
    stop_with_parent(stop)
    try:
        result = complete(folder, stop, lambda: work(stop))
    except Interrupted:
        return EXIT_STOPPED
    return 0 if result.status == "FINISHED" else 1


def _outcome(work: Callable[[], Result]) -> Result:
    try:
        return work()
    except Interrupted:
        raise
    except UserError as error:
        print(error, file=sys.stderr, flush=True)
        return Result("FAILED", {}, str(error))
    except Diverged as error:
        return Result("FAILED", {}, f"diverged: {error}", cause="diverged")
    except Exception as error:  # whatever a trial dies of must not pass for "still running"
        traceback.print_exc()
        return Result("FAILED", {}, with_type(error))
