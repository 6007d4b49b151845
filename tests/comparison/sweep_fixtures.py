"""Sweeps made by hand, ready to be compared."""

import math

import pytest
from hand_made import Sweeps, base_config, verdicts

from macsql.comparison.experiment import Comparison, compare


@pytest.fixture
def sweeps(tmp_path) -> Sweeps:
    return Sweeps(tmp_path / "state")


@pytest.fixture
def balance(sweeps) -> Sweeps:
    """The poster's first experiment: real gets 15 of 20 questions right, undersampling 5 of the same 15."""
    sweeps.prepare({"selector": 100, "decomposer": 100, "refiner": 100})
    for index, (name, right) in enumerate([("real", 15), ("undersample", 5)]):
        config = base_config(mixture={"name": name})
        sweeps.trial("balance", index, {"mixture": name}, verdicts(set(range(right))), config=config)
    return sweeps


@pytest.fixture(scope="session")
def sixty(tmp_path_factory) -> Comparison:
    """Sixty trials over an interval, and one that diverged."""
    sweeps = Sweeps(tmp_path_factory.mktemp("sixty"))
    space = {"trainer": {"learning_rate": "tag(log, interval(1e-5, 1e-2))"}}
    config = base_config(search={"sampler": "tpe", "n_trials": 60, "space": space})
    for index in range(60):
        point = {"trainer.learning_rate": 1e-5 * 1.12**index, "trainer.weight_decay": 0.1 * (index % 3)}
        losses = tuple(8 / (index + 2 + epoch) for epoch in range(10))
        sweeps.trial("rates", index, point, verdicts(set(range(index % 4)), 4), config=config, losses=losses)
    sweeps.trial("rates", 60, {"trainer.learning_rate": 1.0}, [], status="FAILED", losses=(math.nan,), config=config)
    return compare("rates", sweeps.state)
