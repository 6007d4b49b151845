"""Sweeps made by hand, ready to be compared."""

import pytest
from hand_made import Sweeps, base_config, verdicts


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
