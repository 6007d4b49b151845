"""Small corpora of each format, made by hand in their published layouts."""

import json
import sqlite3
from contextlib import closing

import pytest


@pytest.fixture
def make_sqlite():
    """A function (path, script) that makes a SQLite file."""

    def make(path, script):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(script)
            connection.commit()
        return path

    return make


@pytest.fixture
def write_json():
    """A function (path, content) that writes a JSON file."""

    def write(path, content):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    return write
