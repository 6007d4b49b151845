"""One trial from configuration to result."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
from trials import folder_of, told

from macsql.records import Prediction, Verdict, read_jsonl
from macsql.train import run_folder
from macsql.trials.events import read_events
from macsql.trials.result import read_result


@pytest.fixture
def finished(tiny, tmp_path) -> Path:
    folder = folder_of(tiny, tmp_path / "finished")
    assert run_folder(folder).status == "FINISHED"
    return folder


def test_a_trial_leaves_everything_in_its_folder(finished):
    result = read_result(finished)
    predictions = list(read_jsonl(finished / "predictions.jsonl", Prediction))
    verdicts = list(read_jsonl(finished / "verdicts.jsonl", Verdict))
    events = read_events(finished / "events.jsonl")[0]
    assert {row.agent for row in predictions} == {"selector", "decomposer", "refiner"}
    assert [row.id for row in predictions] == [row.id for row in verdicts]
    assert [step for step, _ in told(finished)] == list(range(1, result.steps + 1))
    evaluations = [event.metrics["eval_loss"] for event in events if "eval_loss" in event.metrics]
    assert len(evaluations) == 2
    assert result.metrics["eval_loss"] == min(evaluations)
    for name in (
        "selector/rouge_l",
        "selector/exact_match",
        "decomposer/execution_accuracy",
        "refiner/execution_accuracy",
    ):
        assert 0 <= result.metrics[name] <= 1
    assert not (finished / "checkpoints").exists()


def test_a_loss_that_is_no_number_ends_the_trial_as_diverged(tiny, tmp_path):
    wild = dataclasses.replace(tiny, trainer=dataclasses.replace(tiny.trainer, learning_rate=1e30, max_grad_norm=0.0))
    folder = folder_of(wild, tmp_path / "wild")
    result = run_folder(folder)
    assert result.status == "FAILED"
    assert re.fullmatch(r"diverged: loss is (nan|inf) at step \d+", result.reason)
    assert all(value > 1 for _, value in told(folder))  # no 0 in the place of what is no number


def test_whatever_a_trial_dies_of_is_in_its_result(tiny, tmp_path):
    broken = dataclasses.replace(
        tiny, data=dataclasses.replace(tiny.data, format="spider", root=str(tmp_path / "none"))
    )
    folder = folder_of(broken, tmp_path / "broken")
    assert run_folder(folder).status == "FAILED"
    assert "none" in json.loads((folder / "result.json").read_text())["reason"]
