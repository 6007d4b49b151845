"""A decoder-only checkpoint goes the same way as any other: trained, stopped, resumed, asked, judged."""

import pytest
from trials import StopAt, checkpoint_of, folder_of, outcome, with_checkpoint, with_trainer

from macsql.models.families import load
from macsql.train import run_folder
from macsql.trials.stopping import Interrupted


@pytest.fixture(params=["gpt2", "llama"])
def checkpoint(request, tmp_path):
    return checkpoint_of(request.param, tmp_path / request.param)


@pytest.fixture
def asked(tiny, checkpoint):
    """The tiny trial with this checkpoint, ten steps of it."""
    return with_trainer(with_checkpoint(tiny, checkpoint), max_steps=10)


def test_it_is_trained_and_asked(asked, tmp_path):
    folder = folder_of(asked, tmp_path / "trial")
    result = run_folder(folder)
    assert (result.status, result.reason, result.steps) == ("FINISHED", "", 10)
    assert 0 < result.metrics["train_loss"] < 8
    assert result.metrics["selector/count"] == 2
    model = load(folder / "model")
    assert model.card.family == "decoder-only"


def test_a_stopped_one_resumes_to_the_bit(asked, tmp_path):
    whole, stopped = folder_of(asked, tmp_path / "whole"), folder_of(asked, tmp_path / "stopped")
    assert run_folder(whole).status == "FINISHED"
    stop = StopAt(4)
    with pytest.raises(Interrupted):
        run_folder(stopped, stop=stop, tell=stop.tell)
    assert run_folder(stopped).status == "FINISHED"
    assert outcome(stopped) == outcome(whole)
