"""How trials end, and what the sweep makes of it: failures, retries, pruning, objectives, samplers."""

import json

import pytest

CURVE = {
    "search.sampler": "tpe",
    "search.n_trials": 11,
    "search.space": {"trainer": {"learning_rate": "interval(0.5, 2.0)", "weight_decay": "choice(0.0, 0.1)"}},
    "executor.workers": 1,
}
SEVEN = {
    "search.space": {"trainer": {"learning_rate": "choice(1.0, 1.1, 1.2, 1.3, 1.4, 3.0, 1.05)", "weight_decay": None}}
}
QUICK = {"STUB_PAUSE": "0"}


def states(picture):
    return [(int(index), state) for index, state, *_ in picture["trials"]]


def statuses(picture):
    return {name: status for name, status, *_ in picture["runs"]}


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("STUB_FAIL", "fails always"),
        pytest.param("STUB_CRASH", "about to crash", marks=pytest.mark.slow),
    ],
)
def test_a_failed_trial_stops_nothing_and_is_reported_with_its_log(stub_sweep, how, words):
    sweep = stub_sweep(environment=QUICK | {how: "learning_rate=2.0 weight_decay=0.1"})
    assert sweep.run() == 2
    assert "Failed: learning_rate=2.0 weight_decay=0.1: " in sweep.log
    assert words in sweep.log.partition("Failed: ")[2], "the last lines of its log"
    assert sweep.log.count("started (attempt 2)") == 1
    picture = sweep.picture()
    assert [state for _, state in states(picture)] == ["COMPLETE"] * 3
    assert picture["parent"] == ["FAILED"]
    assert statuses(picture)["learning_rate=2.0 weight_decay=0.1"] == "FAILED"
    assert not picture["unended"]

    assert sweep.run(environment=QUICK) == 0, "the same command tries failed ones anew"
    assert [state for _, state in states(sweep.picture())] == ["COMPLETE"] * 4
    assert set(statuses(sweep.picture()).values()) == {"FINISHED"}
    assert sweep.picture()["parent"] == ["FINISHED"]


def test_a_failure_is_retried_as_often_as_allowed(stub_sweep, tmp_path):
    sweep = stub_sweep(environment=QUICK | {"STUB_HEAL": str(tmp_path)})
    assert sweep.run() == 0
    assert sweep.log.count("attempt 2") == 4
    curves = sweep.picture()["curves"].values()
    assert all([step for name, step, _ in curve if name == "loss"] == list(range(1, 11)) for curve in curves)


def test_the_best_trial_is_to_be_registered_and_its_model_is_gone(stub_sweep):
    """Stubs leave none."""
    sweep = stub_sweep(changes={"tracking.register": True}, environment=QUICK)
    for _ in range(2):  # a complete sweep tries again
        assert sweep.run() == 0
        assert "The model was not registered. The trial" in sweep.log
        assert "has no folder `model` any more." in sweep.log


@pytest.mark.slow
def test_without_retries_one_failure_is_enough(stub_sweep, tmp_path):
    sweep = stub_sweep(changes={"sweep.max_retries": 0}, environment=QUICK | {"STUB_HEAL": str(tmp_path)})
    assert sweep.run() == 2
    assert "attempt 2" not in sweep.log


def test_a_diverged_trial_is_not_retried(stub_sweep):
    sweep = stub_sweep(environment=QUICK | {"STUB_DIVERGE": "learning_rate=2.0"})
    assert sweep.run() == 2
    assert "attempt 2" not in sweep.log
    assert sweep.log.count(": diverged: ") >= 2


def test_several_objectives(stub_sweep):
    changes = {"sweep.metric": ["eval_loss", "decomposer/exact_match"], "sweep.direction": ["minimize", "maximize"]}
    sweep = stub_sweep(changes=changes, environment=QUICK)
    assert sweep.run() == 0
    values = [(index, value) for index, _, value in sweep.picture()["trials"]]
    assert len(values) == 8
    assert len({index for index, _ in values}) == 4


def test_an_objective_that_is_not_there_fails_the_trial_in_a_sentence(stub_sweep):
    sweep = stub_sweep(changes={"sweep.metric": ["refiner/exact_match"]}, environment=QUICK)
    assert sweep.run() == 2
    assert "sweep.metric eval/refiner/exact_match was not measured" in sweep.log
    again = sweep.picture()["curves"]
    assert sweep.run() == 2
    assert sweep.picture()["curves"] == again, "nothing is recorded twice"


@pytest.fixture
def pruned(stub_sweep):
    return lambda name, **more: stub_sweep(
        name, changes=SEVEN | {"search.pruner": "median", "executor.workers": 1} | more, environment=QUICK
    )


