"""A real PostgreSQL and a real MLflow server, started here, killed here."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition, what: str, seconds: float = 90.0):
    """The first true value of `condition`; fails after so many seconds."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.05)
    return value


def postgres_programs() -> Path | None:
    """The folder with initdb and postgres; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


class Postgres:
    """A server in a temporary folder, run by an unprivileged user: it refuses to be root."""

    def __init__(self, programs: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="macsql-pg-", dir="/tmp"))  # short: its socket lies there
        self.port = free_port()
        self.user: dict[str, object] = {}
        if os.geteuid() == 0:
            name = next(name for name in ("postgres", "nobody") if _exists(name))
            about = pwd.getpwnam(name)
            os.chown(self.folder, about.pw_uid, about.pw_gid)
            self.user = {"user": about.pw_uid, "group": about.pw_gid, "extra_groups": []}
        self.programs, self.data = programs, self.folder / "data"
        command = [programs / "initdb", "-D", self.data, "-U", "macsql", "--auth=trust", "-E", "UTF8", "--no-sync"]
        with (self.folder / "log").open("wb") as log:
            self._run(command, log)
        self.start()

    def start(self) -> None:
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "fsync": "off", "max_connections": 60}
        arguments = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.data, "-k", self.folder, *arguments],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **self.user,
            )
        until(self._answers, "PostgreSQL")

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://macsql@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> str:
        """A new database; returns its URL."""
        with self._connect() as connection:
            connection.execute(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)  # a fast shutdown: its sessions are cut
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _connect(self):
        import psycopg

        return psycopg.connect(host="127.0.0.1", port=self.port, user="macsql", dbname="postgres", autocommit=True)

    def _answers(self) -> bool:
        import psycopg

        with suppress(psycopg.Error):
            self._connect().close()
            return True
        return False

    def _run(self, command: list[object], log: object) -> None:
        subprocess.run([str(word) for word in command], check=True, stdout=log, stderr=log, cwd="/tmp", **self.user)


class MlflowServer:
    """`mlflow server` on a database, artifacts served; killed and started again on the same port."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder, self.database, self.port = folder, database, free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", self.database, "--artifacts-destination", str(self.folder / "artifacts")]
        off = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--workers", "1"],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=os.environ | off,
                start_new_session=True,
            )
        until(self._answers, "the MLflow server")

    def kill(self) -> None:
        """kill -9 of the server and all of its workers."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "server.log").read_text()
        with suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
            return answer.status == 200
        return False


def _exists(user: str) -> bool:
    with suppress(KeyError):
        return bool(pwd.getpwnam(user))
    return False
