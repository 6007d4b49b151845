"""The study: what it proposes, what it remembers, and what a kill between any two calls does to it."""

import pytest

from macsql.config import SearchConfig
from macsql.errors import UserError
from macsql.search.space import Range, read_space
from macsql.search.study import Study, check, exists, importances

SPACE = read_space({"a": "choice(1, 2, 3)", "b": ["x", None]})
CURVE = read_space({"a": "tag(log, interval(1, 100))", "b": "choice(x, y)"})


@pytest.fixture
def storage(tmp_path):
    return f"sqlite:///{tmp_path / 'optuna.db'}"


def grid_study(storage, repeats=1):
    return Study("grid", storage, SearchConfig(sampler="grid"), SPACE, ["minimize"], repeats)


def tpe_study(storage, name="tpe", trials=14):
    return Study(name, storage, SearchConfig(sampler="tpe", n_trials=trials), CURVE, ["minimize"], 1)


def test_a_grid_holds_every_point_once_a_seed(storage):
    study = grid_study(storage, repeats=2)
    entries = [study.propose(index) for index in range(study.size)]
    assert study.size == 12
    assert [entry.repeat for entry in entries] == [0] * 6 + [1] * 6
    assert [entry.setting for entry in entries[:6]] == [entry.setting for entry in entries[6:]]
    assert len({tuple(entry.setting.items()) for entry in entries}) == 6


def test_more_seeds_can_be_added_later(storage):
    once = grid_study(storage)
    for index in range(once.size):
        once.propose(index)
        once.finish(index, [1.0])
    again = grid_study(storage, repeats=2)
    assert [entry.state for entry in again.entries()] == ["COMPLETE"] * 6
    assert again.size == 12


def test_what_was_told_is_read_back(storage):
    study = grid_study(storage)
    for index in range(3):
        study.propose(index)
    study.finish(0, [0.5])
    study.finish(1, None)
    states = [(entry.state, entry.values) for entry in grid_study(storage).entries()]
    assert states == [("COMPLETE", (0.5,)), ("FAIL", ()), ("RUNNING", ())]


def test_a_running_trial_goes_on_and_a_failed_one_begins_anew(storage):
    study = grid_study(storage)
    first, second = study.propose(0), study.propose(1)
    study.finish(0, None)
    resumed = grid_study(storage)
    assert resumed.propose(1) == second
    assert resumed.propose(0).setting == first.setting
    resumed.finish(0, [1.0])
    assert [entry.state for entry in grid_study(storage).entries()] == ["COMPLETE", "RUNNING"]


def test_a_complete_trial_is_not_run_again(storage):
    study = grid_study(storage)
    study.propose(0)
    study.finish(0, [1.0])
    with pytest.raises(ValueError, match="complete"):
        study.propose(0)


def value(entry):
    return abs(entry.setting["a"] - 5) + (entry.setting["b"] == "x")


def play(storage, name, cuts):
    """Propose and finish every trial, opening the study anew before and after the proposals in `cuts`."""
    study, settings = tpe_study(storage, name), []
    for index in range(study.size):
        if index in cuts:
            study = tpe_study(storage, name)
        entry = study.propose(index)
        if index in cuts:
            study = tpe_study(storage, name)
            assert study.propose(index) == entry
        settings.append(entry.setting)
        study.finish(index, [value(entry)])
    return settings


def test_an_interrupted_tpe_sweep_proposes_the_same_points(storage):
    undisturbed = play(storage, "undisturbed", cuts=())
    assert play(storage, "interrupted", cuts=(1, 6, 11, 13)) == undisturbed
    assert len({tuple(setting.items()) for setting in undisturbed}) > 5


def test_a_trial_killed_before_it_was_named_does_not_count(storage):
    undisturbed = play(storage, "undisturbed", cuts=())
    study = tpe_study(storage, "killed")
    study._study.sampler = study._sampler(0)
    study._study.ask(fixed_distributions={key: study._distribution(key) for key in study.space})
    assert play(storage, "killed", cuts=()) == undisturbed


def test_explicit_points_may_have_different_keys(storage):
    settings = [{"mixture": "real"}, {"mixture": "matched", "trainer.max_steps": 10}]
    study = Study("points", storage, SearchConfig(sampler="grid", points=settings), {}, ["minimize"], 1)
    assert [study.propose(index).setting for index in range(study.size)] == settings


@pytest.mark.parametrize(
    ("config", "space", "directions", "words"),
    [
        (SearchConfig(sampler="grid"), {}, ["minimize"], "search space is empty"),
        (SearchConfig(sampler="anneal"), SPACE, ["minimize"], "search.sampler=anneal"),
        (SearchConfig(sampler="tpe"), SPACE, ["minimize"], "search.n_trials"),
        (SearchConfig(sampler="grid", pruner="axe"), SPACE, ["minimize"], "search.pruner=axe"),
        (SearchConfig(sampler="grid"), SPACE, ["down"], "sweep.direction=down"),
    ],
)
def test_a_search_that_cannot_start_is_refused(config, space, directions, words):
    with pytest.raises(UserError, match=words):
        check(config, space, directions)


def test_importances_name_the_key_that_moves_the_objective_and_leave_out_what_never_varied():
    tried = [
        ({"rate": rate, "batch": batch, "model": "one"}, 10 * rate + batch) for rate in (1, 2, 3) for batch in (0, 1)
    ]
    found = importances(tried, {})
    assert list(found) == ["rate", "batch"]
    assert found["rate"] > 0.9
    assert sum(found.values()) == pytest.approx(1)
    assert importances(tried, {}) == found
    assert importances([], {}) == importances(tried[:1], {}) == importances([(p, 1.0) for p, _ in tried], {}) == {}


def test_importances_over_an_interval_and_over_points_with_different_keys():
    tried = [({"rate": 10.0**-power, "own": power} if power else {"rate": 1.0}, float(power)) for power in range(6)]
    assert importances(tried, {"rate": Range(1e-5, 1.0, log=True, integer=False)}) == {"rate": 1.0}


def test_asking_for_a_study_makes_none(tmp_path):
    storage = f"sqlite:///{tmp_path}/studies.db"
    assert not exists("a", storage)
    assert not list(tmp_path.iterdir())
    Study("a", storage, SearchConfig(sampler="grid"), read_space({"x": "choice(1, 2)"}), ["minimize"], 1)
    assert exists("a", storage)
    assert not exists("b", storage)


def test_a_whole_number_on_an_axis_of_fractions_is_one_of_them(storage):
    """As the database gives it back: the trial's folder must not change its name when a sweep is resumed."""
    space = read_space({"a": "interval(0.5, 2.0)"})
    config = SearchConfig(sampler="random", n_trials=2, points=[{"a": 1}])
    first = Study("typed", storage, config, space, ["minimize"], 1).propose(0)
    assert isinstance(first.setting["a"], float)
    again = Study("typed", storage, config, space, ["minimize"], 1).entry(0)
    assert repr(again.setting) == repr(first.setting)


def test_a_database_that_does_not_answer_is_named():
    pytest.importorskip("psycopg", reason="the driver is an extra, postgres")
    with pytest.raises(UserError, match=r"tracking\.storage=postgresql.*: Optuna cannot keep a study there"):
        exists("s", "postgresql+psycopg://nobody@127.0.0.1:1/x")
