import json

import pytest

from macsql.errors import UserError
from macsql.trials.result import Result, read_result, write_result


@pytest.mark.parametrize(
    "result",
    [
        Result("FINISHED", {"eval_loss": 1.5}, steps=3, parts={"train": 2.0}),
        Result("FAILED", {}, "diverged: loss is nan at step 3", cause="diverged"),
        Result("FAILED", {}, "diverged in opinion"),
        Result("KILLED", {}, "others were better", cause="pruned"),
    ],
)
def test_what_is_written_is_read(tmp_path, result):
    write_result(tmp_path, result)
    assert read_result(tmp_path) == Result(**{**vars(result), "notes": []})


@pytest.mark.parametrize(
    ("status", "reason", "cause"),
    [
        ("KILLED", "pruned: others had a better eval_loss by then than 1.2", "pruned"),
        ("FAILED", "diverged: loss is nan at step 3", "diverged"),
        ("FAILED", "ValueError: diverged", ""),
        ("FINISHED", "", ""),
    ],
)
def test_a_result_of_an_earlier_version_is_read(tmp_path, status, reason, cause):
    (tmp_path / "result.json").write_text(json.dumps({"status": status, "metrics": {}, "reason": reason}))
    result = read_result(tmp_path)
    assert result.cause == cause
    assert (result.pruned, result.diverged) == (cause == "pruned", cause == "diverged")


@pytest.mark.parametrize("text", ["[]", "3", '{"metrics": {}}', '{"status": "FINISHED", "metrics": {}, "new": 1}'])
def test_a_result_of_another_layout_is_refused_by_name(tmp_path, text):
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(UserError, match=r"result\.json is not a trial's result"):
        read_result(tmp_path)
