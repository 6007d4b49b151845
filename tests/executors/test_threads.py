"""executor.threads=auto: which ways to share out a machine are measured, which one is taken, and that it stays."""

import dataclasses
import json
from threading import BrokenBarrierError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macsql.config import ExecutorConfig
from macsql.errors import UserError
from macsql.executors import probe, threads
from macsql.executors.local import LocalExecutor
from macsql.executors.threads import Way, best, settled, ways
from macsql.factory.prepared import prepare
from macsql.needs import check_numbers
from macsql.system.room import all_memory
from macsql.train import with_threads


@pytest.mark.parametrize(
    ("cores", "workers", "most", "found"),
    [
        (2, None, 6, [(1, 2), (2, 1)]),
        (1, None, 6, [(1, 1)]),
        (8, None, 100, [(1, 8), (2, 4), (4, 2), (8, 1)]),
        (6, None, 100, [(1, 6), (2, 3), (4, 1), (6, 1)]),
        (8, None, 1, [(1, 1), (2, 1), (4, 1), (8, 1)]),  # one fine-tune
        (8, None, 3, [(1, 3), (2, 3), (4, 2), (8, 1)]),  # no more trials, or no memory for more
        (8, 4, 100, [(1, 4), (2, 4)]),
        (2, 4, 100, [(1, 4)]),  # asked for
    ],
)
def test_the_ways_to_share_out_a_machine(cores, workers, most, found):
    assert [(way.threads, way.beside) for way in ways(cores, workers, most)] == found


@given(st.integers(1, 300), st.none() | st.integers(1, 300), st.integers(1, 300))
def test_no_way_takes_more_cores_than_there_are_unless_asked(cores, workers, most):
    found = ways(cores, workers, most)
    assert found[0].threads == 1
    assert sorted({way.threads for way in found}) == [way.threads for way in found]
    for way in found:
        assert way.beside == workers or way.beside <= most
        assert way.threads * way.beside <= cores or way.threads == 1


@pytest.mark.parametrize(
    ("rates", "taken"),
    [
        ({(1, 2): 40.0, (2, 1): 30.0}, 1),
        ({(1, 2): 30.0, (2, 1): 40.0}, 2),
        ({(1, 2): 30.0, (2, 1): 31.0}, 1),  # no more than noise
        ({(1, 4): 10.0, (2, 2): 20.0, (4, 1): 20.5}, 2),
    ],
)
def test_the_most_steps_of_all_trials_together_decide(rates, taken):
    assert best({Way(*way): rate for way, rate in rates.items()}).threads == taken


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(threads, "usable_cores", lambda: 2)
    monkeypatch.setattr(threads, "visible_gpus", list)


@pytest.fixture
def auto(tiny, tmp_path):
    """The tiny trial with executor.threads=auto, and what it is prepared of."""
    tracking = dataclasses.replace(tiny.tracking, state_dir=str(tmp_path))
    config = dataclasses.replace(tiny, executor=ExecutorConfig("local", threads="auto"), tracking=tracking)
    return config, prepare(tiny)


def test_what_is_measured_is_kept_and_said_and_measured_once(auto):
    said, asked = [], []

    def measure(*given):
        asked.append(given[-1])
        return dict(zip(given[-1], [30.0, 40.0], strict=True))

    executor, sentence = settled(*auto, 6, said.append, measure)
    assert (executor.threads, executor.workers) == (2, 1)
    assert LocalExecutor.suited(executor, 1).slots == 1
    assert len(said) == 1
    assert "CPU threads: 2 for each of 1 trial at a time (40 steps per second with 1 x 2; 30 " in sentence
    assert settled(*auto, 6, said.append, measure) == (executor, sentence)
    assert len(asked) == len(said) == 1

    config, prepared = auto
    trainer = dataclasses.replace(config.trainer, per_device_train_batch_size=4)
    settled(dataclasses.replace(config, trainer=trainer), prepared, 6, said.append, measure)
    assert len(asked) == 2, "another batch is another question"
    settled(config, prepared, 1, said.append, measure)
    assert len(asked) == 3, "so is another number of trials beside each other"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"ways": []}', '{"ways": [{"threads": 1}], "measured_in_seconds": 1}']
)
def test_a_file_that_says_nothing_is_measured_anew(auto, tmp_path, text):
    def measure(*asked):
        return dict.fromkeys(asked[-1], 1.0)

    settled(*auto, 6, print, measure)
    (place,) = (tmp_path / "threads").iterdir()
    place.write_text(text)
    assert settled(*auto, 6, print, measure)[0].threads == 1
    assert len(json.loads(place.read_text())["ways"]) == 2


