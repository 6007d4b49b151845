from pathlib import Path

import pytest

from macsql.errors import LONGEST, first_line, with_type
from macsql.files import new_folder, replacing, write_whole


def test_a_file_is_replaced_whole(tmp_path):
    write_whole(tmp_path / "new" / "x.json", "ä")
    write_whole(tmp_path / "new" / "x.json", b"\xff")
    assert (tmp_path / "new" / "x.json").read_bytes() == b"\xff"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.json"]


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "x.json", "{}")
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_fails_leaves_the_old_file(tmp_path):
    (tmp_path / "x").write_text("old")

    def fail() -> None:
        with replacing(tmp_path / "x") as partial:
            partial.write_text("half")
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        fail()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"x": "old"}


def test_of_two_processes_that_fill_a_folder_the_first_wins(tmp_path):
    with new_folder(tmp_path / "f") as second:
        (second / "x").write_text("second")
        with new_folder(tmp_path / "f") as first:
            (first / "x").write_text("first")
    assert (tmp_path / "f" / "x").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_folder_whose_filling_fails_is_not_there(tmp_path):
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "f"):
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "line", "named"),
    [
        (ValueError("one.\ntwo"), "one", "ValueError: one"),
        (ValueError("\n  one  \n"), "one", "ValueError: one"),
        (MemoryError(), "MemoryError", "MemoryError"),
        (KeyError("k"), "'k'", "KeyError: 'k'"),
        (ValueError("x" * 1000), "x" * (LONGEST - 1) + "…", "ValueError: " + "x" * (LONGEST - 1) + "…"),
    ],
)
def test_an_error_in_short(error, line, named):
    assert (first_line(error), with_type(error)) == (line, named)
