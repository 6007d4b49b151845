import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from macsql.errors import LONGEST, UserError, first_line, with_type
from macsql.system.files import check_output, new_folder, replacing, write_output, write_whole


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


def written(path: Path, *lines: str) -> None:
    check_output("out", path)
    assert write_output("out", path, lines) == len(lines)


def test_a_file_named_by_the_user_is_made_with_its_folder_or_replaced_with_its_rights(tmp_path):
    path = tmp_path / "new" / "x.jsonl"
    written(path, "half a \ud800\n", "ü\n")
    assert path.read_bytes() == "half a ?\nü\n".encode()
    path.chmod(0o600)
    written(path, "again\n")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("again\n", 0o600)
    assert [found.name for found in path.parent.iterdir()] == ["x.jsonl"]


@pytest.mark.parametrize("target", ["there.txt", "not/yet.txt"])
def test_a_link_named_by_the_user_goes_on_pointing_to_its_file(tmp_path, target):
    (tmp_path / "there.txt").write_text("old")
    (tmp_path / "link").symlink_to(target)
    written(tmp_path / "link", "new\n")
    assert (tmp_path / "link").readlink() == Path(target)
    assert (tmp_path / target).read_text() == "new\n"


def test_a_pipe_named_by_the_user_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE, text=True) as reader:
        written(tmp_path / "pipe", "one\n", "two\n")
        assert reader.communicate(timeout=10)[0] == "one\ntwo\n"
    assert (tmp_path / "pipe").is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_a_device_named_by_the_user_stays_one():
    written(Path(os.devnull), "gone\n")
    assert Path(os.devnull).is_char_device()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_one_sentence():
    with pytest.raises(UserError, match=r"^/dev/full cannot be written \(No space left on device\): make room"):
        written(Path("/dev/full"), "x\n")


def test_a_disk_that_fills_up_leaves_the_old_file_and_no_part_of_the_new(tmp_path):
    (tmp_path / "x").write_text("old")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(UserError, match="File too large"):
            written(tmp_path / "x", *["x" * 99 + "\n"] * 50)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
        signal.signal(signal.SIGXFSZ, before)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"x": "old"}


def test_the_shell_goes_on_writing_to_the_file_that_is_this_process_s_output(tmp_path):
    code = "from macsql.system.files import write_output; from pathlib import Path; import sys\n"
    code += "print('first', flush=True); write_output('out', Path('/dev/stdout'), ['second\\n']); print('third')"
    with (tmp_path / "log").open("w") as log:
        subprocess.run([sys.executable, "-c", code], stdout=log, check=True)
    assert (tmp_path / "log").read_text().split() == ["first", "second", "third"]


@pytest.mark.parametrize("name", ["folder", "file/x", "circle", "circle/x", "n" * 300, "new/" + "n" * 300, "nul\0"])
def test_what_cannot_be_written_is_refused_before_any_cost(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "circle").symlink_to("circle")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match="cannot be written") as refused:
        check_output("--out", tmp_path / name)
    assert "--out names a file" in str(refused.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_long_name_leaves_room_for_the_partial_one(tmp_path):
    written(tmp_path / ("ü" * 120), "x\n")
    assert len(list(tmp_path.iterdir())) == 1
