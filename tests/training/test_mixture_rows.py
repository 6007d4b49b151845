"""A number of training rows: in the agents' shares, smaller sets inside larger ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macsql.config import MixtureConfig
from macsql.errors import UserError
from macsql.records import AGENTS
from macsql.training.mixture import MIXTURES, check, epoch_indices

POSTER = {"decomposer": 2029, "selector": 1009, "refiner": 337}


def counts(indices, agents):
    return {agent: sum(agents[index] == agent for index in indices) for agent in AGENTS}


@pytest.mark.parametrize("there", [(1009, 2029, 337), (6000, 6500, 5800), (6904, 6904, 6790), (1010, 5000, 340)])
def test_a_ratio_and_the_sum_of_its_numbers_give_these_numbers(there):
    agents = [agent for agent, many in zip(AGENTS, there, strict=True) for _ in range(many)]
    taken = epoch_indices(agents, MixtureConfig("real", ratio=POSTER, rows=3375), 0)
    assert counts(taken, agents) == POSTER
    assert len(set(taken)) == 3375


@given(
    st.lists(st.sampled_from(AGENTS), min_size=1, max_size=60),
    st.data(),
    st.dictionaries(st.sampled_from(AGENTS), st.floats(0.1, 50)),
    st.integers(0, 5),
)
def test_fewer_rows_are_some_of_more_and_keep_the_shares(agents, data, ratio, seed):
    def rows(many):
        return epoch_indices(agents, MixtureConfig("real", ratio=ratio, rows=many, seed=seed), 0)

    with pytest.raises(UserError, match="training rows") as refused:
        rows(len(agents) + 1)
    most = int(str(refused.value).partition("there are ")[2].split()[0])
    assert most >= 1
    assert ratio or most == len(agents)
    more = data.draw(st.integers(1, most))
    fewer = data.draw(st.integers(1, more))
    assert len(rows(more)) == len(set(rows(more))) == more
    assert set(rows(fewer)) <= set(rows(more))
    whole = counts(rows(most), agents)
    for agent, many in counts(rows(fewer), agents).items():
        assert abs(many - fewer * whole[agent] / most) <= 1.5


def test_the_rows_hang_on_the_mixtures_seed_and_their_order_on_the_trials():
    agents = ["decomposer"] * 100
    first = epoch_indices(agents, MixtureConfig("real", rows=20), 0)
    assert first != sorted(first)
    assert sorted(first) == sorted(epoch_indices(agents, MixtureConfig("real", rows=20), 3, seed=7))
    assert sorted(first) != sorted(epoch_indices(agents, MixtureConfig("real", rows=20, seed=1), 0))


@pytest.mark.parametrize("name", MIXTURES)
def test_every_mixture_draws_from_these_rows(name):
    agents = [agent for agent in AGENTS for _ in range(40)]
    kept = set(epoch_indices(agents, MixtureConfig("real", ratio=POSTER, rows=50), 0))
    assert set(epoch_indices(agents, MixtureConfig(name, ratio=POSTER, rows=50), 1, batch_size=8)) <= kept


def test_nonsense_is_refused():
    with pytest.raises(UserError, match="rows=0: a training has at least 1 row"):
        check(MixtureConfig("real", rows=0))
    with pytest.raises(UserError, match="rows=9: there are 8 training rows, write at most that"):
        epoch_indices(["refiner"] * 8, MixtureConfig("real", rows=9), 0)
    with pytest.raises(UserError, match="there are 5 training rows in this ratio"):
        epoch_indices(
            ["refiner", *["selector"] * 4], MixtureConfig("real", rows=9, ratio={"refiner": 1, "selector": 4}), 0
        )
