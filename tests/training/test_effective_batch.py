"""A step learns from its rows alone, however they are shared out among micro-batches; and the seed decides the rest."""

import dataclasses

import pytest
from trials import checkpoint_of, folder_of, outcome, with_checkpoint, with_trainer

from macsql.factory.prepared import prepare
from macsql.models.families import model_of, text_of
from macsql.train import run_folder
from macsql.training.trainer import make_trainer
from macsql.trials.stopping import StopRequest

FAMILIES = ["t5", "gpt2", "llama"]
ONE_STEP = {"max_steps": 1, "eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False}


@pytest.fixture(params=FAMILIES)
def asked(request, tiny, tmp_path):
    """The tiny trial with a model of each family, without dropout."""
    if request.param != "t5":
        return with_checkpoint(tiny, checkpoint_of(request.param, tmp_path / request.param))
    pocket = {**tiny.model.pocket, "dropout_rate": 0.0}
    return dataclasses.replace(tiny, model=dataclasses.replace(tiny.model, pocket=pocket))


def first_step(config, folder, train, rows: int, times: int) -> list[float]:
    """Loss and gradient norm of a first step over `times` micro-batches of `rows`."""
    changes = {"per_device_train_batch_size": rows, "gradient_accumulation_steps": times}
    config = with_trainer(config, **ONE_STEP, **changes)
    model = model_of(config, text_of(config, train), "")
    model.network.eval().train = lambda *_: model.network  # the Trainer would turn GPT-2's dropout on
    told: list[dict[str, float]] = []
    make_trainer(config, model, train, train[:2], folder, lambda *event: told.append(event[2]), StopRequest()).train()
    return [told[0]["loss"], told[0]["grad_norm"]]


def test_eight_rows_at_once_equal_four_rows_twice(asked, tmp_path):
    """T5's own loss comes out as many times too large as there are micro-batches."""
    train = prepare(asked).examples("train")
    whole = first_step(asked, tmp_path / "whole", train, 8, 1)
    assert first_step(asked, tmp_path / "halves", train, 4, 2) == pytest.approx(whole, rel=1e-4)
    assert first_step(asked, tmp_path / "single", train, 1, 8) == pytest.approx(whole, rel=1e-4)


def test_the_loss_of_a_step_is_the_mean_over_the_tokens_of_all_its_rows(asked, tmp_path):
    """Not the mean of the micro-batches' means, which weighs a token of a short answer more."""
    train = sorted(prepare(asked).examples("train"), key=lambda row: len(row.target))
    train = [*train[:4], *train[-4:]]
    told, _ = first_step(asked, tmp_path / "step", train, 4, 2)
    model = model_of(asked, text_of(asked, train), "")
    model.network.eval()
    rows, collate = model.rows([row.source for row in train], [row.target for row in train]), model.collator()
    by_hand = model.loss(model.network, collate(rows), None, 0.0)[0].item()
    halves = [model.loss(model.network, collate(part), None, 0.0)[0].item() for part in (rows[:4], rows[4:])]
    assert told == pytest.approx(by_hand, rel=2e-5)
    assert abs(sum(halves) / 2 - by_hand) > 2e-4 * by_hand


def test_the_same_seed_gives_the_same_metrics_and_another_one_others(tiny, tmp_path):
    found = []
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        folder = folder_of(dataclasses.replace(tiny, seed=seed), tmp_path / name)
        assert run_folder(folder).status == "FINISHED"
        found.append(outcome(folder))
    assert found[0] == found[1]
    assert found[0]["loss"] != found[2]["loss"]
