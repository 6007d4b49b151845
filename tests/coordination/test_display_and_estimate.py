"""What a person sees of a sweep, before and while it runs."""

import io
import json

import pytest
from rich.console import Console

from macsql.coordination.display import SHOWN_ENDED, Display
from macsql.coordination.progress import Ended, Progress, Running
from macsql.search.estimate import MEASURED, START_SECONDS, Workload, estimate, finished
from macsql.search.plan import PlannedTrial
from macsql.trials.result import Result, write_result


def trial(index, tmp_path):
    class Seeded:
        seed = 0

    return PlannedTrial(index, {"trainer.learning_rate": index / 1000}, 0, Seeded(), tmp_path / str(index))


def test_a_thousand_trials_stay_readable(tmp_path):
    ended = [
        Ended(trial(index, tmp_path), Result("FINISHED", {"eval_loss": 0.5}, steps=9), True) for index in range(990)
    ]
    running = [Running(trial(index, tmp_path), None, step=3, latest={"loss": 1.5}) for index in range(990, 994)]
    console = Console(file=io.StringIO(), force_terminal=True, width=120, height=60)
    display = Display({990: 12}, "eval_loss", console)
    console.print(display._table(Progress(1000, running, ended, "ConnectionError: gone")))
    text = console.file.getvalue()
    assert len(text.splitlines()) < SHOWN_ENDED + len(running) + 10
    for words in ("990 of 1000 trials done", "978 earlier ones", "learning_rate=0.989", "3/12", "does not answer"):
        assert words in text


def test_plain_lines_say_each_thing_once(tmp_path, capsys):
    console = Console(file=io.StringIO())
    display = Display({}, "eval_loss", console)
    old = Ended(trial(0, tmp_path), Result("FINISHED", {"eval_loss": 0.5}), fresh=False)
    new = Ended(trial(1, tmp_path), Result("FAILED", {}, "broken"), fresh=True)
    for ended in ([old], [old], [old, new], [old, new]):
        display(Progress(3, [Running(trial(2, tmp_path), None, attempt=2)], ended))
    assert capsys.readouterr().out.splitlines() == [
        "[3/3] learning_rate=0.002: started (attempt 2)",
        "[2/3] learning_rate=0.001: failed: broken",
    ]


PLAN = {index: Workload(100, 8) for index in range(6)}


def test_without_a_finished_trial_the_estimate_is_a_guess_from_the_models_size():
    small, large = (estimate(PLAN, {}, size, 2, 1, False) for size in (10**6, 10**8))
    assert small.measured == 0
    assert large.seconds > 10 * (small.seconds - 6 * START_SECONDS)


@pytest.fixture
def state(tmp_path):
    """Two of six trials finished: 100 steps of 8 rows in 40 s of training and 60 s in all; one failed."""
    config = {
        "data": {"format": "pocket"},
        "agents": {"style": "brief"},
        "codec": {"name": "marks"},
        "mixture": {"name": "real"},
        "model": {"name": "pocket"},
        "trainer": {"per_device_train_batch_size": 8},
        "search": {"sampler": "grid"},
        "executor": {"name": "local"},
    }
    kinds = [("s-0000-0123abcd", "FINISHED"), ("s-0003-0123abcd", "FINISHED"), ("s-0004-0123abcd", "FAILED")]
    for name, status in [*kinds, ("s-more-0001-0123abcd", "FINISHED")]:
        folder = tmp_path / "trials" / name
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(json.dumps(config))
        write_result(folder, Result(status, {}, steps=100, seconds=60.0, parts={"train": 40.0}))
    return tmp_path


def test_finished_trials_of_this_sweep_are_found(state):
    found = finished(state, "s")
    assert {index: item.work for index, item in found.items()} == {0: Workload(100, 8), 3: Workload(100, 8)}
    assert finished(state, "other") == {}


def test_a_trial_of_another_study_at_the_same_place_is_not_counted(state):
    assert set(finished(state, "s", {0: "s-0000-0123abcd", 3: "s-0003-ffffffff"})) == {0}


