"""Workers start light, die with their parent or when told, are replaced, and leave nothing behind."""

import io
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from macsql.database.plain import load_plain
from macsql.database.process import PROGRAM
from macsql.database.sandbox import Limits, Sandbox, Status

REPO = Path(__file__).resolve().parents[2]
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
ONE_LONG_CALL = "SELECT instr(printf('%.9000000c', 'x'), printf('%.4000000c', 'x') || 'y')"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "one.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (a)")
    connection.close()
    return path


def wait_for(condition: Callable[[], bool], seconds: float = 15) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


OTHERS: set[psutil.Process] = set()


@pytest.fixture(autouse=True)
def _of_this_test_alone() -> None:
    """Other tests of the same process may keep a sandbox open for a while."""
    OTHERS.clear()
    OTHERS.update(workers())


def workers(process: psutil.Process | None = None) -> list[psutil.Process]:
    found = set((process or psutil.Process()).children(recursive=True)) - OTHERS
    return [child for child in found if child.is_running() and "macsql.database.worker" in " ".join(child.cmdline())]


def busy(process: psutil.Process) -> bool:
    return process.cpu_times().user > 0.2


@pytest.fixture
def program(database: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts a Python program in which `database`, `Sandbox`, `ENDLESS` and `ONE_LONG_CALL` are known."""
    started: list[subprocess.Popen[str]] = []

    def start(body: str) -> subprocess.Popen[str]:
        head = f"""
            import os, sys, threading
            from pathlib import Path
            from macsql.database.sandbox import Limits, Sandbox
            database, ENDLESS, ONE_LONG_CALL = Path({str(database)!r}), {ENDLESS!r}, {ONE_LONG_CALL!r}
        """
        code = textwrap.dedent(head) + textwrap.dedent(body)
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", code], cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_worker_imports_light_modules_of_the_standard_library_alone() -> None:
    code = PROGRAM.replace("; main()", "; print(*sys.modules)")
    loaded = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    ours = {name for name in loaded if name.startswith("macsql")}
    assert ours == {"macsql", "macsql.database", "macsql.database.readonly", "macsql.database.worker"}
    assert {name.partition(".")[0] for name in loaded} <= sys.stdlib_module_names | {"macsql", "__main__"}
    assert not {"inspect", "typing_extensions", "asyncio", "multiprocessing"} & set(loaded)


def test_workers_start_when_needed_and_are_gone_after_close(database: Path) -> None:
    threads = threading.active_count()
    with Sandbox(workers=2) as sandbox:
        assert workers() == []
        sandbox.run(database, "SELECT 1")
        assert len(workers()) == 1
        list(sandbox.run_many([(database, "SELECT 1")] * 500))
        assert len(workers()) == 2
    assert workers() == []
    assert threading.active_count() == threads
    sandbox.close()
    for use in (sandbox.run, sandbox.run_repeated):
        with pytest.raises(RuntimeError, match="closed"):
            use(database, "SELECT 1", 1)  # type: ignore[operator,arg-type]


@pytest.mark.parametrize("sql", [ENDLESS, ONE_LONG_CALL])
def test_a_statement_that_the_worker_dies_of_is_a_crash_and_the_next_one_runs(database: Path, sql: str) -> None:
    with Sandbox(workers=1) as sandbox, ThreadPoolExecutor(1) as pool:
        future = pool.submit(
            lambda: list(sandbox.run_many([(database, "SELECT 1"), (database, sql), (database, "SELECT 2")]))
        )
        assert wait_for(lambda: any(busy(worker) for worker in workers()))
        workers()[0].send_signal(signal.SIGSEGV)
        outcomes = future.result(timeout=20)
    assert [outcome.status for outcome in outcomes] == [Status.OK, Status.CRASH, Status.OK]
    assert "Segmentation fault" in outcomes[1].message
    assert outcomes[2].rows == ((2,),)


def test_a_worker_that_died_while_idle_costs_no_statement(database: Path) -> None:
    with Sandbox() as sandbox:
        sandbox.run(database, "SELECT 1")
        worker = workers()[0]
        worker.kill()
        assert wait_for(lambda: os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None)
        assert sandbox.run(database, "SELECT 2").rows == ((2,),)


@pytest.mark.parametrize("sql", [ENDLESS, ONE_LONG_CALL])
def test_workers_end_when_their_parent_is_killed(program: Callable[[str], subprocess.Popen[str]], sql: str) -> None:
    parent = program(f"list(Sandbox(workers=2).run_many([(database, {sql!r})] * 9))")
    assert wait_for(lambda: len([w for w in workers(psutil.Process(parent.pid)) if busy(w)]) == 2)
    children = workers(psutil.Process(parent.pid))
    parent.kill()
    parent.wait()
    assert wait_for(lambda: not any(child.is_running() for child in children), seconds=5)


def test_idle_workers_end_when_their_parent_is_killed(program: Callable[[str], subprocess.Popen[str]]) -> None:
    parent = program("Sandbox().run(database, 'SELECT 1'); print('ready', flush=True); threading.Event().wait()")
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"
    children = workers(psutil.Process(parent.pid))
    parent.kill()
    parent.wait()
    assert children
    assert wait_for(lambda: not any(child.is_running() for child in children), seconds=5)


@pytest.mark.parametrize(
    "call", ["sandbox.run(database, ENDLESS)", "list(sandbox.run_many([(database, ENDLESS)] * 9))"]
)
def test_ctrl_c_reaches_the_parent_alone_and_ends_it_at_once(
    program: Callable[[str], subprocess.Popen[str]], call: str
) -> None:
    parent = program(
        f"""
        try:
            with Sandbox(workers=2) as sandbox:
                {call}
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        """
    )
    assert wait_for(lambda: any(busy(worker) for worker in workers(psutil.Process(parent.pid))))
    children = workers(psutil.Process(parent.pid))
    for process in [*children, psutil.Process(parent.pid)]:  # as a terminal does
        process.send_signal(signal.SIGINT)
    output, errors = parent.communicate(timeout=5)
    assert (output, errors, parent.returncode) == ("interrupted\n", "", 0)
    assert not any(child.is_running() for child in children)


def test_ctrl_c_does_not_disturb_a_worker(database: Path) -> None:
    with Sandbox() as sandbox, ThreadPoolExecutor(1) as pool:
        future = pool.submit(sandbox.run, database, ENDLESS, Limits(seconds=1.5))
        assert wait_for(lambda: any(busy(worker) for worker in workers()))
        workers()[0].send_signal(signal.SIGINT)
        outcome = future.result()
        assert outcome.status is Status.TIMEOUT
        assert outcome.seconds > 1.4


def test_close_ends_what_other_threads_run(database: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        sandbox = Sandbox(workers=2)
        futures = [pool.submit(sandbox.run, database, ENDLESS) for _ in range(3)]
        assert wait_for(lambda: len([worker for worker in workers() if busy(worker)]) == 2)
        begun = time.monotonic()
        sandbox.close()
        for future in futures:
            assert isinstance(future.exception(timeout=5), RuntimeError)
        assert time.monotonic() - begun < 5
    assert workers() == []


def test_a_forgotten_sandbox_keeps_neither_the_program_nor_its_workers(
    program: Callable[[str], subprocess.Popen[str]],
) -> None:
    parent = program(
        "sandbox = Sandbox(2); list(sandbox.run_many([(database, 'SELECT 1')] * 9)); sandbox.run(database, 'X')"
    )
    _, errors = parent.communicate(timeout=20)
    assert (parent.returncode, errors) == (0, "")


def test_threads_share_a_sandbox(database: Path) -> None:
    with Sandbox(workers=2) as sandbox, ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda n: sandbox.run(database, f"SELECT {n}").rows, range(400))
        assert list(answers) == [((n,),) for n in range(400)]
        assert len(workers()) <= 2


def test_a_forked_child_starts_workers_of_its_own(program: Callable[[str], subprocess.Popen[str]]) -> None:
    parent = program(
        """
        with Sandbox(workers=2) as sandbox:
            list(sandbox.run_many([(database, "SELECT 1")] * 500))
            if child := os.fork():
                assert os.waitpid(child, 0)[1] == 0
                print(list(sandbox.run_many([(database, f"SELECT {n}") for n in range(500)]))[-1].rows)
            else:
                rows = [outcome.rows for outcome in sandbox.run_many([(database, f"SELECT -{n}") for n in range(300)])]
                right = rows == [((-n,),) for n in range(300)] and sandbox.run(database, "SELECT 3").rows == ((3,),)
                sandbox.close()
                os._exit(0 if right else 1)
        """
    )
    output, errors = parent.communicate(timeout=30)
    assert (output, errors, parent.returncode) == ("((499,),)\n", "", 0)


def test_a_worker_that_cannot_start_is_no_verdict_on_a_statement(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("macsql.database.process.PROGRAM", "import sys; sys.exit(3)")
    with Sandbox() as sandbox, pytest.raises(RuntimeError, match=r"did not start .*exit code 3"):
        sandbox.run(database, "SELECT 1")


class _Forged:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("exit 1",)


def test_an_answer_can_name_nothing_to_run() -> None:
    with pytest.raises(pickle.UnpicklingError, match="no place"):
        load_plain(io.BytesIO(pickle.dumps(_Forged())))


def test_another_limit_on_memory_takes_another_worker(database: Path) -> None:
    with Sandbox() as sandbox:
        sandbox.run(database, "SELECT 1")
        first = workers()
        sandbox.run(database, "SELECT 1", Limits(memory=128 << 20))
        assert len(workers()) == 1
        assert workers() != first


def test_a_workers_own_limits_are_set(database: Path) -> None:
    resource = pytest.importorskip("resource")
    with Sandbox() as sandbox:
        sandbox.run(database, "SELECT 1")
        worker = workers()[0]
        assert worker.rlimit(resource.RLIMIT_FSIZE) == (0, 0)
        assert worker.rlimit(resource.RLIMIT_CORE) == (0, 0)
        assert worker.rlimit(resource.RLIMIT_AS) == (1 << 30, 1 << 30)
        assert 30 < worker.rlimit(resource.RLIMIT_CPU)[0] < 40