def test_a_pruned_trial_is_done(pruned):
    sweep = pruned("pruned")
    assert sweep.run() == 0, sweep.log
    picture = sweep.picture()
    assert states(picture) == [(i, "PRUNED" if i == 5 else "COMPLETE") for i in range(7)]
    assert statuses(picture)["learning_rate=3.0"] == "KILLED"
    assert [tag for name, _, tag, *_ in picture["runs"] if name == "learning_rate=3.0"] == ["true"]
    assert picture["parent"] == ["FINISHED"]
    result = next(value for value in picture["results"].values() if value["status"] == "KILLED")
    assert result["reason"].startswith("pruned: ")
    assert result["steps"] == 2, "decided at the first evaluation, whenever the trial heard of it"
    assert sweep.run() == 0
    assert "nothing is left to run" in sweep.log
    assert sweep.picture() == picture


def kill_at(sweep, gate, condition):
    """Run until the gate's trial meets the condition there, and kill the sweep."""
    call = sweep.start()
    sweep.until(lambda: condition() == [gate.trial])
    call.signal(9)
    assert call.wait() == -9


@pytest.mark.slow
def test_a_pruned_sweep_killed_and_resumed_decides_the_same(pruned):
    """Killed in a trial that will finish, in one before it is pruned, and in the same after that."""
    calm, killed = pruned("calm"), pruned("killed")
    assert calm.run() == 0
    for trial, step, state in ((2, 5, "RUNNING"), (5, 1, "RUNNING"), (5, 3, "PRUNED")):
        gate = killed.gate(step, trial, deaf=state == "PRUNED")
        kill_at(killed, gate, gate.asked if gate.deaf else gate.reached)
        assert states(killed.picture()) == [(i, "COMPLETE") for i in range(trial)] + [(trial, state)]
        gate.open()
    assert killed.run() == 0
    assert killed.picture()["trials"] == calm.picture()["trials"]
    assert killed.picture()["results"] == calm.picture()["results"]


def test_a_tpe_sweep_killed_and_resumed_tries_the_same_points(stub_sweep):
    calm, killed = (stub_sweep(name, CURVE, QUICK) for name in ("calm", "killed"))
    assert calm.run() == 0
    gate = killed.gate(step=5, trial=5)
    kill_at(killed, gate, gate.reached)
    assert states(killed.picture()) == [(i, "COMPLETE") for i in range(5)] + [(5, "RUNNING")]
    assert killed.run(environment=QUICK) == 0
    assert killed.picture() == calm.picture()
    assert len(calm.picture()["runs"]) == 11


@pytest.mark.parametrize("sampler", [pytest.param("tpe", marks=pytest.mark.slow), "random"])
def test_samplers_with_several_workers(stub_sweep, sampler):
    sweep = stub_sweep(changes=CURVE | {"search.sampler": sampler, "executor.workers": 3}, environment=QUICK)
    assert sweep.run() == 0
    picture = sweep.picture()
    assert states(picture) == [(i, "COMPLETE") for i in range(11)]
    assert len(picture["curves"]) == len(picture["runs"]) == 11


def test_a_grid_grows_by_seeds(stub_sweep):
    sweep = stub_sweep(environment=QUICK)
    assert sweep.run() == 0
    assert sweep.run(changes={"sweep.repeats": 2}) == 0
    assert len(sweep.picture()["runs"]) == 8
    assert [state for _, state in states(sweep.picture())] == ["COMPLETE"] * 8


@pytest.mark.slow
def test_a_samplers_plan_grows_by_points_alone(stub_sweep):
    sampled = stub_sweep("sampled", CURVE | {"search.n_trials": 2}, QUICK)
    assert sampled.run() == 0
    assert sampled.run(changes=CURVE | {"search.n_trials": 3}) == 0
    assert sampled.run(changes=CURVE | {"search.n_trials": 3, "sweep.repeats": 2}) == 1
    assert "sweep.repeats was 1, is 2" in sampled.log


def test_settings_of_ones_own_come_first(stub_sweep):
    settings = [{"trainer.learning_rate": 9.0}, {"trainer.learning_rate": 1.0, "trainer.weight_decay": 0.0}]
    sweep = stub_sweep(changes={"search.points": settings}, environment=QUICK)
    assert sweep.run() == 0
    labels = {json.loads(path.read_text())["index"]: path for path in sweep.state.glob("trials/*/trial.json")}
    tried = [json.loads(labels[index].read_text())["setting"] for index in sorted(labels)]
    assert tried[:2] == settings
    assert len(tried) == 5, "and the rest of the grid, without the setting that was listed"


def test_a_changed_sweep_is_refused(stub_sweep):
    sweep = stub_sweep(environment=QUICK)
    assert sweep.run() == 0
    assert sweep.run(changes={"trainer.num_train_epochs": 7}) == 1
    assert "trainer.num_train_epochs was 3.0, is 7.0" in sweep.log
    assert sweep.run(changes={"sweep.metric": ["train_loss"]}) == 1


