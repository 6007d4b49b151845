"""A trial's figures, derived again."""

import json

import pytest
from hand_made import verdict, verdicts

from macsql.comparison.collect import trials
from macsql.comparison.figures import curve, disagreements, figures, mean, protocol, title
from macsql.errors import UserError


@pytest.fixture
def folder(sweeps):
    return sweeps.trial("lr_bs", 0, {"trainer.learning_rate": 5e-5}, verdicts({0, 1, 2, 3, 4}))


def only(sweeps):
    [trial] = trials("lr_bs", sweeps.state)
    return trial


@pytest.mark.usefixtures("folder")
def test_every_reported_figure_follows_from_what_is_stored(sweeps):
    trial = only(sweeps)
    found = figures(trial, curve(trial.events))
    assert disagreements(trial, found) == []
    assert found["decomposer/execution_accuracy"] == 0.25
    assert found["all/exact_match"] == 0.25
    assert found["all/rouge_l"] == pytest.approx(0.25 + 0.75 * 0.25)
    assert found["selector/accuracy"] == 0.25
    assert found["eval_loss"] == found["pair/eval_loss"] == pytest.approx(0.51)
    assert found["pair/train_loss"] == pytest.approx(0.6)  # mean of 0.7 and 0.5, the two steps of the best epoch


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda metrics: metrics.update({"decomposer/exact_match": 0.9}),
            "decomposer/exact_match is 0.9 in result.json",
        ),
        (lambda metrics: metrics.update({"eval_loss": 0.1}), "eval_loss is 0.1 in result.json, 0.51"),
        (lambda metrics: metrics.update({"decomposer/charm": 1.0}), "decomposer/charm is 1 in result.json and cannot"),
        (lambda metrics: metrics.pop("refiner/rouge_l"), "refiner/rouge_l follows from verdicts.jsonl and is not"),
    ],
)
def test_a_figure_that_does_not_hold_is_named(sweeps, folder, change, words):
    result = json.loads((folder / "result.json").read_text())
    change(result["metrics"])
    (folder / "result.json").write_text(json.dumps(result))
    trial = only(sweeps)
    [line] = disagreements(trial, figures(trial, curve(trial.events)))
    assert words in line
    assert "lr_bs-0000" in line


def test_a_changed_verdict_is_noticed(sweeps, folder):
    rows = (folder / "verdicts.jsonl").read_text().replace('"exact_match": 1.0', '"exact_match": 0.0', 1)
    (folder / "verdicts.jsonl").write_text(rows)
    trial = only(sweeps)
    assert any("selector/exact_match" in line for line in disagreements(trial, figures(trial, curve(trial.events))))


def test_figures_on_the_eval_questions_are_derived_from_their_own_verdicts(sweeps):
    folder = sweeps.trial("lr_bs", 0, {}, verdicts({0, 1}), on_eval=verdicts({0, 1, 2}, questions=4))
    trial = only(sweeps)
    found = figures(trial, curve(trial.events))
    assert disagreements(trial, found) == []
    assert found["decomposer/execution_accuracy"] == 0.1
    assert found["eval/decomposer/execution_accuracy"] == 0.75
    assert not [name for name in found if name.startswith("eval/all")]

    result = json.loads((folder / "result.json").read_text())
    result["metrics"]["eval/decomposer/execution_accuracy"] = 0.8
    del result["metrics"]["eval/refiner/exact_match"]
    (folder / "result.json").write_text(json.dumps(result))
    trial = only(sweeps)
    wrong, missing = disagreements(trial, figures(trial, curve(trial.events)))
    assert "eval/decomposer/execution_accuracy is 0.8 in result.json, 0.75 from what is stored" in wrong
    assert "eval/refiner/exact_match follows from eval_verdicts.jsonl and is not in result.json" in missing

    (folder / "eval_verdicts.jsonl").unlink()  # as sweeps left it before they kept these verdicts
    trial = only(sweeps)
    assert disagreements(trial, figures(trial, curve(trial.events))) == []


@pytest.mark.usefixtures("folder")
def test_the_curve_is_the_events(sweeps):
    found = curve(only(sweeps).events)
    assert [(step, loss) for step, _, loss in found.training][:2] == [(1, pytest.approx(1.1)), (2, 0.9)]
    assert [item.epoch for item in found.evaluations] == [1.0, 2.0, 3.0]
    assert found.evaluations[0].train_loss == pytest.approx(1.0)
    assert found.best.epoch == 2.0
    assert curve([]).best is None


def test_what_cannot_be_judged_is_in_no_accuracy():
    rows = [
        verdict("decomposer", 0, True),
        verdict("decomposer", 1, False),
        verdict("decomposer", 2, False, "gold error"),
    ]
    assert mean(rows, "decomposer/accuracy") == 0.5
    assert mean(rows, "refiner/accuracy") is None


def test_titles():
    assert title("all/rouge_l") == "ROUGE-L, all agents"
    assert title("decomposer/execution_accuracy") == "EX, Decomposer"
    assert title("all/exact_match") == "EM (string), all agents"
    assert title("decomposer/spider_em") == "Spider EM, Decomposer"
    assert title("pair/eval_loss") == "eval loss"
    assert title("eval/decomposer/execution_accuracy") == "EX, Decomposer, on the eval questions"
    assert title("decomposer/spider_em_gold_errors") == "spider em gold errors, Decomposer"


def test_two_training_losses_have_two_names_and_two_rules():
    assert (title("train_loss"), title("pair/train_loss")) == ("train loss", "train loss, best epoch")
    assert protocol("train_loss").endswith("mean of the last 50 logged")
    assert protocol("pair/train_loss").endswith("mean over the epoch's steps")


@pytest.mark.usefixtures("folder")
def test_collecting_names_what_there_is(sweeps):
    with pytest.raises(UserError, match=r"No trials of a sweep called 'nope'.*there are lr_bs"):
        trials("nope", sweeps.state)
    with pytest.raises(UserError, match="no sweep has run there yet"):
        trials("lr_bs", sweeps.state / "elsewhere")


@pytest.mark.usefixtures("folder")
def test_the_command_is_kept_without_where_its_state_was(sweeps):
    assert only(sweeps).command == "python -m macsql.sweep +experiment=lr_bs 'data.root=my data'"
