"""The parent's handle on one worker process: requests out, answers in, and an end by force when none comes."""

import io
import os
import pickle
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from itertools import chain
from typing import Any, NamedTuple

from macsql.database.plain import PACKAGE_ROOT, load_plain
from macsql.database.readonly import Status
from macsql.database.worker import Answer, Request

PROGRAM = f"import sys; sys.path.append({PACKAGE_ROOT!r}); from macsql.database.worker import main; main()"
START = 60.0  # seconds that a new process may take to say that it is ready
READ = 1 << 20  # bytes taken out of the pipe at a time
SPARE = 1 << 20  # bytes of a frame beyond those of its rows


class Reply(NamedTuple):
    """An answer with its rows."""

    answer: Answer
    rows: tuple[tuple[Any, ...], ...]
    size: int  # bytes it came in


class _ClosedError(Exception):
    """The process has ended, or sent what no worker sends."""


class WorkerProcess:
    """One worker process, good for any number of requests until `alive` turns false."""

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.alive = True
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", PROGRAM, str(memory), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "MALLOC_ARENA_MAX": "1"},  # a second arena would reserve address space for nothing
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._ready = select.poll()
        self._ready.register(self._answers, select.POLLIN)
        self._buffer = bytearray()

    def wait_until_ready(self) -> None:
        """Raises RuntimeError if the process does not come up: then no statement is to blame."""
        try:
            self._receive(time.monotonic() + START, SPARE)
        except (TimeoutError, _ClosedError) as error:
            self.end()
            raise RuntimeError(f"a worker of the SQL sandbox did not start ({self._last_words()})") from error

    def ask(self, request: Request) -> list[Reply]:
        """The replies to the first statements of the request: to fewer than all if one of them ends the process (that
        one has its reply too, and `alive` is false) or if replies of `request.bytes` have come.
        """
        replies: list[Reply] = []
        size = 0
        try:
            self._send(request)
            while self.alive and len(replies) < len(request.statements) and size <= request.bytes:
                replies.append(self._reply(request))
                size += replies[-1].size
        except BaseException:  # Ctrl-C: what still comes would be taken for the answer to another question
            self.end()
            raise
        return replies

    def running(self) -> bool:
        """Whether the process lives."""
        return self.alive and self._process.poll() is None

    def kill(self) -> None:
        """Kill the process, which has nothing to lose; safe from any thread."""
        self._process.kill()

    def end(self) -> None:
        """Kill the process, wait for it and close its pipes; for the thread that uses it."""
        self.alive = False
        self._process.kill()
        self._process.wait()
        with suppress(BrokenPipeError):
            self._requests.close()
        self._answers.close()

    def _reply(self, request: Request) -> Reply:
        begun = time.monotonic()
        try:
            reply = self._receive(begun + request.seconds + request.grace, request.bytes + SPARE)
        except TimeoutError:
            status, message = Status.TIMEOUT, f"killed after {request.seconds:g} s"
        except _ClosedError as error:
            self.end()
            # The kernel's limit on processor time is one more clock; any other death is the statement's doing.
            status = Status.TIMEOUT if self._process.returncode == -signal.SIGXCPU else Status.CRASH
            message = f"{error}: {self._last_words()}"
        else:
            if reply.answer.status == Status.MEMORY:  # it is leaving
                self.end()
            return reply
        self.end()
        return Reply(Answer(status, message=message, seconds=time.monotonic() - begun), (), 0)

    def _last_words(self) -> str:
        code = self._process.returncode
        return f"ended by signal {-code}, {signal.strsignal(-code)}" if code < 0 else f"exit code {code}"

    def _send(self, request: Request) -> None:
        frame = pickle.dumps(tuple(request), pickle.HIGHEST_PROTOCOL)
        with suppress(BrokenPipeError):  # its end shows when no answer comes
            self._requests.write(len(frame).to_bytes(8, "big") + frame)
            self._requests.flush()

    def _receive(self, deadline: float, largest: int) -> Reply:
        """The next frame. Raises TimeoutError and _ClosedError."""
        size = int.from_bytes(self._take(8, deadline), "big")
        if size > largest:
            raise _ClosedError(f"a frame of {size} bytes")
        frame = io.BytesIO(self._take(size, deadline))
        try:
            answer = Answer(*load_plain(frame))
            chunks = [load_plain(frame) for _ in range(answer.chunks)]
            return Reply(answer, tuple(chain.from_iterable(chunks)), size)
        except Exception as error:
            raise _ClosedError(f"an unreadable frame ({error})") from error

    def _take(self, count: int, deadline: float) -> bytes:
        while len(self._buffer) < count:
            if not self._ready.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError
            data = os.read(self._answers.fileno(), READ)
            if not data:
                raise _ClosedError("the worker died")
            self._buffer += data
        taken = bytes(memoryview(self._buffer)[:count])
        del self._buffer[:count]
        return taken
