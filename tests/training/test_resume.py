"""A trial that is stopped or killed and run again cannot be told from one that was left alone."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from trials import Killed, StopAt, folder_of, outcome, told, with_trainer

from macsql.config import MixtureConfig
from macsql.train import run_folder
from macsql.training.stages import PADDING
from macsql.training.trainer import Trainer
from macsql.trials.checkpoints import last_checkpoint
from macsql.trials.result import read_result
from macsql.trials.stopping import Interrupted

EPOCH = 10  # optimizer steps of the tiny trial's epoch
FIRST_IS_BEST = {"greater_is_better": True}  # its eval loss falls


@pytest.fixture
def trial(tiny, tmp_path) -> Callable[..., Path]:
    """Makes the folder of a trial whose trainer differs from the tiny one's."""
    return lambda name, **changes: folder_of(with_trainer(tiny, **changes), tmp_path / name)


@pytest.fixture
def undisturbed(trial) -> Callable[..., dict]:
    """What comes out of a trial that is left alone."""

    def run(**changes):
        folder = trial("undisturbed", **changes)
        assert run_folder(folder).status == "FINISHED"
        return outcome(folder)

    return run


@pytest.mark.parametrize("step", [4, EPOCH, EPOCH + 6])
def test_a_stopped_trial_resumes_to_the_bit(trial, undisturbed, step):
    folder, stop = trial("stopped"), StopAt(step)
    with pytest.raises(Interrupted):
        run_folder(folder, stop=stop, tell=stop.tell)
    assert read_result(folder) is None
    assert last_checkpoint(folder).step == told(folder)[-1][0] in {step, step + 1}
    assert run_folder(folder).status == "FINISHED"
    assert outcome(folder) == undisturbed()


def test_a_stop_keeps_the_checkpoint_that_it_has_just_written(trial, undisturbed):
    """The best checkpoint is three epochs old by then."""
    changes = {**FIRST_IS_BEST, "num_train_epochs": 4}
    folder, stop = trial("stopped", **changes), StopAt(3 * EPOCH + 5)
    with pytest.raises(Interrupted):
        run_folder(folder, stop=stop, tell=stop.tell)
    assert last_checkpoint(folder).step == told(folder)[-1][0] == 3 * EPOCH + 6
    assert run_folder(folder).status == "FINISHED"
    assert outcome(folder) == undisturbed(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"save_strategy": "steps", "load_best_model_at_end": False},
        {"save_strategy": "best", **FIRST_IS_BEST},
        {"eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False},
        {"eval_strategy": "steps", "eval_steps": 5, "save_strategy": "steps", "save_steps": 15},
    ],
    ids=["as-usual", "saved-by-steps", "best-only", "neither", "evaluated-by-steps"],
)
def test_a_stop_at_an_epochs_last_step(trial, undisturbed, changes):
    """The checkpoint knows of the epoch's evaluation; it comes a step later where it would pass for the best one."""
    folder, stop = trial("stopped", **changes), StopAt(EPOCH - 1)
    with pytest.raises(Interrupted):
        run_folder(folder, stop=stop, tell=stop.tell)
    last = last_checkpoint(folder)
    assert last.step == told(folder)[-1][0] == (EPOCH + 1 if changes.get("eval_steps") else EPOCH)
    assert run_folder(folder).status == "FINISHED"
    assert outcome(folder) == undisturbed(**changes)


def test_a_checkpoint_by_steps_at_an_epochs_end_is_no_less(trial, undisturbed):
    """Written before the epoch's evaluation, it would let a killed trial go on without it."""
    changes = {"save_strategy": "steps", "save_steps": EPOCH, "load_best_model_at_end": False}

    def kill(step, epoch, metrics):  # noqa: ARG001
        if step > EPOCH:
            raise Killed

    folder = trial("killed", **changes)
    with pytest.raises(Killed):
        run_folder(folder, tell=kill)
    assert last_checkpoint(folder).step == EPOCH
    assert run_folder(folder).status == "FINISHED"
    assert outcome(folder) == undisturbed(**changes)


def test_a_killed_trial_resumes_from_its_last_epoch(trial, undisturbed):
    """kill -9 leaves no word: the events behind the last checkpoint are told again, and nothing twice."""

    def kill(step, epoch, metrics):  # noqa: ARG001
        if step > EPOCH + 5:
            raise Killed

    folder = trial("killed")
    with pytest.raises(Killed):
        run_folder(folder, tell=kill)
    assert last_checkpoint(folder).step == EPOCH
    assert run_folder(folder).status == "FINISHED"
    assert outcome(folder) == undisturbed()


@pytest.mark.parametrize(
    "changes",
    [
        *({"train_sampling_strategy": name} for name in ("batch_rebalance", "sequential")),
        {"options": {"eval_on_start": True}},
    ],
    ids=lambda changes: str(next(iter(changes.values()))),
)
def test_what_the_trainer_does_of_its_own_it_does_once(trial, undisturbed, changes):
    """Its orders of the rows, and an evaluation before the first step."""
    folder, stop = trial("stopped", **changes), StopAt(EPOCH + 4)
    with pytest.raises(Interrupted):
        run_folder(folder, stop=stop, tell=stop.tell)
    assert run_folder(folder).status == "FINISHED"
    assert outcome(folder) == undisturbed(**changes)


