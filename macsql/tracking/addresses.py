"""Where MLflow is: its address, what tells our runs there from others', and how it is kept quiet."""

import logging
import os
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from macsql.errors import UserError
from macsql.revision import commit
from macsql.system.addresses import sqlite_file, sqlite_url
from macsql.system.files import write_whole

DATABASES = ("postgresql", "mysql", "mssql", "databricks")  # how MLflow's other addresses begin


def check_uri(uri: str | None) -> None:
    """Raise UserError for an address of MLflow that is none, or that holds a password: every trial's folder has it."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    if uri is None or sqlite_file(uri, "tracking.uri") is not None:
        return
    server = uri.startswith(("http://", "https://"))
    if not server and not uri.startswith(DATABASES):  # MLflow keeps no runs in plain files any more
        raise UserError(f"tracking.uri={uri} is not an address of MLflow: write http://HOST:PORT or sqlite:///FILE.")
    try:
        password = urlsplit(uri).password if server else make_url(uri).password if "://" in uri else None
    except (ArgumentError, ValueError) as error:
        raise UserError(f"tracking.uri={uri} is not an address: write http://HOST:PORT or sqlite:///FILE.") from error
    if password is not None:
        instead = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" if server else "PGPASSWORD or PGPASSFILE"
        raise UserError(
            "tracking.uri holds a password, which would be written into every trial's folder and into MLflow: leave it "
            f"out and set {instead}."
        )


def existing(uri: str | None, state_dir: Path) -> str:
    """The address of MLflow to read from. Raises UserError where nothing has been recorded yet."""
    if uri is None and not (state_dir / "mlflow.db").exists():
        raise UserError(f"{state_dir} holds no mlflow.db: nothing has been recorded there.")
    return uri or sqlite_url(state_dir / "mlflow.db")


def quiet() -> None:
    """Before MLflow is imported: it asks once, waits ten seconds, and leaves the talking to us."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # a repeated create makes a second run
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")  # or it speaks of migrations
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    for talkative in ("mlflow", "alembic"):
        logging.getLogger(talkative).setLevel(logging.CRITICAL)  # what goes wrong is told in a sentence


def origin(state_dir: Path) -> str:
    """What tells this state directory's runs from others on a server that sweeps of the same name may share."""
    path = state_dir / "origin"
    if not path.exists() or not path.read_text(encoding="utf-8").strip():
        write_whole(path, uuid4().hex)
    return path.read_text(encoding="utf-8").strip()


def folder_of(address: str | None) -> Path | None:
    """The folder that a file: address names; None for another."""
    parts = urlsplit(address or "")
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def code_tags() -> dict[str, str]:
    """Where the code stands, for a run's tags."""
    found = commit()
    return {"mlflow.source.name": "macsql", **({"mlflow.source.git.commit": found} if found else {})}
