"""Folders and addresses with every letter a path may have."""

import sqlite3

import pytest
from sqlalchemy import create_engine, text

from macsql.errors import UserError
from macsql.system.addresses import sqlite_file, sqlite_url, state_folder

NAMES = ["plain", "q?m", "p%2Fc", "h#a", "sp ace", "ümlaut", "{x}", "a&b=c", "it's", "semi;colon", "new+plus", "c:on@x"]


@pytest.mark.parametrize("name", NAMES)
def test_a_database_lies_where_its_path_says(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    url = sqlite_url(folder / "x.db")
    with create_engine(url).begin() as connection:
        connection.execute(text("CREATE TABLE t (c)"))
    assert sqlite_file(url, "k") == folder / "x.db"
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert sqlite3.connect(folder / "x.db").execute("SELECT name FROM sqlite_master").fetchall() == [("t",)]


@pytest.mark.parametrize("url", ["http://host:1", "postgresql+psycopg://u@h/d"])
def test_another_address_is_no_file(url):
    assert sqlite_file(url, "tracking.uri") is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:////tmp/q?m/x.db", "write %3F"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite", "is not an address"),
        ("sqlite+aiosqlite:///x.db", "names no file"),
    ],
)
def test_an_address_without_a_file_is_refused_by_its_key(url, words):
    with pytest.raises(UserError, match=r"tracking\.storage=") as caught:
        sqlite_file(url, "tracking.storage")
    assert words in str(caught.value)


def test_a_state_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for named in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / ("x" * 300)):
        with pytest.raises(UserError, match=r"tracking\.state_dir=.* cannot be used"):
            state_folder(str(named))
    assert state_folder(str(tmp_path / "new" / "er")).is_dir()


def test_what_is_in_the_way_of_the_state_folder_is_said(tmp_path):
    file = tmp_path / "notes.md"
    file.write_text("")
    with pytest.raises(UserError, match=r"notes\.md cannot be used \(it is a file, not a folder\)"):
        state_folder(str(file))
    with pytest.raises(UserError, match=r"\(.*notes\.md is a file, not a folder\)"):
        state_folder(str(file / "state"))
    with pytest.raises(UserError, match=r"\(/proc takes no new folder\)"):
        state_folder("/proc/state")