@pytest.mark.parametrize("step", [4, EPOCH, EPOCH + 4])
def test_batches_of_like_length_are_resumed_to_the_bit(tiny, trial, undisturbed, step):
    """In the middle of an epoch too, with a mixture that draws other rows in each."""
    tiny.mixture = MixtureConfig("temperature", temperature=3.0, resample=True, steps=EPOCH)
    changes = {"train_sampling_strategy": "group_by_length"}
    folder, stop = trial("stopped", **changes), StopAt(step)
    with pytest.raises(Interrupted):
        run_folder(folder, stop=stop, tell=stop.tell)
    assert run_folder(folder).status == "FINISHED"
    assert outcome(folder) == undisturbed(**changes)
    ((first, share),) = told(folder, PADDING)
    assert first == 0
    assert 0 < share < 0.25


@pytest.mark.parametrize(
    "changes",
    [{"logging_steps": 4}, {"logging_steps": 4, "gradient_accumulation_steps": 2, "per_device_train_batch_size": 4}],
    ids=["plain", "accumulated"],
)
def test_a_loss_that_is_logged_now_and_then_is_the_mean_of_all_its_steps(trial, undisturbed, changes):
    """The stop falls between two logged steps."""
    folder, stop = trial("stopped", **changes), StopAt(EPOCH - 2)
    with pytest.raises(Interrupted):
        run_folder(folder, stop=stop, tell=stop.tell)
    assert last_checkpoint(folder).step == EPOCH - 1
    assert run_folder(folder).status == "FINISHED"
    expected = undisturbed(**changes)
    assert [step for step, _ in expected["loss"]] == [4, 8, 12, 16, 20]
    assert outcome(folder) == expected


STOPS_EARLY = {**FIRST_IS_BEST, "num_train_epochs": 6, "early_stopping_patience": 2}  # after the third


def test_early_stopping_goes_on_counting_where_it_was(trial, undisturbed):
    def kill(step, epoch, metrics):  # noqa: ARG001
        if step > 2 * EPOCH + 5:
            raise Killed

    folder = trial("killed", **STOPS_EARLY)
    with pytest.raises(Killed):
        run_folder(folder, tell=kill)
    result = run_folder(folder)
    assert (result.steps, result.attempt_steps) == (3 * EPOCH, EPOCH)
    assert outcome(folder) == undisturbed(**STOPS_EARLY)


ENDS = [
    pytest.param(STOPS_EARLY, id="early"),
    pytest.param({**FIRST_IS_BEST, "max_steps": EPOCH + 3}, id="max-steps"),
    pytest.param({"num_train_epochs": 1.5}, id="half-an-epoch"),
    pytest.param(
        {"max_steps": EPOCH + 3, "load_best_model_at_end": False, "save_strategy": "steps"}, id="no-best-by-steps"
    ),
]


@pytest.mark.parametrize("changes", ENDS)
@pytest.mark.parametrize("stopped", [False, True], ids=["killed", "stopped"])
def test_no_step_is_taken_behind_the_last(trial, undisturbed, monkeypatch, changes, stopped):
    """Killed between the last checkpoint and the end, or asked to stop at the last step."""
    expected = undisturbed(**changes)
    folder = trial("interrupted", **changes)
    with monkeypatch.context() as patch:
        if stopped:
            stop = StopAt(expected["steps"])
        else:
            stop = StopAt(10**9)
            patch.setattr(Trainer, "_finalize_training", killed)
        with pytest.raises((Killed, Interrupted)):
            run_folder(folder, stop=stop, tell=stop.tell)
    assert not (folder / "trained.json").exists()
    monkeypatch.setattr("macsql.training.trainer.make_trainer", None)
    result = run_folder(folder)
    assert (result.status, result.attempt_steps) == ("FINISHED", 0)
    assert outcome(folder) == expected


def test_a_trial_killed_while_it_answers_does_not_train_again(tiny, trial, undisturbed, monkeypatch):
    """Nor does it answer otherwise, where answers are drawn at random."""
    tiny.generation = dataclasses.replace(tiny.generation, do_sample=True)
    expected, folder = undisturbed(**FIRST_IS_BEST), trial("killed", **FIRST_IS_BEST)
    with monkeypatch.context() as patch:
        patch.setattr("macsql.training.stages.predict", killed)
        with pytest.raises(Killed):
            run_folder(folder)
    monkeypatch.setattr("macsql.training.trainer.make_trainer", None)
    result = run_folder(folder)
    assert (result.status, result.attempt_steps) == ("FINISHED", 0)
    assert outcome(folder) == expected


def test_half_of_what_training_left_is_no_end_of_it(trial, undisturbed):
    """A power cut may leave an empty file, a lost node no model."""
    expected, empty, lost = undisturbed(), trial("empty"), trial("lost")
    (empty / "model").mkdir()
    (empty / "trained.json").write_text("")
    (lost / "trained.json").write_text(json.dumps({"steps": 7, "losses": {}}))
    for folder in (empty, lost):
        assert run_folder(folder).status == "FINISHED"
        assert outcome(folder) == expected


def killed(*_: object, **__: object) -> None:
    raise Killed
