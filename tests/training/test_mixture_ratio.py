"""Rows thinned to a ratio before they are mixed."""

import pytest

from macsql.config import MixtureConfig
from macsql.errors import UserError
from macsql.records import AGENTS
from macsql.training.mixture import check, epoch_indices

POSTER = {"decomposer": 2029, "selector": 1009, "refiner": 337}
EQUAL = [agent for _ in range(500) for agent in AGENTS]


def counts(indices, agents=EQUAL):
    return {agent: sum(agents[index] == agent for index in indices) for agent in AGENTS}


def test_equal_data_stands_for_the_posters_counts():
    real = epoch_indices(EQUAL, MixtureConfig("real", ratio=POSTER), 0)
    assert counts(real) == {"selector": 249, "decomposer": 500, "refiner": 83}
    assert len(set(real)) == len(real)


def test_every_mixture_keeps_the_same_rows():
    real = set(epoch_indices(EQUAL, MixtureConfig("real", ratio=POSTER), 0))
    for name in ("undersample", "oversample", "matched", "temperature"):
        mixed = epoch_indices(EQUAL, MixtureConfig(name, ratio=POSTER, seed=0), 3, batch_size=8)
        assert set(mixed) <= real, name
    assert counts(epoch_indices(EQUAL, MixtureConfig("undersample", ratio=POSTER), 0)) == dict.fromkeys(AGENTS, 83)


def test_an_agent_that_is_not_named_keeps_its_rows_and_none_loses_all():
    assert counts(epoch_indices(EQUAL, MixtureConfig("real", ratio={"selector": 1, "refiner": 1e9}), 0)) == {
        "selector": 1,
        "decomposer": 500,
        "refiner": 500,
    }


@pytest.mark.parametrize(
    ("ratio", "message"),
    [({"judge": 1.0}, "mixture.ratio names 'judge'"), ({"refiner": 0.0}, "mixture.ratio.refiner=0.0 is not a part")],
)
def test_nonsense_is_refused(ratio, message):
    with pytest.raises(UserError, match=message):
        check(MixtureConfig("real", ratio=ratio))
