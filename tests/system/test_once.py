"""What takes long is found once for all that it hangs on."""

import json
from pathlib import Path

import pytest

from macsql.system import once as module
from macsql.system.once import once


@pytest.fixture
def asked(tmp_path):
    """Asks for an answer and says whether it was found or known."""

    def ask(*things: object, files: tuple[Path, ...] = (), answer: object = 1.5) -> tuple[object, bool]:
        found: list[object] = []

        def find() -> object:
            found.append(answer)
            return answer

        return once(tmp_path / "known", things, files, find), bool(found)

    return ask


@pytest.mark.parametrize("answer", [1.5, True, "words", ["some", "sentences"], []])
def test_an_answer_is_found_once(asked, answer):
    assert asked("what", answer=answer) == (answer, True)
    assert asked("what", answer="another") == (answer, False)


def test_what_it_hangs_on_tells_answers_apart(asked, tmp_path, monkeypatch):
    file = tmp_path / "weights"
    file.write_text("a")
    for things, files in ((("what",), ()), (("what", 1), ()), (("what", "1"), ()), (("what",), (file,))):
        assert asked(*things, files=files)[1]
        assert not asked(*things, files=files)[1]
    file.write_text("b")
    assert asked("what", files=(file,))[1]
    monkeypatch.setattr(module, "_here", lambda: ("another machine",))
    assert asked("what")[1]


def test_what_was_not_found_is_not_kept(asked, tmp_path):
    with pytest.raises(ZeroDivisionError):
        once(tmp_path / "known", ["what"], [], lambda: 1 // 0)
    assert asked("what") == (1.5, True)


def test_a_missing_file_and_a_damaged_answer_mean_that_nothing_is_known(asked, tmp_path):
    assert asked("what", files=(tmp_path / "gone",))[1]
    assert asked("what", files=(tmp_path / "gone",))[1]
    assert asked("what")[1]
    [kept] = (tmp_path / "known").iterdir()
    kept.write_text(json.dumps(1.5)[:1] + "x")
    assert asked("what", answer=2.5) == (2.5, True)
    assert asked("what") == (2.5, False)


def test_where_nothing_can_be_kept_it_is_found_each_time(asked, tmp_path):
    (tmp_path / "known").write_text("a file in the folder's place")
    assert asked("what") == asked("what") == (1.5, True)
