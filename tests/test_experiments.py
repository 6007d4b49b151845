"""conf/experiment, experiments/ and the Makefile say the same."""

import itertools
import os
import subprocess
from dataclasses import replace

import pytest

from macsql.app import command
from macsql.comparison.published import matches, published
from macsql.comparison.reasons import POSTER_TRAINING, other_training
from macsql.models import liger
from macsql.places import CONF, REPO
from macsql.records import AGENTS
from macsql.report.readme import BEGIN, END
from macsql.search import study
from macsql.search.space import grid, read_space
from macsql.training.arguments import bind
from macsql.training.check import notes, uses
from macsql.training.mixture import epoch_indices

PRETRAINED = "pocket_base"  # is made by macsql.pretrain: no sweep
NAMES = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml") if path.stem != PRETRAINED)
REAL = (
    "geoquery",
    "geoquery_pocket",
    "geoquery_pocket_query",
    "geoquery_query",
    "learning_curve",
    "learning_curve_geoquery",
    "real_weights",
    "representation_geoquery",
    "spider_pocket",
)
NEEDS = {name: ["data.root=somewhere"] for name in REAL}  # data of one's own
TARGETS = {"balance": "exp1", "batch_size": "exp2", "lr_bs": "exp3", "generation": "exp4"}


@pytest.fixture
def config(monkeypatch):
    def compose(*arguments):
        seen = []
        monkeypatch.setattr("sys.argv", ["macsql", *arguments])
        with pytest.raises(SystemExit):
            command(lambda config: seen.append(config))()
        return seen[0]

    return compose


def points(found):
    return [dict(point) for point in found.search.points] or grid(read_space(found.search.space))


