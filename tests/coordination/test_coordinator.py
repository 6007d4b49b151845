"""What a sweep does when a start fails, a disk is full, or its study was begun with a mistake; nothing is trained."""

import itertools
import json
import time
from pathlib import Path

import pytest

from experiments.bench.coordinator import Nothing, Nowhere, configuration
from macsql import sweep
from macsql.coordination import coordinator as room
from macsql.coordination.coordinator import Coordinator
from macsql.coordination.interrupts import Interrupts
from macsql.coordination.preflight import Preflight
from macsql.coordination.publisher import Publisher
from macsql.errors import UserError
from macsql.factory.prepared import Prepared
from macsql.search.plan import Planner
from macsql.search.space import read_space
from macsql.search.study import Study
from macsql.trials.result import read_result


class Refusing(Nothing):
    """An executor that cannot start anything for the first few times."""

    def __init__(self, times: int) -> None:
        self.left, self.asked = times, []

    def start(self, folder: Path, slot: int):
        self.asked.append((folder.name.split("-")[1], time.monotonic()))
        if self.left:
            self.left -= 1
            raise OSError("no room")
        return super().start(folder, slot)


def run(state: Path, executor: Nothing, trials: int = 10):
    """One call of a sweep whose trials do nothing."""
    config = configuration(state, trials, "grid")
    study = Study("s", f"sqlite:///{state}/optuna.db", config.search, read_space(config.search.space), ["minimize"], 1)
    publisher = Publisher(Nowhere())
    with Interrupts() as interrupts:
        made = Coordinator(
            study,
            Planner(config, []),
            lambda: executor,
            publisher,
            lambda _: state,
            lambda trial: {"macsql.setting": str(trial.index)},
            lambda _: None,
            interrupts,
        )
        ended = made.run()
    publisher.close(10)
    return [item.result.status for item in ended]


def test_a_start_that_fails_is_not_tried_again_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "LONGEST_PAUSE", 0.2)
    executor = Refusing(3)
    assert run(tmp_path, executor) == ["FAILED"] + ["FINISHED"] * 9
    names, moments = zip(*executor.asked, strict=True)
    assert names[:5] == ("0000", "0000", "0001", "0001", "0002")
    assert all(later - earlier >= 0.2 for earlier, later in itertools.pairwise(moments[:4]))


def test_when_nothing_can_be_started_the_sweep_ends_and_the_rest_of_the_plan_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "LONGEST_PAUSE", 0.01)
    with pytest.raises(UserError, match=r"No trial could be started, 8 times in a row \(OSError: no room\)"):
        run(tmp_path, Refusing(100))
    assert run(tmp_path, Nothing()) == ["FINISHED"] * 10


def test_a_smaller_plan_needs_no_executor_for_what_it_leaves_behind(tmp_path, monkeypatch):
    run(tmp_path, Nothing())
    config = configuration(tmp_path, 10, "grid")
    space = read_space(config.search.space)
    Study("s", f"sqlite:///{tmp_path}/optuna.db", config.search, space, ["minimize"], 2).propose(15)

    def none(*_):
        raise AssertionError("no executor is needed")

    monkeypatch.setattr(Nothing, "adopt", none)
    assert run(tmp_path, Nothing()) == ["FINISHED"] * 10


def test_a_full_disk_fails_a_trial_and_not_the_sweep(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "LONGEST_PAUSE", 0.01)
    write = room.write_whole

    def full(path: Path, text: str) -> None:
        if "-0004-" in str(path):
            raise OSError(28, "No space left on device")
        write(path, text)

    monkeypatch.setattr(room, "write_whole", full)
    monkeypatch.setattr("macsql.trials.result.write_whole", full)
    assert run(tmp_path, Nothing()) == ["FINISHED"] * 4 + ["FAILED"] + ["FINISHED"] * 5
    monkeypatch.undo()
    assert run(tmp_path, Nothing()) == ["FINISHED"] * 10


def test_a_half_written_trial_is_written_anew(tmp_path):
    run(tmp_path, Nothing())
    [broken] = tmp_path.glob("trials/*-0003-*/trial.json")
    whole = broken.read_text()
    broken.write_text(whole[:20])
    assert run(tmp_path, Nothing()) == ["FINISHED"] * 10
    assert broken.read_text() == whole
    assert read_result(broken.parent).status == "FINISHED"


def test_each_trial_says_what_it_was_made_of(tmp_path):
    run(tmp_path, Nothing())
    abouts = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("trials/*/trial.json"))]
    assert [about["tags"]["macsql.setting"] for about in abouts] == [str(index) for index in range(10)]


class Unprepared(Preflight):
    """A preflight whose examples are named by the questions a database has."""

    def prepared(self, config):
        class Named(Prepared):
            fingerprint = f"of {config.data.questions}"

        return Named(Path("/nothing"))


def preflight(state, **changes):
    config = configuration(state, 10, "grid")
    for key, value in changes.items():
        setattr(config.sweep, key, value)
    return Unprepared(config, Planner(config, []), print)


def test_a_sweep_that_tried_nothing_may_be_corrected(tmp_path):
    first = preflight(tmp_path, metric=["train_loss"], direction=["maximize"])
    sweep.open_study(first).begin(first.identity)  # killed, or refused, before its first trial
    second = preflight(tmp_path)
    study = sweep.open_study(second)
    assert study.identity == first.identity, "a dry run looks, and changes nothing"
    study.begin(second.identity)
    assert [direction.name for direction in study._study.directions] == ["MINIMIZE"]
    study.propose(0)
    study.begin(first.identity)
    assert study.identity == second.identity
    with pytest.raises(UserError, match="begun with another configuration"):
        sweep.open_study(first)


def test_a_sweep_of_several_data_says_so_and_each_trial_its_own(tmp_path):
    config = configuration(tmp_path, 10, "grid")
    config.search.space = {"data": {"questions": "choice(3, 4)"}}
    made = Unprepared(config, Planner(config, []), print)
    assert sweep.describe(made)["macsql.data_fingerprint"] == "of 3, of 4"
    assert [sweep.about(made, trial.config)["macsql.data_fingerprint"] for trial in made.trials] == ["of 3", "of 4"]


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("storage", "mysql://host/x", r"write sqlite:///FILE or postgresql"),
        ("storage", "postgresql+psycopg://me:secret@host/x", "tracking.storage holds a password"),
        ("storage", "postgresql+psycopg://me:se/cret@host/x", "tracking.storage holds a password"),
        ("storage", "postgresql", "write sqlite:///FILE or postgresql"),
        ("uri", "http://me:secret@host:5000", "tracking.uri holds a password"),
        ("uri", "postgresql://me:se/cret@host/x", "PGPASSWORD"),
        ("uri", "http://[x", "is not an address"),
    ],
)
def test_an_address_that_cannot_be_is_refused_before_anything(tmp_path, key, value, words):
    made = preflight(tmp_path)
    setattr(made.config.tracking, key, value)
    with pytest.raises(UserError, match=words) as refusal:
        made.check()
    assert "me:secret" not in str(refusal.value)
