"""What a sweep may be judged by, refused before it costs anything."""

import dataclasses

import pytest
from omegaconf import OmegaConf

from macsql.config import validate
from macsql.errors import UserError
from macsql.metrics import summary
from macsql.metrics.taxonomy import AnswerOutcome
from macsql.records import AGENTS, Verdict
from macsql.search.objectives import agent_metrics, check_losses, check_objectives


def config(metric, direction=("minimize",), pruner="none", **trainer):
    return validate(
        OmegaConf.create(
            {
                "data": {"format": "pocket"},
                "agents": {"style": "brief", "roles": ["selector", "decomposer"]},
                "codec": {"name": "marks"},
                "mixture": {"name": "real"},
                "model": {"name": "pocket"},
                "trainer": trainer,
                "search": {"sampler": "grid", "pruner": pruner},
                "executor": {"name": "local"},
                "sweep": {"metric": list(metric), "direction": list(direction)},
            }
        )
    )


@pytest.mark.parametrize("metric", ["eval_loss", "train_loss", "decomposer/execution_accuracy", "selector/rouge_l"])
def test_what_is_measured_may_be_an_objective(metric):
    check_objectives(config([metric]))
    with pytest.raises(UserError, match=f"sweep.metric={metric}x"):
        check_objectives(config([f"{metric}x"]))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (config([], []), "names no objective"),
        (config(["eval_loss"], []), "sweep.metric names 1 objectives, sweep.direction 0"),
        (config(["eval_loss"] * 2, ["minimize"] * 2), "twice"),
        (config(["accuracy"]), "sweep.metric=accuracy is measured by no trial"),
        (config(["decomposer/acuracy"]), "the decomposer has rouge_l"),
        (config(["refiner/rouge_l"]), "sweep.metric=refiner/rouge_l"),
        (config(["eval_loss"], eval_strategy="no"), "trainer.eval_strategy=no"),
        (config(["train_loss"], pruner="median"), "search.pruner=median"),
    ],
)
def test_what_is_not_measured_is_refused(wrong, words):
    with pytest.raises(UserError, match=words):
        check_objectives(wrong)


@pytest.mark.parametrize("agent", AGENTS)
def test_the_names_are_those_that_scoring_gives(agent):
    from macsql.metrics import decomposer, refiner, selector

    kinds = {
        "selector": selector.SelectorScores,
        "decomposer": decomposer.DecomposerScores,
        "refiner": refiner.RefinerScores,
    }
    scores = {"rouge_l": 1.0, "exact_match": 1.0, "truncated": 0.0}
    scores |= {item.name: 1.0 for item in dataclasses.fields(kinds[agent])}
    verdict = Verdict("1", agent, "q", "d", AnswerOutcome.GOLD_ERROR.value, scores)
    assert set(summary([verdict])) == {f"{agent}/{name}" for name in agent_metrics(agent)}


def other(config, **model):
    return dataclasses.replace(config, model=dataclasses.replace(config.model, **model))


def test_losses_of_two_tokenizers_do_not_compare():
    """A grid is warned; a sampler and a pruner would go by the loss, and are refused."""
    one = config(["eval_loss"])
    one = dataclasses.replace(one, search=dataclasses.replace(one.search, sampler="tpe"))
    two = other(one, name="smollm2", path="somewhere")
    said = check_losses([one, two], samples=False)
    assert said.startswith("eval_loss does not compare between trials that differ in model.name, model.path: ")
    assert "set sweep.metric=[decomposer/execution_accuracy] sweep.direction=[maximize]" in said
    with pytest.raises(UserError, match=r"^eval_loss does not compare .*, and search=tpe would go by it; set sweep"):
        check_losses([one, two], samples=True)
    pruned = config(["eval_loss"], pruner="median")
    with pytest.raises(UserError, match=r"search\.pruner=median would go by it"):
        check_losses([pruned, other(pruned, name="smollm2")], samples=False)


def test_losses_that_compare_and_objectives_that_are_none():
    one = config(["eval_loss"])
    assert check_losses([one, dataclasses.replace(one, seed=3)], samples=True) == ""
    assert check_losses([one, other(one, lora=dataclasses.replace(one.model.lora, r=4))], samples=True) == ""
    right = config(["decomposer/execution_accuracy"], ["maximize"])
    assert check_losses([right, other(right, name="smollm2")], samples=True) == ""
