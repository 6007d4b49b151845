"""The trials and the settings with their figures, and every trial with all that is known of it."""

import math
from collections.abc import Sequence

from macsql.comparison.experiment import Comparison
from macsql.comparison.figures import LAST, WHOSE, heading, title
from macsql.comparison.measured import MeasuredTrial
from macsql.comparison.settings import TriedSetting, losses_comparable
from macsql.report.table import Cell, Column, Nature, Row, Table, figure, text

SCORES = {  # of the trials' tables, in their order
    "all": ("rouge_l", "exact_match", "execution_accuracy"),
    "decomposer": ("rouge_l", "exact_match", "spider_em", "execution_accuracy"),
    "selector": ("rouge_l", "exact_match", "accuracy"),
    "refiner": ("rouge_l", "exact_match", "execution_accuracy"),
}
COLUMNS = {  # group -> figure -> heading
    "loss": {f"{kind}_loss": heading(f"{kind}_loss").removesuffix(" loss") for kind in ("eval", "train")},
    **{WHOSE[whose]: {f"{whose}/{name}": heading(name) for name in names} for whose, names in SCORES.items()},
}
OBJECTIVE = "objective"  # the group of what the sweep was decided by, where that is none of the above
IN_SHORT = ("all/rouge_l", "all/exact_match", "all/execution_accuracy", "decomposer/execution_accuracy", "eval_loss")
# No key of a search space, which may be `data` or `model`, has any of these names.
ABOUT = ("data_format", "data_fingerprint", "model_name", "scale", "machine", "code", "command", "notes")


def trials_table(comparison: Comparison, most: int | None = None) -> Table:
    """A row per trial; with `most`, the best of them by the first objective."""
    figures = figure_columns(comparison)
    kept = list(comparison.trials)
    if most is not None and len(kept) > most:
        kept = sorted(kept, key=lambda each: _worth(comparison, each))[:most]
    rows = [
        Row(
            (
                text(each.trial.label, "" if each.trial.finished else f"({each.trial.state})"),
                *(figure(each.figures.get(column.key)) for column in figures),
            ),
            best=in_best_setting(comparison, each),
        )
        for each in kept
    ]
    others = len(comparison.trials) - len(kept)
    caption = f"Best by {title(objectives(comparison)[0])}{', as a mean over seeds' if _several(comparison) else ''}. "
    caption += f"Train loss is the mean of the last {LAST} logged ones."
    if not losses_comparable(comparison.settings):
        caption += " Losses do not compare from setting to setting."
    if others:
        caption += f" {others} other trials are not shown, none of them better: see results.csv."
    return Table("trials", "Trials", (Column("trial", "trial", Nature.LABEL), *figures), tuple(rows), caption)


def settings_table(comparison: Comparison) -> Table:
    """A row per setting: the mean of each figure over its seeds, with the standard deviation."""
    figures = figure_columns(comparison)
    rows = [
        Row(
            (text(setting.label), figure(len(setting.trials)), *(_mean(setting, column.key) for column in figures)),
            best=setting is comparison.best_setting,
        )
        for setting in comparison.settings
    ]
    columns = (Column("setting", "setting", Nature.LABEL), Column("seeds", "seeds"), *figures)
    caption = "Mean and standard deviation over seeds." if _several(comparison) else ""
    return Table("settings", "Settings", columns, tuple(rows), caption)


def settings_in_short(comparison: Comparison) -> Table:
    """The settings with the figures that a README has room for, each under its whole name."""
    names = [*objectives(comparison), *IN_SHORT]
    if not losses_comparable(comparison.settings):
        names.remove("eval_loss")
    whole = settings_table(comparison).only(["setting", "seeds", *names])
    columns = [
        column if column.key in ("setting", "seeds") else Column(column.key, title(column.key))
        for column in whole.columns
    ]
    best = title(objectives(comparison)[0])
    return Table("settings", f"Every setting; the best one by {best} has a star", tuple(columns), whole.rows)


def results_table(comparison: Comparison) -> Table:
    """A row per trial: what was asked, by what command, on what; how it ended; every figure, derived again."""
    keys = sorted({key for each in comparison.trials for key in each.trial.setting} - {"seed"})  # which has a column
    names = sorted({name for each in comparison.trials for name in each.figures})
    heads = ["trial", "repeat", "seed", *keys, "status", "reason", "steps", "seconds", *ABOUT, *names]
    rows = [_result(each, keys, names) for each in comparison.trials]
    return Table("results", "Results", tuple(Column(head, head) for head in heads), tuple(rows))


def figure_columns(comparison: Comparison) -> list[Column]:
    """The figures of COLUMNS that some trial has; what the sweep was decided by comes first."""
    known = {name for each in comparison.trials for name in each.figures}
    usual = {name for group in COLUMNS.values() for name in group}
    own = {name: title(name) for name in objectives(comparison) if name not in usual}
    groups = {OBJECTIVE: own, **COLUMNS}
    return [
        Column(key, heading, group=group, optional=True)
        for group, words in groups.items()
        for key, heading in words.items()
        if key in known
    ]


def objectives(comparison: Comparison) -> list[str]:
    """The figures that the sweep optimises; the first one names the best setting."""
    return comparison.trials[0].trial.config.sweep.objectives


def in_best_setting(comparison: Comparison, each: MeasuredTrial) -> bool:
    """Whether a trial is one of the best setting's seeds."""
    best = comparison.best_setting
    return best is not None and any(each.trial is trial for trial in best.trials)


def _several(comparison: Comparison) -> bool:
    return any(len(setting.trials) > 1 for setting in comparison.settings)


def _mean(setting: TriedSetting, metric: str) -> Cell:
    found = setting.figure(metric)
    if found is None:
        return figure(None)
    return figure(found.mean, f"±{found.deviation:.3f}" if found.deviation is not None else "")


def _worth(comparison: Comparison, each: MeasuredTrial) -> float:
    value = each.figures.get(objectives(comparison)[0])
    sign = each.trial.config.sweep.sign()
    return math.inf if value is None or not each.trial.finished else sign * value


def _result(each: MeasuredTrial, keys: Sequence[str], names: Sequence[str]) -> Row:
    trial, result, config = each.trial, each.trial.result, each.trial.config
    ended = [result.reason, result.steps, result.seconds] if result else [None] * 3
    about = [config.data.format, trial.fingerprint, trial.model, config.scale.name, trial.machine, trial.code]
    values = [
        *(trial.key, trial.repeat, config.seed),
        *(trial.setting.get(key) for key in keys),
        *(trial.state, *ended, *about, trial.command, " ".join(result.notes) if result else ""),
        *(each.figures.get(name) for name in names),
    ]
    return Row(tuple(Cell(value) for value in values))
