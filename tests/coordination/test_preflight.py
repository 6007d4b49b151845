"""What a sweep refuses before it costs anything."""

import dataclasses
import json
import re
import subprocess
import sys

import pytest
from hydra import compose, initialize_config_dir

import macsql.app  # noqa: F401 the schema is registered there
from macsql.config import validate
from macsql.coordination.preflight import Preflight
from macsql.errors import UserError
from macsql.places import CONF
from macsql.search.plan import Planner
from macsql.sweep import look_ahead


@pytest.fixture
def composed(tmp_path):
    """A function from overrides to the preflight of that command line."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield lambda *overrides: preflight([f"tracking.state_dir={tmp_path}", *overrides])


def preflight(overrides: list[str]) -> Preflight:
    config = validate(compose("config", overrides=overrides))
    return Preflight(config, Planner(config, overrides), print)


def axis(key: str, expression: str) -> str:
    return f"++search.space.{key}='{expression}'"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["codec.name=tokens", axis("codec", "choice(verbatim,marks)")], "change or leave out codec"),
        ([axis("trainer.warmup_steps", "0,0.0")], "change or leave out trainer.warmup_steps"),
        ([axis("seed", "0,1"), "sweep.repeats=2"], "change or leave out seed"),
        (["search=random", "codec.name=tokens", axis("codec", "choice(verbatim,marks)")], "leave out codec"),
        ([axis("seed", "0,1"), "search.n_trials=5"], "search.n_trials=5 has no meaning with search=grid"),
        ([axis("seed", "0,1"), "tracking.uri=foo"], "tracking.uri=foo is not an address of MLflow"),
        ([axis("seed", "0,1"), "tracking.uri=file:///tmp/x"], "tracking.uri=file:///tmp/x is not an address of MLflow"),
        ([axis("sweep.repeats", "1,2")], "sweep.repeats is the whole sweep's"),
        ([axis("tracking.state_dir", "a,b")], "tracking.state_dir is the whole sweep's"),
        (["search.points=[{executor.workers: 2}]"], "executor.workers is the whole sweep's"),
        (["search=random", axis("trainer.per_device_train_batch_size", "int(interval(0,8))")], "at least 1 is needed"),
        (
            [
                "search=random",
                axis("trainer.learning_rate", "interval(0.1,0.2)"),
                "search.points=[{trainer.learning_rate: -1}]",
            ],
            "trainer.learning_rate=-1",
        ),
        ([f"sweep.name={'x' * 120}", axis("seed", "0,1")], "at most"),
    ],
)
def test_what_no_trial_could_mean_is_refused(composed, overrides, words):
    with pytest.raises(UserError) as caught:
        composed(*overrides).check()
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("search.points=[1e-3]", "search.points: 0.001 is not a setting"),
        ("search.points=[null]", "search.points: None is not a setting"),
        ("search.points=3", "search.points=3 is not a list"),
        ("search.space=3", "search.space=3 is not a space"),
    ],
)
def test_a_search_of_another_shape_is_refused_by_its_key(composed, override, words):
    with pytest.raises(UserError) as caught:
        composed(override)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "overrides",
    [
        [axis("codec", "choice(verbatim,marks)"), axis("seed", "0,1")],
        [axis("executor.threads", "1,2")],
        [axis("model.lora.r", "choice(0,4,8)")],
        ["model.lora={r: 4, alpha: 8, targets: [q, v]}", axis("model.lora.merge", "true,false")],
        [
            "search=tpe",
            "sweep.metric=[decomposer/execution_accuracy]",  # a loss would not compare between codecs
            "sweep.direction=[maximize]",
            axis("trainer.per_device_train_batch_size", "int(interval(1,2))"),
            axis("codec", "marks,verbatim"),
        ],
        ["search.points=[{}]"],
        ["data.limit=9", axis("data.limit", "[null,5]")],
    ],
)
def test_settings_that_differ_pass_and_one_that_nothing_can_mean_does_not(composed, overrides):
    composed(*overrides).check()
    with pytest.raises(UserError, match=r"mixture\.temperature=-1"):
        composed(*overrides, "mixture.temperature=-1").check()


def test_data_that_differs_in_any_key_has_a_name_of_its_own(composed, monkeypatch):
    @dataclasses.dataclass
    class Known:
        fingerprint: str

    monkeypatch.setattr("macsql.coordination.preflight.prepare", lambda config: Known(str(config.data.limit)))
    found = composed(axis("data.limit", "20,30"), axis("seed", "0,1")).fingerprints
    assert found == {"pocket/brief data.limit=20": "20", "pocket/brief data.limit=30": "30"}
    assert composed(axis("seed", "0,1")).fingerprints == {"pocket/brief": "120"}


SMALL = ("data.questions=8", "data.test_fraction=0.2", "data.eval_fraction=0.2", axis("seed", "0,1"))


def test_what_dies_in_the_first_step_is_refused_by_the_plan(composed):
    composed(*SMALL).rehearse()
    with pytest.raises(UserError, match=r"A trial of seed=0 fails in its first step.*num_workers"):
        composed(*SMALL, "+trainer.dataloader_num_workers=-1").rehearse()


def test_a_plan_that_is_known_says_the_same_and_imports_no_torch(composed, tmp_path, capsys):
    words = [*SMALL, "sweep.name=twice"]
    look_ahead(composed(*words))
    said = capsys.readouterr().out
    assert "precision: " in said
    assert "Rehearsed: by a step on this machine" in said
    command = [sys.executable, "-X", "importtime", "-m", "macsql.sweep", *words, f"tracking.state_dir={tmp_path}"]
    again = subprocess.run([*command, "sweep.dry_run=true"], capture_output=True, text=True, check=True)
    free = re.compile(r"[\d.]+ GiB are free")  # a moment later
    assert free.sub("", again.stdout).split() == free.sub("", said).split()
    imported = {line.rpartition("|")[2].strip() for line in again.stderr.splitlines()}
    assert "macsql.coordination.preflight" in imported
    assert not imported & {"torch", "transformers", "mlflow", "optuna"}


def test_a_tokenizer_that_cannot_be_loaded_is_refused_before_the_data_is_read(composed, tmp_path, monkeypatch):
    folder = tmp_path / "own"
    folder.mkdir()
    sizes = {"d_model": 16, "d_ff": 32, "num_layers": 1, "num_heads": 4, "vocab_size": 64}
    (folder / "config.json").write_text(json.dumps({"model_type": "t5", **sizes}))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").touch()
    monkeypatch.setattr("macsql.coordination.preflight.prepare", None)
    asked = composed("model=t5_small", f"model.path={folder}", axis("seed", "0,1"))
    asked.check()
    for _ in range(2):  # a refusal is not kept
        with pytest.raises(UserError, match=f"model.path={folder} could not be loaded"):
            look_ahead(asked)


def test_a_plan_with_another_model_or_other_words_is_looked_at_anew(composed, monkeypatch):
    """What is kept belongs to one configuration alone."""
    asked = []
    monkeypatch.setattr("macsql.coordination.preflight.examined", lambda config, _: [f"{config.codec.name}, {asked}"])
    assert composed(*SMALL).warnings() == composed(*SMALL).warnings()
    asked.append("later")
    assert composed(*SMALL).warnings()[0].endswith("[]")
    assert composed(*SMALL, "codec=marks").warnings()[0] == "marks, ['later']"
    assert "later" in composed(*SMALL, "data.limit=7").warnings()[0]


def test_where_trials_run_elsewhere_it_is_a_warning(composed, monkeypatch, capsys):
    class Elsewhere:
        slots, threads, gpu = 1, 1, True

    monkeypatch.setattr("macsql.coordination.preflight.executor", lambda *_: Elsewhere())
    composed(*SMALL, "+trainer.dataloader_num_workers=-1").rehearse()
    assert "Warning: A trial of seed=0 fails in its first step" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ([axis("executor.threads", "choice(1,auto)")], "is the whole sweep's"),
        (["executor.name=slurm", "executor.threads=auto"], "executor=slurm runs trials on others: write a number"),
        (["executor.threads=some"], "executor.threads=some: at least 1, or auto, is needed"),
    ],
)
def test_threads_are_measured_here_and_for_all_trials(composed, overrides, words):
    with pytest.raises(UserError) as caught:
        composed(*overrides, axis("seed", "0,1")).check()
    assert words in str(caught.value)


def test_measured_threads_hang_on_the_sweep_and_are_no_part_of_it(composed, monkeypatch, capsys):
    monkeypatch.setattr("macsql.executors.threads.probed", lambda *given: {given[-1][-1]: 1.0})
    monkeypatch.setattr("macsql.executors.threads.usable_cores", lambda: 2)
    asked = composed(*SMALL, "executor.threads=auto")
    asked.check()
    assert (asked.executor.threads, asked.executor.slots) == (2, 1)
    asked.announce()
    assert "CPU threads: 2 for each of 1 trial at a time" in capsys.readouterr().out
    fixed = composed(*SMALL, "executor.threads=1")
    assert [trial.key for trial in asked.trials] == [trial.key for trial in fixed.trials]
    assert asked.identity == fixed.identity