@pytest.mark.slow
def test_a_record_that_was_thrown_away_is_drawn_again(stub_sweep, zygote):
    sweep = stub_sweep(environment=QUICK)
    assert sweep.run() == 0
    before = sweep.picture()
    (sweep.state / "mlflow.db").write_bytes((zygote.template / "mlflow.db").read_bytes())
    assert sweep.run() == 0
    assert sweep.picture() == before


def test_a_trial_that_cannot_be_started_fails_alone(stub_sweep):
    sweep = stub_sweep(environment=QUICK)
    assert sweep.run(no_room_for="stub-0002") == 2, sweep.log
    assert "it could not be started (OSError: no room)" in sweep.log
    picture = sweep.picture()
    assert [state for _, state in states(picture)] == ["COMPLETE"] * 3
    assert picture["parent"] == ["FAILED"]
    assert not picture["unended"]
    assert sweep.run() == 0


def test_a_complete_sweep_needs_no_executor(stub_sweep):
    sweep = stub_sweep(environment=QUICK)
    assert sweep.run() == 0
    assert sweep.run(changes={"executor.name": "slurm", "executor.options": {}}) == 0, sweep.log
    assert sweep.picture()["parent"] == ["FINISHED"]


def test_a_smaller_plan_leaves_nothing_running(stub_sweep):
    sweep = stub_sweep(changes={"sweep.repeats": 2, "executor.workers": 8}, environment=QUICK)
    gate = sweep.gate(step=2)
    call = sweep.start()
    sweep.until(lambda: len(gate.reached()) == 8)
    sweep.until(lambda: len(sweep.picture()["unended"]) == 9)
    call.signal(9)
    call.wait()
    assert sweep.run(changes={"sweep.repeats": 1}, environment=QUICK) == 0, sweep.log
    assert not sweep.picture()["unended"], sweep.log
    assert len([status for status in statuses(sweep.picture()).values() if status == "FINISHED"]) == 4


def test_a_trial_pruned_after_an_interruption_is_recorded_as_pruned(pruned):
    """What was shipped as stopped ends as pruned: the same status in MLflow, another end."""
    sweep = pruned("pruned", **{"executor.workers": 2})
    gate = sweep.gate(step=1, trial=5)
    call = sweep.start()
    sweep.until(lambda: gate.reached() == [5])
    call.signal(2)
    assert call.wait() == 130
    runs = {name: (status, tag) for name, status, tag, *_ in sweep.picture()["runs"]}
    assert runs["learning_rate=3.0"] == ("KILLED", "false")
    one_by_one = sweep.changes | {"executor.workers": 1}  # the pruner needs the five before it, and they are not a race
    assert sweep.run(changes=one_by_one, environment=QUICK) == 0
    runs = {name: (status, tag) for name, status, tag, *_ in sweep.picture()["runs"]}
    assert runs["learning_rate=3.0"] == ("KILLED", "true")


def test_a_samplers_point_is_repeated_at_once_with_other_seeds(stub_sweep):
    sweep = stub_sweep(changes=CURVE | {"search.n_trials": 3, "sweep.repeats": 2}, environment=QUICK)
    assert sweep.run() == 0, sweep.log
    abouts = sorted((json.loads(path.read_text()) for path in sweep.state.glob("trials/*/trial.json")), key=index)
    assert [about["repeat"] for about in abouts] == [0, 1] * 3
    settings = [json.dumps(about["setting"]) for about in abouts]
    assert settings[::2] == settings[1::2]
    assert len(set(settings)) == 3


def index(about):
    return about["index"]


def test_tpe_weighs_several_objectives(stub_sweep):
    metric = {"sweep.metric": ["eval_loss", "decomposer/exact_match"], "sweep.direction": ["minimize", "maximize"]}
    calm, killed = (stub_sweep(name, CURVE | metric, QUICK) for name in ("calm", "killed"))
    assert calm.run() == 0, calm.log
    gate = killed.gate(step=5, trial=5)
    kill_at(killed, gate, gate.reached)
    assert states(killed.picture()) == [(i, "COMPLETE") for i in range(5) for _ in metric["sweep.metric"]] + [
        (5, "RUNNING")
    ]
    assert killed.run(environment=QUICK) == 0, killed.log
    assert killed.picture()["trials"] == calm.picture()["trials"]
    assert len(calm.picture()["trials"]) == 22


def test_a_pruner_with_several_workers_ends_every_trial_once(pruned):
    sweep = pruned("pruned", **{"executor.workers": 3})
    assert sweep.run() == 0, sweep.log
    picture = sweep.picture()
    assert [place for place, _ in states(picture)] == list(range(7))
    assert {state for _, state in states(picture)} <= {"COMPLETE", "PRUNED"}
    assert not picture["unended"]
    assert picture["left"] == []
