"""Folders named by what went into them: never of anything else, never half, never too many."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macsql.system import kept
from macsql.system.kept import CONTENTS, code_in, keep, name_of, whole

TEXTS = st.lists(st.text(st.characters(), max_size=5), max_size=4)  # half surrogate pairs too


@given(TEXTS, TEXTS)
def test_other_texts_have_another_name(one, other):
    assert (name_of(one, 1) == name_of(other, 1)) == (one == other)


@pytest.mark.parametrize("made_with", [(), (1, "2"), ("1", 2), (12,), ((1, 2),), (1, 2, None)])
def test_other_settings_have_another_name(made_with):
    assert name_of(["a"], *made_with) != name_of(["a"], 1, 2)


def test_changed_code_has_another_name(tmp_path):
    names = set()
    for number in range(3):
        path = tmp_path / f"{number}.py"
        path.write_text("x = 1" if number < 2 else "x = 2")
        names.add(code_in(path))
    assert len(names) == 2


def put(folder, text="content"):
    keep(folder, lambda place: (place / "file").write_text(text))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "file").write_text("Content"),
        lambda folder: (folder / "file").write_text("con"),
        lambda folder: (folder / "file").unlink(),
        lambda folder: (folder / CONTENTS).unlink(),
        *[
            lambda folder, text=text: (folder / CONTENTS).write_bytes(text)
            for text in (b"", b"{}", b"[1]", b"\xff", b"7")
        ],
    ],
)
def test_what_has_been_damaged_is_made_again(tmp_path, damage):
    folder = tmp_path / "rows" / "name"
    assert not whole(folder)
    put(folder)
    assert whole(folder)
    damage(folder)
    assert not whole(folder)
    put(folder)
    assert whole(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["name"]


def test_two_that_make_the_same_at_once_leave_one(tmp_path):
    folder = tmp_path / "name"

    def fill(place):
        put(folder)  # the other one is faster
        (place / "file").write_text("content")

    keep(folder, fill)
    assert whole(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["name"]


def test_a_maker_that_fails_leaves_nothing(tmp_path):
    def fill(place):
        (place / "file").write_text("half")
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 nothing is caught but what the disk says
        keep(tmp_path / "name", fill)
    assert not list(tmp_path.iterdir())


def test_what_has_not_been_used_for_longest_goes_first(tmp_path, monkeypatch):
    for age, name in enumerate(("new", "old", "used")):
        put(tmp_path / name)
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    assert whole(tmp_path / "used")
    size = sum(path.stat().st_size for path in (tmp_path / "new").iterdir())
    monkeypatch.setattr(kept, "MOST", 3 * size)
    put(tmp_path / "newest")
    assert {path.name for path in tmp_path.iterdir()} == {"newest", "used", "new"}
    monkeypatch.setattr(kept, "MOST", 0)
    put(tmp_path / "large")
    assert {path.name for path in tmp_path.iterdir()} == {"large"}


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path):
    (tmp_path / "file").touch()
    put(tmp_path / "file" / "name")
    assert not whole(tmp_path / "file" / "name")
