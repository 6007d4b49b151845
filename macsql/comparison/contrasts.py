"""Each setting against the reference, question by question: how large is the difference, and could it be chance?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from macsql.comparison.figures import chosen, title
from macsql.comparison.settings import Setting
from macsql.comparison.statistics import (
    Interval,
    Unit,
    detectable_difference,
    holm,
    mcnemar,
    paired_bootstrap,
    smallest_discordance,
    student_interval,
    student_p,
)
from macsql.records import Verdict

YES_OR_NO = (
    "selector/accuracy",
    "decomposer/exact_match",
    "decomposer/execution_accuracy",
    "refiner/execution_accuracy",
)
GRADED = ("all/rouge_l", "all/exact_match")  # pooled or graded: an interval, no test of yes against no
MOST_SETTINGS = 12  # that are held against the reference, the first of the plan
ALPHA = 0.05


@dataclass(frozen=True)
class Contrast:
    """One setting minus the reference in one figure."""

    metric: str
    title: str
    setting: str
    reference: str
    questions: int  # answered by both settings
    seeds: int
    difference: Interval  # 95 %, over the questions and as many seeds as there are
    by_seed: tuple[float, ...]
    over_seeds: Interval | None  # 95 %, Student's, of their mean; None for one seed
    better: int = 0  # questions that the setting alone gets right (with several seeds: more often)
    worse: int = 0
    p: float | None = None  # McNemar's exact test over questions, for these very weights; None for graded figures
    p_seeds: float | None = None  # Student's test over the seeds that the difference is 0; None for one seed
    p_holm: float | None = None  # the larger of the two, adjusted for all tests of this comparison
    detectable: float | None = None  # the difference found with 80 % power at this many discordant questions; one seed

    @property
    def direction(self) -> int:
        """1 or -1 where the questions and, if there are several, the seeds too leave out a difference of 0; else 0."""
        intervals = [self.difference, *([self.over_seeds] if self.over_seeds else [])]
        return all(found.low > 0 for found in intervals) - all(found.high < 0 for found in intervals)

    @property
    def apart(self) -> bool:
        """Whether its adjusted p, which is of the questions and of several seeds, leaves out chance."""
        return self.p_holm is not None and self.p_holm <= ALPHA


@dataclass(frozen=True)
class MinimumDetectableDifference:
    """How small a difference this test set can show at all."""

    questions: int
    seeds: int  # answers to each question that a test has; with several a question may change under one of them alone
    tests: int  # that share the error rate
    smallest: float  # share of the answers that must change, all to one side, for p <= 0.05 in one test; at most 1
    smallest_holm: float  # the same where the error rate is shared


def contrasts(settings: Sequence[Setting], reference: Setting) -> list[Contrast]:
    """Every other setting against the reference, for each figure that both have; p-values adjusted together.

    With several seeds a difference has to be seen over the questions and over the seeds: the larger of the two p is
    valid for "not over both" (Berger, 1982, intersection-union tests), and that is what is adjusted.
    """
    others = [setting for setting in settings if setting is not reference][:MOST_SETTINGS]
    found = [
        contrast
        for setting in others
        for metric in (*YES_OR_NO, *GRADED)
        if (contrast := contrast_of(setting, reference, metric)) is not None
    ]
    tested = {
        place: max(contrast.p, contrast.p_seeds or 0.0)
        for place, contrast in enumerate(found)
        if contrast.p is not None
    }
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [replace(contrast, p_holm=adjusted.get(place)) for place, contrast in enumerate(found)]


def contrast_of(setting: Setting, reference: Setting, metric: str) -> Contrast | None:
    """One setting against another in one figure; None where no question was answered by both under a common seed."""
    common = sorted(set(setting.repeats) & set(reference.repeats))
    ours = [_by_question(_verdicts(setting, repeat), metric) for repeat in common]
    theirs = [_by_question(_verdicts(reference, repeat), metric) for repeat in common]
    if not common:
        return None
    pairs = list(zip(ours, theirs, strict=True))
    shared = set.intersection(*(set(one) & set(other) for one, other in pairs))
    questions = sorted(key for key in shared if all(_unit(one[key], other[key])[1] for one, other in pairs))
    if not questions:
        return None
    seeds = [[_unit(one[key], other[key]) for key in questions] for one, other in pairs]
    by_seed = tuple(sum(total for total, _ in row) / sum(count for _, count in row) for row in seeds)
    result = Contrast(
        metric=metric,
        title=title(metric),
        setting=setting.label,
        reference=reference.label,
        questions=len(questions),
        seeds=len(common),
        difference=paired_bootstrap(seeds),
        by_seed=by_seed,
        over_seeds=student_interval(by_seed),
        p_seeds=student_p(by_seed),
    )
    if metric in GRADED:
        return result
    totals = [round(sum(row[place][0] for row in seeds), 9) for place in range(len(questions))]
    better, worse = sum(total > 0 for total in totals), sum(total < 0 for total in totals)
    # With several seeds a question may change under one of them alone: Connor's formula is of one answer each.
    share = (better + worse) / len(questions)
    detectable = detectable_difference(len(questions), share) if len(common) == 1 else None
    return replace(result, better=better, worse=worse, p=mcnemar(better, worse), detectable=detectable)


def minimum_detectable_difference(found: Sequence[Contrast], questions: int) -> MinimumDetectableDifference | None:
    """What the test questions can show, tested as often as `found` does; None without questions.

    `questions` counts where nothing is tested: else it is the test with the most questions, since an agent need not
    have a row for each.
    """
    tested = [contrast for contrast in found if contrast.p is not None]
    questions = max((contrast.questions for contrast in tested), default=questions)
    if not questions:
        return None
    tests = max(1, len(tested))
    seeds = max((contrast.seeds for contrast in found), default=1)
    alone, shared = smallest_discordance(ALPHA), smallest_discordance(ALPHA / tests)
    answers = questions * seeds
    return MinimumDetectableDifference(questions, seeds, tests, min(1.0, alone / answers), min(1.0, shared / answers))


def _verdicts(setting: Setting, repeat: int) -> Sequence[Verdict]:
    return next(trial.verdicts for trial in setting.trials if trial.repeat == repeat)


def _by_question(verdicts: Sequence[Verdict], metric: str) -> Mapping[str, dict[str, float]]:
    """Question id -> verdict id -> value."""
    rows: dict[str, dict[str, float]] = {}
    for verdict, value in chosen(verdicts, metric):
        rows.setdefault(verdict.question_id, {})[verdict.id] = value
    return rows


def _unit(ours: Mapping[str, float], theirs: Mapping[str, float]) -> Unit:
    both = [key for key in ours if key in theirs]
    return sum(ours[key] - theirs[key] for key in both), len(both)
