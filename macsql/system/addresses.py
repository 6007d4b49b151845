"""Folders and addresses that a configuration names: made or refused with a sentence, never pasted into a URL."""

import os
from pathlib import Path

from macsql.errors import UserError


def state_folder(named: str) -> Path:
    """The folder of tracking.state_dir, made where it is missing. Raises UserError where that cannot be."""
    path = Path(named)
    wrong = None
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            wrong = "it cannot be written to"
    except OSError as error:
        there = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
        if not there.is_dir():
            wrong = "it is a file, not a folder" if there == path else f"{there} is a file, not a folder"
        else:
            wrong = f"{there} takes no new folder" if isinstance(error, FileNotFoundError) else error.strerror
    if wrong is not None:
        raise UserError(f"tracking.state_dir={named} cannot be used ({wrong}): name a folder that can be written to.")
    return path


def sqlite_url(file: Path) -> str:
    """The address of an SQLite file as SQLAlchemy reads it, whatever letters its path has."""
    from sqlalchemy import URL

    database = str(file.resolve())
    url = URL.create("sqlite", database=database).render_as_string()
    if url == f"sqlite:///{database}":
        return url
    # MLflow makes the folder of an address that begins with "sqlite:///" without reading the escapes in it.
    return URL.create("sqlite+pysqlite", database=database).render_as_string()


def sqlite_file(url: str, key: str) -> Path | None:
    """The file of an SQLite address; None for any other address. `key` is what the sentence calls it.

    Raises UserError for an address that names no file, or whose path has an unescaped question mark.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    if not url.startswith("sqlite"):
        return None
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise UserError(f"{key}={url} is not an address: write sqlite:///FILE.") from error
    if "?" in url:
        raise UserError(f"{key}={url} has a question mark: write %3F for one that belongs to the file's path.")
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite"} or parsed.database in {None, "", ":memory:"}:
        raise UserError(f"{key}={url} names no file: write sqlite:///FILE.")
    return Path(parsed.database or "")
