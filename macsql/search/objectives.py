"""What a sweep may call its objective, known before the first trial."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields

from macsql.config import Config, flatten
from macsql.errors import UserError
from macsql.records import AGENTS, Agent

PRUNERS = ("none", "median")
LOSSES = ("eval_loss", "train_loss")
SAME_TARGETS = (  # keys, or the beginnings of keys, that decide which targets a loss is of, in which tokens
    "data.",
    "agents.",
    "codec.",
    *("model.name", "model.path", "model.hub_id", "model.pocket.vocab_size", "model.max_target_length"),
    "trainer.label_smoothing_factor",
)


def check_pruner(pruner: str, objectives: int) -> None:
    """Raise UserError if the pruner is unknown or cannot handle several objectives."""
    if pruner not in PRUNERS:
        raise UserError(f"search.pruner={pruner}: choose one of {', '.join(PRUNERS)}.")
    if pruner != "none" and objectives > 1:
        raise UserError(f"search.pruner={pruner} handles one objective, and sweep.metric names {objectives}: use none.")


def check_objectives(config: Config) -> None:
    """Raise UserError where sweep.metric and sweep.direction do not fit each other, or what a trial measures."""
    sweep, trainer = config.sweep, config.trainer
    if not sweep.metric:
        raise UserError("sweep.metric names no objective: write for example [eval_loss].")
    if len(sweep.metric) != len(sweep.direction):
        raise UserError(
            f"sweep.metric names {len(sweep.metric)} objectives, sweep.direction {len(sweep.direction)}: "
            "each objective needs its direction."
        )
    if len(set(sweep.metric)) < len(sweep.metric):
        raise UserError(f"sweep.metric names an objective twice: {', '.join(sweep.metric)}.")
    evaluated = trainer.metric_for_best_model
    for metric in sweep.metric:
        if metric == evaluated and trainer.eval_strategy == "no":
            raise UserError(f"sweep.metric={metric} is not measured with trainer.eval_strategy=no: use epoch or steps.")
        if metric not in {"train_loss", evaluated} and not _of_an_agent(metric, config.agents.roles):
            raise UserError(
                f"sweep.metric={metric} is measured by no trial: choose {evaluated}, train_loss or <agent>/<metric>, "
                f"as in decomposer/execution_accuracy{_known(metric, config.agents.roles)}."
            )
    if config.search.pruner != "none" and sweep.metric[0] != evaluated:
        raise UserError(
            f"search.pruner={config.search.pruner} looks at {evaluated} during training, and sweep.metric is "
            f"{sweep.metric[0]}: use search.pruner=none, or sweep.metric=[{evaluated}]."
        )


def check_losses(configs: Sequence[Config], samples: bool) -> str:
    """A warning where the trials' objective is a loss that does not compare between them; else nothing.

    Raises UserError where a sampler or a pruner would go by it.
    """
    config = configs[0]
    acts = [f"search={config.search.sampler}"] if samples and config.search.sampler != "random" else []
    acts += [f"search.pruner={config.search.pruner}"] if config.search.pruner != "none" else []
    losses = [metric for metric in config.sweep.metric if metric in LOSSES]
    keys = differing(configs, SAME_TARGETS)
    if not losses or not keys:
        return ""
    said = (
        f"{losses[0]} does not compare between trials that differ in {', '.join(keys)}: their targets or tokens are "
        "not the same"
    )
    instead = "sweep.metric=[decomposer/execution_accuracy] sweep.direction=[maximize]"
    if acts:
        raise UserError(f"{said}, and {' and '.join(acts)} would go by it; set {instead}.")
    return f"{said}, so the best trial by it means nothing; set {instead}."


def differing(configs: Iterable[Config], prefixes: tuple[str, ...]) -> list[str]:
    """The dotted keys with one of the beginnings whose values are not the same in all configurations."""
    values: dict[str, set[str]] = {}
    trees = [flatten(config) for config in configs]
    for key in dict.fromkeys(key for tree in trees for key in tree if key.startswith(prefixes)):
        values[key] = {json.dumps(tree.get(key), default=str) for tree in trees}
    return [key for key, found in values.items() if len(found) > 1]


def agent_metrics(agent: Agent) -> list[str]:
    """The names that macsql.metrics gives an agent's figures, without the agent."""
    from macsql.metrics.decomposer import DecomposerScores
    from macsql.metrics.refiner import RefinerScores
    from macsql.metrics.selector import SelectorScores
    from macsql.metrics.taxonomy import SELECTOR_OUTCOMES, SQL_OUTCOMES

    scores = {"selector": SelectorScores, "decomposer": DecomposerScores, "refiner": RefinerScores}[agent]
    words = SELECTOR_OUTCOMES if agent == "selector" else SQL_OUTCOMES
    own = ["spider_em_gold_errors"] if agent == "decomposer" else []
    return [
        *("rouge_l", "exact_match", "truncated", "count", "gold_errors"),
        *own,
        *(item.name for item in fields(scores)),
        *(f"outcome/{word.key}" for word in words),
    ]


def _of_an_agent(metric: str, roles: Sequence[str]) -> bool:
    agent, _, name = metric.partition("/")
    return agent in roles and any(agent == known and name in agent_metrics(known) for known in AGENTS)


def _known(metric: str, roles: Sequence[str]) -> str:
    """The names of the agent that the metric speaks of, for the sentence."""
    agent = metric.partition("/")[0]
    for known in AGENTS:
        if known == agent and agent in roles:
            return f"; the {agent} has {', '.join(agent_metrics(known))}"
    return ""
