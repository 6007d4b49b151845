"""What a sweep may call its objective, known before the first trial."""

from collections.abc import Sequence
from dataclasses import fields

from macsql.config import Config
from macsql.errors import UserError
from macsql.records import AGENTS, Agent

PRUNERS = ("none", "median")


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
