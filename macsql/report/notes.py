"""What one must know to read an experiment's figures, in sentences."""

from collections import Counter
from collections.abc import Mapping, Sequence

from macsql.comparison.contrasts import MOST_SETTINGS, MinimumDetectableDifference
from macsql.comparison.experiment import Comparison
from macsql.comparison.figures import title
from macsql.comparison.measured import MeasuredTrial
from macsql.comparison.published import matches
from macsql.comparison.settings import TriedSetting, label, losses_comparable, mixtures_differ
from macsql.records import AGENTS, Agent

UNEQUAL = 1.5  # the largest agent's training rows over the smallest's from which on there is a balance to speak of
READING = (  # which figures the tables show, and why
    "EX is the strict reading of Spider's execution score (execution_accuracy): it judges as the official evaluator "
    "does, so it compares with published figures.",
    "The table of answers counts by the fixed reading (execution_accuracy_fixed), which corrects plain faults of that "
    "evaluator, because this table asks whether an answer is right.",
    "EM (string) compares the whole answer as a string. Spider EM is the exact set match of Spider's evaluator and is "
    "of the Decomposer's SQL alone.",
    "Over all agents, EM (string) and ROUGE-L pool three agents, but EX pools two: a Selector's answer is no SQL.",
)


def notes(comparison: Comparison) -> list[str]:
    """What is published of the experiment, told by its trials or seen in its figures; a sentence or two each."""
    settings, trials = comparison.settings, comparison.trials
    told = [note for each in trials if each.trial.result is not None for note in each.trial.result.notes]
    return [
        *comparison.published.notes,
        *loss_notes(settings),
        *dict.fromkeys(told),
        *_several(comparison),
        *_never_stopped(trials),
        *_balance(trials),
        *_shares(trials),
        *_steps(settings),
        *_kept(comparison.best_setting),
        *_tests(comparison),
        *_seeds(settings),
        *_left_out(comparison),
    ]


def loss_notes(settings: Sequence[TriedSetting]) -> list[str]:
    """Which losses of the settings may be compared, in sentences."""
    lines = []
    if mixtures_differ(settings):
        others = " Their evaluation losses do: every setting is evaluated on the same rows, which no mixture changes."
        lines.append(
            "The settings train on different mixtures, so their training losses are of different rows and do not "
            f"compare.{others if losses_comparable(settings) else ''}"
        )
    if not losses_comparable(settings):
        lines.append(
            "The settings read or write different texts, so a loss per token of one says nothing about that of "
            "another. Compare EX, which looks at the rows that the SQL returns."
        )
    return lines


def minimum_in_words(minimum: MinimumDetectableDifference) -> str:
    """How small a difference the test questions can show, in a sentence."""
    questions = f"{minimum.questions} test question{'s' if minimum.questions != 1 else ''}"
    shared = f", and {minimum.smallest_holm:.1%} for one of {minimum.tests} tests" if minimum.tests > 1 else ""
    return (
        f"Minimum detectable difference with {questions}: {minimum.smallest:.1%} in one test (McNemar, 5 %){shared}. "
        "No smaller difference can be significant here."
    )


def reading(comparison: Comparison) -> list[str]:
    """What the columns of the tables mean, where it is not plain."""
    known = {name.rpartition("/")[2] for each in comparison.trials for name in each.figures}
    return list(READING) if "execution_accuracy" in known else list(READING[2:3])


def _tests(comparison: Comparison) -> list[str]:
    lines, tests = [], sum(contrast.p is not None for contrast in comparison.contrasts)
    if tests > 1:
        lines.append(
            f"{tests} tests are made at once. The adjusted p (Holm) keeps the chance of even one false alarm among "
            "them at 5 %; each interval is for one figure alone."
        )
    if len(comparison.settings) > MOST_SETTINGS + 1:
        lines.append(
            f"Of {len(comparison.settings)} settings the first {MOST_SETTINGS} are tested against the reference."
        )
    return lines


def _several(comparison: Comparison) -> list[str]:
    """That more than one setting could stand beside a figure of the poster."""
    stated = [figure.setting for figure in comparison.published.figures if figure.setting is not None]
    found = comparison.settings
    if not any(sum(matches(part, setting.values) for setting in found) > 1 for part in stated):
        return []
    objective = title(found[0].trials[0].config.sweep.objectives[0])
    return [f"Several settings match what the poster states of a figure: the best of them by {objective} is shown."]


