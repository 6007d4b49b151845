"""conf/ and macsql/config.py: every choice composes, and each default stands in one place."""

import re
from dataclasses import asdict, fields

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

import macsql.app  # registers the schema
from macsql.config import Config, flatten, validate
from macsql.places import CONF

OVERLAYS = macsql.app.OVERLAYS
CHOICES = sorted((path.parent.name, path.stem) for path in CONF.glob("*/*.yaml"))
GROUPS = [(group, choice) for group, choice in CHOICES if group not in OVERLAYS]
DEFAULTS = flatten(Config())
assert len(GROUPS) > 20, "conf/ is not where it is looked for"


@pytest.fixture(scope="module", autouse=True)
def hydra():
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


@pytest.fixture(autouse=True)
def addresses(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    monkeypatch.setenv("OPTUNA_STORAGE", "postgresql+psycopg://somebody@127.0.0.1/optuna")


def composed(*overrides: str) -> Config:
    return validate(compose("config", list(overrides)))


@pytest.mark.parametrize(("group", "choice"), GROUPS, ids=map("=".join, GROUPS))
def test_every_choice_of_every_group_composes(group, choice):
    root = ["data.root=."] if group == "data" and choice != "pocket" else []
    config = composed(f"{group}={choice}", *root)
    written = yaml.safe_load((CONF / group / f"{choice}.yaml").read_text(encoding="utf-8")) or {}
    for key, value in written.items():
        if key != "defaults" and value != "???" and "${" not in str(value):
            found = getattr(getattr(config, group), key)
            assert found == value, f"{group}.{key}"


@pytest.mark.parametrize("scale", ["", *(choice for group, choice in CHOICES if group == "scale")])
@pytest.mark.parametrize("experiment", [choice for group, choice in CHOICES if group == "experiment"])
def test_every_experiment_composes_with_every_scale(experiment, scale):
    config = composed(f"+experiment={experiment}", *([f"+scale={scale}"] if scale else []))
    assert config.sweep.name == experiment
    assert config.scale.name == (scale or "full")
    assert "${" not in str(flatten(config))


def test_the_groups_are_those_of_the_schema():
    keys = {item.name for item in fields(Config)}
    chosen = {group for group, _ in CHOICES} - {"experiment"}
    assert chosen <= keys
    assert keys - chosen == {"build", "audit", "evaluate", "sweep", "seed", "out"}


@pytest.mark.parametrize(("group", "choice"), GROUPS, ids=map("=".join, GROUPS))
def test_a_choice_states_only_what_differs_from_the_default(group, choice):
    tree = asdict(Config())[group]
    written = yaml.safe_load((CONF / group / f"{choice}.yaml").read_text(encoding="utf-8")) or {}
    for key, value in written.items():
        assert key == "defaults" or tree.get(key) != value, f"{group}.{key} is at its default: macsql/config.py has it"


def test_the_top_file_holds_no_key_of_ours():
    assert set(yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8"))) == {"defaults", "hydra"}


@pytest.mark.parametrize(("group", "choice"), GROUPS, ids=map("=".join, GROUPS))
def test_keys_named_in_comments_are_there(group, choice):
    text = (CONF / group / f"{choice}.yaml").read_text(encoding="utf-8")
    named = re.findall(r"^#   ([a-z_]+) {2,}", text, re.MULTILINE)
    keys = {item.name for item in fields(type(getattr(Config(), group)))}
    assert set(named) <= keys
    assert ("Keys at their defaults" in text) == bool(named)


def test_what_the_poster_states_is_what_it_gets():
    """Some of these are defaults: a change there must not change the poster's experiments."""
    stated = {
        "learning_rate": 5e-5,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 1,
        "num_train_epochs": 10,
        "max_steps": -1,
        "warmup_steps": 0,
        "weight_decay": 0,
        "lr_scheduler_type": "linear",
        "optim": "adamw_torch_fused",  # the poster's AdamW, in one pass
        "metric_for_best_model": "eval_loss",
        "early_stopping_patience": None,
        "use_liger_kernel": "false",
    }
    found = composed().trainer
    assert {name: getattr(found, name) for name in stated} == stated