def test_where_nothing_can_be_measured_the_rule_decides(auto, tmp_path, monkeypatch):
    def measure(*_):
        raise ValueError("odd")

    executor, sentence = settled(*auto, 6, print, measure)
    assert executor.threads is None
    assert sentence.endswith("measuring failed (odd)")
    assert not (tmp_path / "threads").exists(), "another call measures"
    config, prepared = auto
    stub = dataclasses.replace(config.executor, options={"module": "stub"})
    assert settled(dataclasses.replace(config, executor=stub), prepared, 6, print)[0].threads is None
    monkeypatch.setattr(threads, "visible_gpus", lambda: ["0"])
    assert "compute on a GPU" in settled(*auto, 6, print)[1]


def test_a_probe_that_dies_leaves_its_last_words(auto, monkeypatch):
    monkeypatch.setattr(threads, "ORDER", "elsewhere.json")
    executor, sentence = settled(*auto, 6, print)
    assert executor.threads is None
    assert "measuring failed (FileNotFoundError" in sentence
    assert "order.json" in sentence


def test_of_several_copies_the_one_that_failed_says_why():
    probe.raise_first([None, None])
    with pytest.raises(ValueError, match="why"):
        probe.raise_first([None, BrokenBarrierError(), ValueError("why"), BrokenBarrierError()])


def test_a_probe_takes_the_steps_of_real_trials(auto, tmp_path):
    """Which way is faster is not for a test to say: the machine may be busy."""
    executor, sentence = settled(*auto, 2, print)
    assert executor.threads in (1, 2), sentence
    assert executor.workers == 3 - executor.threads
    (place,) = (tmp_path / "threads").iterdir()
    told = json.loads(place.read_text())["ways"]
    assert [(row["threads"], row["beside"]) for row in told] == [(1, 2), (2, 1)]
    assert all(row["steps_per_second"] > 0 for row in told)


def test_steps_are_taken_until_they_are_enough_or_too_slow():
    now = iter([0.0, 1.0, 1.0, 3.0, 3.0, 6.0, 6.0, 10.0])
    assert probe.timed(lambda: None, 3, 99.0, lambda: next(now)) == [1.0, 2.0, 3.0]
    now = iter([0.0, 5.0, 5.0, 10.0, 10.0, 15.0])
    assert probe.timed(lambda: None, 9, 8.0, lambda: next(now)) == [5.0, 5.0]
    now = iter([0.0, 50.0])
    assert probe.timed(lambda: None, 9, 8.0, lambda: next(now)) == [50.0]


@pytest.mark.parametrize("value", ["many", "", "-1", "2.5", 0, -3])
def test_other_words_are_refused(tiny, value):
    tiny.executor.threads = value
    with pytest.raises(UserError, match=r"executor\.threads=.*: at least 1, or auto, is needed"):
        check_numbers(tiny, "executor")


@pytest.mark.parametrize(("value", "number"), [(None, None), ("auto", None), (3, 3), ("3", 3)])
def test_numbers_may_come_as_text(tiny, value, number):
    """As from ${oc.env:...}."""
    tiny.executor.threads = value
    check_numbers(tiny, "executor")
    assert tiny.executor.fixed_threads == number


def test_the_machines_memory_is_what_a_container_may_use(tmp_path):
    (tmp_path / "memory.max").write_text("1000\n")
    assert all_memory(tmp_path) == 1000
    (tmp_path / "memory.max").write_text("max\n")
    assert all_memory(tmp_path) == all_memory(tmp_path / "none") > 2**20


def test_one_fine_tune_is_measured_alone(auto, monkeypatch, capsys):
    """Whatever executor.workers says, which is a sweep's."""
    asked = []

    def measure(*given):
        asked.append(given[-1])
        return {given[-1][-1]: 1.0}

    monkeypatch.setattr(threads, "probed", measure)
    config, prepared = auto
    config.executor.workers = 2
    found = with_threads(config, prepared)
    assert asked == [[Way(1, 1), Way(2, 1)]]
    assert found.executor.threads == 2
    assert "CPU threads: 2 for each of 1 trial at a time" in capsys.readouterr().out
    assert with_threads(found, prepared) is found
