"""One rule for the best of a sweep, in MLflow's tags as in the report."""

from types import SimpleNamespace

import pytest

from macsql.config import Config, SweepConfig
from macsql.search.best import best_on_average
from macsql.sweep import best_trial
from macsql.trials.result import Result

LUCKY = {"steady": (0.5, 0.4, 0.5), "lucky": (0.9, 0.1, 0.9), "twin": (0.4, 0.5, 0.5)}


def test_the_mean_decides_and_of_equal_ones_the_first():
    values = [(name, LUCKY[name][seed]) for seed in range(3) for name in LUCKY]
    assert best_on_average(values, 1) == "steady"
    assert best_on_average(values, -1) == "lucky"
    assert best_on_average(reversed(values), 1) == "twin"
    assert best_on_average([], 1) is None


@pytest.mark.parametrize(("direction", "name"), [("minimize", "steady"), ("maximize", "lucky")])
def test_mlflow_names_the_first_seed_of_the_setting_that_is_best_on_average(direction, name):
    ended = [
        SimpleNamespace(
            trial=SimpleNamespace(setting={"x": setting}, repeat=repeat),
            result=Result("FINISHED", {"eval_loss": value}),
        )
        for repeat in (2, 1, 0)
        for setting, values in LUCKY.items()
        for value in values[repeat : repeat + 1]
    ]
    ended.append(SimpleNamespace(trial=SimpleNamespace(setting={"x": "broken"}, repeat=0), result=Result("FAILED", {})))
    best = best_trial(ended, Config(sweep=SweepConfig(direction=[direction])))
    assert (best.trial.setting["x"], best.trial.repeat) == (name, 0)
    assert best_trial(ended[-1:], Config()) is None
