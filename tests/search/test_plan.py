"""From settings to configurations."""

import dataclasses

import pytest
from omegaconf import OmegaConf

from macsql.config import ModelConfig, flatten, validate
from macsql.errors import UserError
from macsql.models import sources
from macsql.search.plan import Planner, begun_otherwise, differences, identity, sweep_identity
from macsql.search.space import read_space


@pytest.fixture
def config(tmp_path):
    return validate(
        OmegaConf.create(
            {
                "data": {"format": "pocket"},
                "agents": {"style": "brief"},
                "codec": {"name": "marks"},
                "mixture": {"name": "real"},
                "model": {"name": "pocket", "pocket": {"d_model": 8}},
                "search": {"sampler": "grid"},
                "executor": {"name": "local"},
                "tracking": {"state_dir": str(tmp_path)},
            }
        )
    )


@pytest.mark.parametrize(
    ("setting", "key", "value"),
    [
        ({"trainer.learning_rate": 1}, "trainer.learning_rate", 1.0),
        ({"trainer.adam_beta2": 0.98}, "trainer.options.adam_beta2", 0.98),
        ({"model.pocket.d_model": 16}, "model.pocket.d_model", 16),
        ({"seed": 3}, "seed", 3),
    ],
)
def test_a_setting_sets_keys_of_every_kind_and_nothing_else(config, setting, key, value):
    made = flatten(Planner(config, []).trial(0, setting, 0).config)
    before = flatten(config)
    assert made[key] == value
    changed = {name for name in made if before.get(name) != made[name]}
    assert changed <= {key}
    assert type(made[key]) is type(value)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"trainer.per_device_train_batch_size": 2.5}, "per_device_train_batch_size"),
        ({"trainer.learning_rate": "fast"}, "fast"),
        ({"trainr.learning_rate": 1}, "trainr"),
        ({"mixture": "nope"}, "no mixture called 'nope'"),
        ({"data.phrasings": 2}, "^data.phrasings is called data.paraphrases now.$"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(config, setting, words):
    with pytest.raises(UserError, match=words):
        Planner(config, []).trial(0, setting, 0)


def test_a_folder_is_named_by_what_its_trial_computes(config):
    planner = Planner(config, [])
    free = dataclasses.replace(config, sweep=dataclasses.replace(config.sweep, repeats=4, max_retries=0))
    setting = {"trainer.learning_rate": 1.0}
    assert planner.trial(3, setting, 0).key == Planner(free, []).trial(3, setting, 0).key
    assert planner.trial(3, setting, 0).key != planner.trial(3, setting, 1).key
    assert planner.trial(3, setting, 1).config.seed == config.seed + 1


def test_repeats_belong_to_a_samplers_identity_alone(config):
    space = read_space({"trainer.learning_rate": "interval(1, 2)"})
    more = dataclasses.replace(config, sweep=dataclasses.replace(config.sweep, repeats=2))
    assert not differences(sweep_identity(config, {}, {}), sweep_identity(more, {}, {}))
    tpe = [dataclasses.replace(item, search=dataclasses.replace(item.search, sampler="tpe")) for item in (config, more)]
    assert differences(*(sweep_identity(item, space, {}) for item in tpe)) == ["sweep.repeats was 1, is 2"]


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ({"seed": 0}, None),
        ({"seed": 1}, "another configuration (seed was 1, is 0): undo the change"),
        ({"seed": 0, "agents.second_look": True}, "agents.second_look is called agents.augment now): finish it with"),
        ({"seed": 0, "codec.name": "compact"}, "codec.name=compact is called codec.name=marks now"),
    ],
)
def test_a_sweep_that_was_begun_otherwise_is_refused_with_what_to_do(before, words):
    refusal = begun_otherwise("s", before, {"seed": 0})
    assert refusal is None if words is None else words in str(refusal)


def test_other_weights_of_the_package_are_another_trial(config, tmp_path, monkeypatch):
    for base in ("one", "other"):
        (tmp_path / base).mkdir()
        (tmp_path / base / "model.safetensors").write_text(base)
    monkeypatch.setattr(sources, "SHIPPED", tmp_path)
    told = [sources.shipped_weights(ModelConfig(name="pocket", shipped=base)) for base in ("one", "other")]
    assert None not in told
    assert told[0] != told[1]
    model = ModelConfig(name="pocket", shipped="one")
    assert identity(dataclasses.replace(config, model=model))["model.shipped weights"] == told[0]
    model = dataclasses.replace(model, path="elsewhere")
    assert "model.shipped weights" not in identity(dataclasses.replace(config, model=model))