def test_the_posters_four_are_there():
    assert set(TARGETS) <= set(NAMES)
    assert {"representation", "mixtures"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_is_an_overlay_headed_by_its_command(name):
    first, second, *_ = (CONF / "experiment" / f"{name}.yaml").read_text().splitlines()
    assert first == "# @package _global_"
    assert second.startswith(f"# python -m macsql.sweep +experiment={name}")


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_has_its_folder_and_its_row(name):
    folder = REPO / "experiments" / name
    readme = (folder / "README.md").read_text()
    assert f"python -m macsql.sweep +experiment={name}" in readme
    assert f"python -m macsql.compare {name}" in readme
    assert readme.count(BEGIN) == readme.count(END) == 1
    assert (folder / "published.json").exists()
    assert f"({name}/README.md)" in (REPO / "experiments" / "README.md").read_text().split(BEGIN)[0]


@pytest.fixture
def make(tmp_path):
    """Runs a target with commands that only leave a line, sweeps ending with `code`.

    Returns make's exit code, what it said on stderr and those lines.
    """

    def run(target, *arguments, code=0):
        bin_, ready, lines = tmp_path / "bin", tmp_path / "ready", tmp_path / "lines"
        bin_.mkdir(exist_ok=True)
        (bin_ / "python").write_text(
            f"#!/bin/sh\necho \"$*\" >> '{lines}'\ncase $2 in macsql.sweep) exit {code};; esac\n"
        )
        (bin_ / "python").chmod(0o755)
        ready.touch()
        outside = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
        command = ["make", target, f"BIN={bin_}", f"READY={ready}", *arguments]
        done = subprocess.run(command, cwd=REPO, env=outside, capture_output=True, text=True)
        return done.returncode, done.stderr, lines.read_text().splitlines() if lines.exists() else []

    return run


def ran(name, arguments=""):
    sweep = f"-m macsql.sweep +experiment={name} {arguments}".strip()
    return [sweep, f"-m macsql.compare {name} --publish"]


@pytest.mark.parametrize(("name", "target"), TARGETS.items())
def test_a_target_runs_its_experiment_and_publishes_it(make, name, target):
    assert make(target, "ARGS=executor.workers=1") == (0, "", ran(name, "executor.workers=1"))
    assert f"`make {target}`" in (REPO / "experiments" / "README.md").read_text()


def test_poster_runs_all_four(make):
    code, _, lines = make("poster")
    assert (code, lines) == (0, [line for name in TARGETS for line in ran(name)])


def test_a_failed_trial_hides_neither_its_comparison_nor_the_next_experiment(make):
    code, _, lines = make("exp1", code=2)
    assert (code, lines) == (2, ran("balance"))
    code, _, lines = make("poster", code=2)
    assert (code, lines) == (2, ran("balance") + [line for name in TARGETS for line in ran(name)])


@pytest.mark.parametrize("code", [1, 130])
def test_a_sweep_that_did_not_end_is_not_published(make, code):
    assert make("exp1", code=code)[::2] == (2, ran("balance")[:1])


def test_the_demo_publishes_nothing(make):
    arguments = "sweep.name=mine tracking.state_dir=there"
    assert make("demo", f"ARGS={arguments}") == (
        0,
        "",
        [f"-m macsql.sweep +experiment=lr_bs sweep.name=demo data.limit=50 {arguments}"],
    )


@pytest.mark.parametrize("argument", ["'sweep.name=mine'", "++tracking.state_dir=there", "sweep.dry_run=true"])
def test_what_is_published_is_the_sweep_of_that_name_in_mlruns(make, argument):
    code, error, lines = make("exp2", f"ARGS={argument}")
    assert (code, lines) == (2, [])
    assert f"type python -m macsql.sweep +experiment=batch_size {argument}" in error


@pytest.mark.parametrize("scale", [(), ("+scale=pocket",), ("+scale=pocket_brief",)])
@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_composes_and_the_settings_that_are_spoken_of_exist(config, name, scale):
    found = config(f"+experiment={name}", *scale, *NEEDS.get(name, []))
    assert found.sweep.name == name
    known = published(name)
    assert set(known.varies) <= set(POSTER_TRAINING)
    spoken = [
        known.reference,
        *(figure.setting for figure in known.figures),
        *(curve.setting for curve in known.curves),
    ]
    spoken += [known.claim.better, known.claim.worse] if known.claim else []
    for setting in spoken:
        assert setting is None or any(matches(setting, point) for point in points(found)), setting


@pytest.mark.parametrize("name", TARGETS)
def test_the_posters_settings_are_no_other_training_and_a_scales_are(config, name):
    varies = published(name).varies
    for point in points(config(f"+experiment={name}")):
        arguments = [f"+experiment={name}", *(f"{key}={value}" for key, value in point.items())]
        assert other_training(config(*arguments), varies) == []
        assert "epochs 6 (the poster's 10)" in other_training(config(*arguments, "+scale=pocket"), varies)


@pytest.mark.parametrize("name", NAMES)
def test_a_sweep_can_start(config, name):
    found = config(f"+experiment={name}", "+scale=pocket", *NEEDS.get(name, []))
    study.check(found.search, read_space(found.search.space), found.sweep.direction)


def test_what_each_varies(config):
    batch = "trainer.per_device_train_batch_size"
    assert points(config("+experiment=balance")) == [{"mixture": "real"}, {"mixture": "undersample"}]
    assert points(config("+experiment=batch_size")) == [{batch: 4}, {batch: 8}]
    assert len(points(config("+experiment=lr_bs"))) == 6
    assert points(config("+experiment=generation")) == [{}]
    assert len(points(config("+experiment=representation"))) == 6
    assert len(points(config("+experiment=mixtures"))) == 4


def test_the_posters_initial_parameters(config):
    trainer = config("+experiment=generation").trainer
    assert (trainer.per_device_train_batch_size, trainer.num_train_epochs, trainer.learning_rate) == (1, 10, 5e-5)
    assert (trainer.metric_for_best_model, trainer.load_best_model_at_end, trainer.bf16) == ("eval_loss", True, "auto")


def test_batch_size_uses_liger_where_it_can_run(config, monkeypatch):
    found = config("+experiment=batch_size", "+scale=pocket")
    assert found.trainer.early_stopping_patience is not None
    monkeypatch.setattr(liger, "missing", lambda: "this machine has no CUDA GPU")
    assert notes(found) == ["trainer.use_liger_kernel=auto has no effect: this machine has no CUDA GPU."]
    monkeypatch.setattr(liger, "missing", lambda: "")
    assert "LigerRMSNorm for T5LayerNorm" in uses(found)[0]
    rates = config("+experiment=lr_bs", "+scale=pocket")
    assert notes(found) == notes(rates) == uses(rates) == []


@pytest.mark.parametrize("model", ["model=t5_small", "model.path=somewhere"])
def test_a_rate_for_random_weights_is_not_meant_for_a_checkpoint(config, model):
    [warning] = notes(config("+experiment=lr_bs", "+scale=pocket", model))
    assert "learning_rate_factor=20 multiplies every learning rate, which is meant for random weights" in warning
    assert notes(config("+experiment=lr_bs", "+scale=pocket", model, "scale.learning_rate_factor=1")) == []
    assert notes(config("+experiment=lr_bs", model)) == []
    assert notes(config("+experiment=lr_bs", "+scale=pocket")) == []


def test_random_weights_at_the_posters_rates_are_warned_of(config):
    [warning] = notes(config("+experiment=lr_bs", "model=pocket_scratch"))
    assert warning.startswith("model=pocket_scratch starts from random weights, which learn next to nothing at ")
    assert "trainer.learning_rate=5e-05: add +scale=pocket" in warning
    assert notes(config("+experiment=lr_bs", "model=pocket_scratch", "trainer.learning_rate=1e-3")) == []


@pytest.mark.parametrize(("scale", "questions"), [("pocket", ""), ("pocket_brief", " 80 questions for each database")])
def test_a_scale_says_what_it_sets(config, scale, questions):
    said = config("+experiment=lr_bs", f"+scale={scale}").scale.note
    assert "multiplied by 20 here." in said
    assert "6 epochs (the poster's 10), a batch of 8 (the poster's 1)" in said
    assert questions in said
    changed = ("trainer.num_train_epochs=1", "trainer.per_device_train_batch_size=2", "scale.learning_rate_factor=1.5")
    said = config("+experiment=lr_bs", f"+scale={scale}", *changed).scale.note
    assert "multiplied by 1.5 here." in said
    assert "1 epochs (the poster's 10), a batch of 2 (the poster's 1)" in said


@pytest.mark.parametrize("name", ["balance", "mixtures"])
def test_data_is_thinned_to_the_posters_counts_which_leaves_the_posters_own_data_whole(config, name):
    mixture = replace(config(f"+experiment={name}").mixture, name="real", steps=None, resample=False)
    counts = {"selector": 1009, "decomposer": 2029, "refiner": 337}
    rows = [agent for _ in range(560) for agent in AGENTS]
    taken = [rows[index] for index in epoch_indices(rows, mixture, 0)]
    shares = {agent: taken.count(agent) / len(taken) for agent in AGENTS}
    assert shares == pytest.approx({agent: count / 3375 for agent, count in counts.items()}, abs=2e-3)
    posters = [agent for agent, count in counts.items() for _ in range(count)]
    assert sorted(epoch_indices(posters, mixture, 0)) == list(range(3375))
    assert config("+experiment=lr_bs").mixture.ratio == {}


@pytest.mark.parametrize("scale", [(), ("+scale=pocket",)])
def test_mixtures_take_equal_steps_of_different_rows(config, scale):
    found = config("+experiment=mixtures", *scale)
    rows = [agent for number, agent in enumerate(AGENTS) for _ in range(100 * (number + 1))]
    batch = found.trainer.per_device_train_batch_size
    taken = []
    for point in points(found):
        mixture = config("+experiment=mixtures", *scale, f"mixture={point['mixture']}").mixture
        taken.append(sorted(epoch_indices(rows, mixture, 0, batch)))
    assert {len(indices) for indices in taken} == {found.mixture.steps * batch}
    assert all(one != other for one, other in itertools.combinations(taken, 2))


def test_real_weights_take_the_posters_counts_of_spiders_rows(config):
    found = config("+experiment=real_weights", *NEEDS["real_weights"])
    bind(found)
    rows = [agent for agent, many in zip(AGENTS, (7689, 7114, 6751), strict=True) for _ in range(many)]  # at hand
    taken = [rows[index] for index in epoch_indices(rows, found.mixture, 0)]
    assert {agent: taken.count(agent) for agent in AGENTS} == {"selector": 1009, "decomposer": 2029, "refiner": 337}
    assert (found.model.name, found.trainer.learning_rate) == ("smollm2", 5e-5)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [("learning_curve", (100, 300, 1000, 3375)), ("learning_curve_geoquery", (50, 100, 200, 400))],
)
def test_a_learning_curve_is_drawn_over_nested_rows(config, name, numbers):
    found = config(f"+experiment={name}", *NEEDS[name])
    assert points(found) == [{"mixture.rows": number} for number in numbers]
    rows = [agent for agent in found.agents.roles for _ in range(4000)]
    sets = [set(epoch_indices(rows, replace(found.mixture, rows=number), 0)) for number in numbers]
    assert [len(each) for each in sets] == list(numbers)
    assert all(smaller < larger for smaller, larger in itertools.pairwise(sets))


def test_representation_has_the_model_as_a_third_axis(config):
    found = config("+experiment=representation_geoquery", *NEEDS["representation_geoquery"])
    settings = points(found)
    assert len(settings) == 12
    assert {setting["model"] for setting in settings} == {"pocket", "smollm2"}
    for setting in settings:  # a group chosen anew keeps what the experiment says of it
        chosen = [f"{key}={value}" for key, value in setting.items()]
        each = config("+experiment=representation_geoquery", *NEEDS["representation_geoquery"], *chosen)
        assert (each.data.format, each.agents.roles, each.trainer.learning_rate) == ("text2sql", ["decomposer"], 3e-4)
        assert (each.model.name, each.agents.style, each.codec.name) == tuple(
            setting[key] for key in ("model", "agents", "codec")
        )


@pytest.mark.parametrize("name", ["geoquery", "geoquery_pocket"])
def test_both_splits_of_geoquery_have_one_recipe(config, name):
    question, query = (config(f"+experiment={each}", *NEEDS[each]) for each in (name, f"{name}_query"))
    assert (question.data.split_by, query.data.split_by) == ("question", "query")
    same = replace(query, data=replace(query.data, split_by="question"), sweep=replace(query.sweep, name=name))
    assert same == question