def _kept(best: TriedSetting | None) -> list[str]:
    """How much of the schemas the best setting's Selector keeps: one that keeps everything is never wrong."""
    kept = best.figure("selector/compression") if best is not None else None
    if best is None or kept is None:
        return []
    precise = best.figure("selector/column_precision")
    named = (
        f" Of the columns that it names itself, {precise.mean:.0%} are needed (selector/column_precision)."
        if precise
        else ""
    )
    return [
        "A Selector that keeps every table whole drops nothing that is needed and always counts as right here. The "
        f"best setting's Selector keeps {kept.mean:.0%} of the columns (selector/compression), which includes "
        f"MAC-SQL's padding of each table to six.{named}"
    ]


def _never_stopped(trials: Sequence[MeasuredTrial]) -> list[str]:
    """That early stopping was asked for and no training ended early."""
    asked = [each for each in trials if each.trial.finished and _patience(each) is not None]
    if not asked or any(map(_stopped_early, asked)):
        return []
    evaluations = max(len(each.curve.evaluations) for each in asked)
    return [
        f"Early stopping (patience {_patience(asked[0])}, {evaluations} evaluations) ended no training: the results "
        "are the same as without it."
    ]


def _patience(each: MeasuredTrial) -> int | None:
    return each.trial.config.trainer.early_stopping_patience


def _stopped_early(each: MeasuredTrial) -> bool:
    trainer, curve = each.trial.config.trainer, each.curve
    told = [(step, epoch) for step, epoch, _ in curve.training] + [
        (item.step, item.epoch) for item in curve.evaluations
    ]
    step, epoch = max(told, default=(0, 0.0))
    return step < trainer.max_steps if trainer.max_steps > 0 else epoch < trainer.num_train_epochs


def _seeds(settings: Sequence[TriedSetting]) -> list[str]:
    """What the seeds that have finished let p and the intervals say."""
    counts = sorted({len(setting.trials) for setting in settings})
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
        "over the seeds. The bootstrap also draws seeds, but its interval is too narrow when there are few."
    ]


def _balance(trials: Sequence[MeasuredTrial]) -> list[str]:
    if len({each.trial.config.mixture.name for each in trials}) < 2:
        return []
    real = next((each.train_rows for each in trials if each.trial.config.mixture.name == "real"), {})
    if not real or max(real.values()) >= UNEQUAL * min(real.values()):
        return []
    return [
        f"The agents' training rows are nearly equal as they are ({_rows(real)}): there is no imbalance to remove here."
    ]


def _shares(trials: Sequence[MeasuredTrial]) -> list[str]:
    """That pooled figures weigh the agents otherwise than a training did."""
    scored = next((each.trial.verdicts for each in trials if each.trial.verdicts), [])
    tested = Counter(verdict.agent for verdict in scored)
    trained: dict[str, MeasuredTrial] = {}  # a trial for each way to take rows
    for each in trials:
        if each.train_rows:
            trained.setdefault(_rows(each.train_rows), each)
    if not any(_differ(each.train_rows, tested) for each in trained.values()):
        return []
    shown = "; ".join(f"{label(each.trial.setting)}: {rows}" for rows, each in trained.items())
    return [
        f"Figures of all agents weigh the agents as the test part does ({_rows(tested)}), and eval loss weighs them as "
        f"the eval part does, whatever the training took. Training rows per epoch: {shown}."
    ]


def _differ(trained: Mapping[Agent, int], tested: Mapping[Agent, int]) -> bool:
    """Whether an agent's share of the one is far from its share of the other."""
    agents = [agent for agent in AGENTS if trained.get(agent) and tested.get(agent)]
    weights = [trained[agent] / tested[agent] for agent in agents]
    return bool(weights) and max(weights) >= UNEQUAL * min(weights)


def _rows(counts: Mapping[Agent, int]) -> str:
    return ", ".join(f"{counts[agent]} {agent}" for agent in AGENTS if counts.get(agent))


def _steps(settings: Sequence[TriedSetting]) -> list[str]:
    """That settings were trained for different numbers of steps."""
    steps = {setting.label: setting.steps for setting in settings}
    if len(set(steps.values())) < 2:
        return []
    if len(steps) > MOST_SETTINGS:
        return [f"The settings took {min(steps.values())} to {max(steps.values())} optimizer steps."]
    return [f"Optimizer steps: {', '.join(f'{name} {count}' for name, count in steps.items())}."]


def _left_out(comparison: Comparison) -> list[str]:
    """That trials of the same name are of another study."""
    others = comparison.left_out
    if not others:
        return []
    shown = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
    return [
        f"Left out, because they belong to an earlier study of this name or were tried again since: {len(others)} "
        f"({shown})."
    ]
