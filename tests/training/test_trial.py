"""One trial from configuration to result, interrupted and not."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from macsql.config import to_yaml
from macsql.records import Prediction, Verdict, read_jsonl
from macsql.training.events import read_events
from macsql.training.stopping import Interrupted, StopRequest
from macsql.training.trial import read_result, run_folder


def folder_of(config, path: Path) -> Path:
    path.mkdir()
    (path / "config.yaml").write_text(to_yaml(config))
    return path


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "model" / "model.safetensors")


def losses(folder: Path) -> list[tuple[int, float]]:
    return [(e.step, e.metrics["loss"]) for e in read_events(folder / "events.jsonl")[0] if "loss" in e.metrics]


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
    assert [step for step, _ in losses(finished)] == list(range(1, result.steps + 1))
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


class StopAt(StopRequest):
    """Asks for a stop once a step has been told."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def tell(self, step, epoch, metrics):  # noqa: ARG002
        self.requested = self.requested or step >= self.step


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_stopped_trial_resumes_to_the_bit(tiny, tmp_path, finished, share):
    folder = folder_of(tiny, tmp_path / "stopped")
    stop = StopAt(max(1, int(read_result(finished).steps * share)))
    with pytest.raises(Interrupted):
        run_folder(folder, stop=stop, tell=stop.tell)
    assert read_result(folder) is None
    assert 0 < losses(folder)[-1][0] < read_result(finished).steps

    assert run_folder(folder).status == "FINISHED"
    assert losses(folder) == losses(finished)
    assert read_result(folder).metrics == read_result(finished).metrics
    for name, tensor in weights(finished).items():
        assert torch.equal(weights(folder)[name], tensor), name


def test_a_killed_trial_resumes_from_its_last_epoch(tiny, tmp_path, finished):
    """kill -9 leaves no word: the events behind the last checkpoint are told again, and nothing twice."""

    class Killed(BaseException):
        pass

    def kill(step, epoch, metrics):  # noqa: ARG001
        if step > read_result(finished).steps // 2 + 2:
            raise Killed

    folder = folder_of(tiny, tmp_path / "killed")
    with pytest.raises(Killed):
        run_folder(folder, tell=kill)
    assert run_folder(folder).status == "FINISHED"
    assert losses(folder) == losses(finished)
    assert read_result(folder).metrics == read_result(finished).metrics


def test_a_loss_that_is_no_number_ends_the_trial_as_diverged(tiny, tmp_path):
    wild = dataclasses.replace(tiny, trainer=dataclasses.replace(tiny.trainer, learning_rate=1e30, max_grad_norm=0.0))
    result = run_folder(folder_of(wild, tmp_path / "wild"))
    assert result.status == "FAILED"
    assert result.reason.startswith("diverged: ")


def test_whatever_a_trial_dies_of_is_in_its_result(tiny, tmp_path):
    broken = dataclasses.replace(
        tiny, data=dataclasses.replace(tiny.data, format="spider", root=str(tmp_path / "none"))
    )
    folder = folder_of(broken, tmp_path / "broken")
    assert run_folder(folder).status == "FAILED"
    assert "none" in json.loads((folder / "result.json").read_text())["reason"]
