"""What one must know to read an experiment's figures, in sentences."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from macsql.comparison.contrasts import MOST_SETTINGS, Contrast
from macsql.comparison.figures import title
from macsql.comparison.published import Published, matches
from macsql.comparison.settings import Setting, label, loss_notes
from macsql.records import AGENTS, Agent

if TYPE_CHECKING:
    from macsql.comparison.experiment import MeasuredTrial

UNEQUAL = 1.5  # the largest agent's training rows over the smallest's from which on there is a balance to speak of


def notes(
    known: Published,
    reports: "Sequence[MeasuredTrial]",
    found: Sequence[Setting],
    held: Sequence[Contrast],
    best: Setting | None,
) -> list[str]:
    """What is published of the experiment, told by its trials or seen in its figures; a sentence or two each."""
    lines = [*known.notes, *(note for note in loss_notes(found))]
    lines += dict.fromkeys(
        note for report in reports if report.trial.result is not None for note in report.trial.result.notes
    )
    lines += [*_several(known, found), *_never_stopped(reports)]
    lines += [*_balance(reports), *_shares(reports), *_steps(found), *_kept(best)]
    tests = sum(contrast.p is not None for contrast in held)
    if tests > 1:
        lines.append(
            f"{tests} tests are made at once: the adjusted p (Holm) holds the chance of even one false alarm among "
            "them at 5 %; the intervals are for one figure each."
        )
    lines += _seeds(found)
    if len(found) > MOST_SETTINGS + 1:
        lines.append(f"Of {len(found)} settings the first {MOST_SETTINGS} are tested against the reference.")
    return lines


def _several(known: Published, found: Sequence[Setting]) -> list[str]:
    """That more than one setting could stand beside a figure of the poster."""
    stated = [figure.setting for figure in known.figures if figure.setting is not None]
    if not any(sum(matches(part, setting.point) for setting in found) > 1 for part in stated):
        return []
    objective = title(found[0].trials[0].config.sweep.objectives[0])
    return [
        f"Several settings are what the poster states of a figure: beside it stands the best of them by {objective}."
    ]


def _kept(best: Setting | None) -> list[str]:
    """How much of the schemas the best setting's Selector keeps: one that keeps everything is never wrong."""
    kept = best.figure("selector/compression") if best is not None else None
    if best is None or kept is None:
        return []
    precise = best.figure("selector/column_precision")
    named = f"; of what it names itself, {precise.mean:.0%} is needed (selector/column_precision)" if precise else ""
    return [
        "A Selector that keeps every table whole drops nothing that is needed and is right by the rule of this table, "
        f"each time. The best setting's Selector keeps {kept.mean:.0%} of the columns (selector/compression), which "
        f"includes MAC-SQL's padding of each table to six{named}."
    ]


def _never_stopped(reports: "Sequence[MeasuredTrial]") -> list[str]:
    """That early stopping was asked for and no training ended early."""
    asked = [report for report in reports if report.trial.finished and _patience(report) is not None]
    if not asked or any(map(_stopped_early, asked)):
        return []
    evaluations = max(len(report.curve.evaluations) for report in asked)
    return [
        f"Early stopping (patience {_patience(asked[0])}, {evaluations} evaluations) ended no training: every one went "
        "as it would have gone without."
    ]


def _patience(report: "MeasuredTrial") -> int | None:
    return report.trial.config.trainer.early_stopping_patience


def _stopped_early(report: "MeasuredTrial") -> bool:
    trainer, curve = report.trial.config.trainer, report.curve
    told = [(step, epoch) for step, epoch, _ in curve.training] + [
        (item.step, item.epoch) for item in curve.evaluations
    ]
    step, epoch = max(told, default=(0, 0.0))
    return step < trainer.max_steps if trainer.max_steps > 0 else epoch < trainer.num_train_epochs


def _seeds(found: Sequence[Setting]) -> list[str]:
    """What the seeds that have finished let p and the intervals say."""
    counts = sorted({len(setting.trials) for setting in found})
    if not counts:
        return []
    if counts[-1] == 1:
        return [
            "One seed per setting: the intervals and p values cover the choice of questions for these trained weights, "
            "not the choice of the seed. sweep.repeats=5 adds seeds to this sweep."
        ]
    several = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    return [
        f"{several} seeds per setting: p is a sign test over the questions for these trained weights and says nothing "
        "about other seeds. The adjusted p (Holm) therefore uses the larger of two: this p and that of Student's test "
        "over the seeds. The bootstrap also resamples the seeds, but its interval is too narrow when there are few."
    ]


def _balance(reports: "Sequence[MeasuredTrial]") -> list[str]:
    if len({report.trial.config.mixture.name for report in reports}) < 2:
        return []
    real = next((report.train_rows for report in reports if report.trial.config.mixture.name == "real"), {})
    if not real or max(real.values()) >= UNEQUAL * min(real.values()):
        return []
    return [
        f"The agents' training rows are nearly equal as they are ({_rows(real)}): there is no imbalance to remove here."
    ]


def _shares(reports: "Sequence[MeasuredTrial]") -> list[str]:
    """That pooled figures weigh the agents otherwise than a training did."""
    scored = next((report.trial.verdicts for report in reports if report.trial.verdicts), [])
    tested = Counter(verdict.agent for verdict in scored)
    trained: dict[str, MeasuredTrial] = {}  # a report for each way to take rows
    for report in reports:
        if report.train_rows:
            trained.setdefault(_rows(report.train_rows), report)
    if not any(_differ(report.train_rows, tested) for report in trained.values()):
        return []
    shown = "; ".join(f"{label(report.trial.point)}: {rows}" for rows, report in trained.items())
    return [
        f"Figures of all agents weigh them as the test part has them ({_rows(tested)}), and eval loss as the eval part "
        f"does, whatever a training takes. Rows that an epoch takes: {shown}."
    ]


def _differ(trained: Mapping[Agent, int], tested: Mapping[Agent, int]) -> bool:
    """Whether an agent's share of the one is far from its share of the other."""
    agents = [agent for agent in AGENTS if trained.get(agent) and tested.get(agent)]
    weights = [trained[agent] / tested[agent] for agent in agents]
    return bool(weights) and max(weights) >= UNEQUAL * min(weights)


def _rows(counts: Mapping[Agent, int]) -> str:
    return ", ".join(f"{counts[agent]} {agent}" for agent in AGENTS if counts.get(agent))


def _steps(found: Sequence[Setting]) -> list[str]:
    """That settings were trained for different numbers of steps."""
    steps = {setting.label: setting.steps for setting in found}
    if len(set(steps.values())) < 2:
        return []
    if len(steps) > MOST_SETTINGS:
        return [f"The settings took {min(steps.values())} to {max(steps.values())} optimizer steps."]
    return [f"Optimizer steps: {', '.join(f'{name} {count}' for name, count in steps.items())}."]