def test_finished_trials_make_the_estimate(state):
    done = finished(state, "s")
    assert estimate(PLAN, done, 10**6, 2, 1, False).seconds == pytest.approx(4 * 60 / 2)
    assert estimate(PLAN, done, 10**6, 1, 1, False).seconds == pytest.approx(4 * 60)
    assert estimate(PLAN, done, 10**6, 9, 1, False).seconds == pytest.approx(60)
    assert estimate(PLAN, done, 10**6, 2, 1, False).measured == 2
    twice = {**PLAN, 1: Workload(200, 8)}
    assert estimate(twice, done, 10**6, 1, 1, False).seconds == pytest.approx(4 * 60 + 40)


def resumed(state, place, taken):
    """Trial `place` finished in an attempt that took so many of its 100 steps, 0.4 s each, and 20 s of other work."""
    seconds = taken * 0.4
    parts = {"train": seconds}
    result = Result("FINISHED", {}, steps=100, seconds=20 + seconds, parts=parts, attempt_steps=taken)
    write_result(state / "trials" / f"s-{place:04d}-0123abcd", result)


@pytest.mark.parametrize("taken", [(10, 10), (10, 0), (0, 100), (100, 1)])
def test_a_resumed_trial_is_measured_by_what_its_last_attempt_did(state, taken):
    for place, steps in zip((0, 3), taken, strict=True):
        resumed(state, place, steps)
    cost = estimate(PLAN, finished(state, "s"), 10**6, 1, 1, False)
    assert cost.seconds == pytest.approx(4 * 60)


def test_whole_attempts_count_before_parts_of_one(state):
    """The part's time is mostly start and evaluation."""
    result = Result("FINISHED", {}, steps=100, seconds=30.0, parts={"train": 10.0}, attempt_steps=1)
    write_result(state / "trials" / "s-0000-0123abcd", result)
    cost = estimate(PLAN, finished(state, "s"), 10**6, 1, 1, False)
    assert (cost.seconds, cost.measured) == (pytest.approx(4 * 60), 1)


def test_where_no_attempt_trained_the_estimate_is_a_guess(state):
    for place in (0, 3):
        resumed(state, place, 0)
    assert estimate(PLAN, finished(state, "s"), 10**6, 1, 1, False).measured == 0


def test_a_complete_sweep_costs_nothing():
    cost = estimate(PLAN, dict.fromkeys(PLAN), 10**6, 2, 1, False)
    assert cost.seconds == 0.0


def test_only_so_many_are_read(state):
    for number in range(10, 10 + MEASURED):
        folder = state / "trials" / f"s-{number:04d}-0123abcd"
        folder.mkdir()
        (folder / "config.yaml").write_text((state / "trials/s-0000-0123abcd/config.yaml").read_text())
        write_result(folder, Result("FINISHED", {}, steps=1, seconds=1.0))
    found = finished(state, "s")
    assert len(found) == MEASURED + 2
    assert sum(item is not None for item in found.values()) == MEASURED


@pytest.mark.parametrize(("width", "height", "at_work"), [(80, 24, 2), (120, 24, 8), (100, 30, 16), (80, 24, 16)])
def test_what_runs_is_seen_on_every_terminal(tmp_path, width, height, at_work):
    def long(index):
        setting = {"trainer.learning_rate": 3e-5, "trainer.per_device_train_batch_size": 4 + index}
        return PlannedTrial(index, setting, 0, trial(index, tmp_path).config, tmp_path / str(index))

    running = [Running(long(900 + index), None, step=3) for index in range(at_work)]
    ended = [Ended(long(index), Result("FINISHED", {"eval_loss": 0.5}, steps=2664), True) for index in range(900)]
    console = Console(file=io.StringIO(), force_terminal=True, width=width, height=height)
    display = Display({900 + index: 2664 for index in range(at_work)}, "eval_loss", console)
    console.print(display._table(Progress(1000, running, ended, "ConnectionError: gone")))
    lines = console.file.getvalue().splitlines()
    assert len(lines) <= height
    seen = sum("running" in line and "more" not in line for line in lines)
    [more] = [line for line in lines if "more running" in line] or [""]
    assert seen + int((more.split() or "000")[3 if more else 0]) == at_work
    assert any("earlier ones" in line for line in lines)
    assert any("does not answer" in line for line in lines)
