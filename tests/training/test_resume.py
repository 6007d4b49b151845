"""A trial that is stopped or killed and run again cannot be told from one that was left alone."""

from collections.abc import Callable
from pathlib import Path

import pytest
from trials import Killed, StopAt, folder_of, outcome, told, with_trainer

from macsql.training.checkpoints import last_checkpoint
from macsql.training.stopping import Interrupted
from macsql.training.trial import read_result, run_folder

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
