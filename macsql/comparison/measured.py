"""A sweep's trials with what was measured: figures derived again from what is stored, losses, rows trained on."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from macsql.comparison.collect import StoredTrial
from macsql.comparison.figures import Curve, curve, figures
from macsql.records import AGENTS, Agent
from macsql.training.mixture import epoch_indices


@dataclass(frozen=True)
class MeasuredTrial:
    """One trial: what was asked, what came out, how its losses ran."""

    trial: StoredTrial
    figures: dict[str, float]  # derived from what is stored; empty where it has not been scored
    curve: Curve
    train_rows: dict[Agent, int]  # per epoch, as the mixture gives them; empty where the examples are gone


def measured(trials: Sequence[StoredTrial]) -> list[MeasuredTrial]:
    """Every trial with its figures, in the same order."""
    found, known = [], {}  # rows that a mixture takes, counted once for all trials that share it
    for trial in trials:
        trainer, mixture = trial.config.trainer, trial.config.mixture
        batch = trainer.rows_per_step
        shared = repr((trial.prepared, mixture, batch))
        if shared not in known:
            known[shared] = _train_rows(trial, batch)
        told = curve(trial.events)
        rows = {f"{agent}/train_rows": float(count) for agent, count in known[shared].items()}
        found.append(MeasuredTrial(trial, figures(trial, told) | rows, told, known[shared]))
    return found


def _train_rows(trial: StoredTrial, batch: int) -> dict[Agent, int]:
    counts = trial.examples.about["counts"].get("train", {}) if trial.examples is not None else {}
    rows = [agent for agent in AGENTS for _ in range(counts.get(agent, 0))]
    taken = Counter(rows[index] for index in epoch_indices(rows, trial.config.mixture, 0, batch)) if rows else Counter()
    return {agent: taken[agent] for agent in AGENTS if taken[agent]}
