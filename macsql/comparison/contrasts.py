"""Each setting against the reference, question by question: how large is the difference, and could it be chance?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from macsql.comparison.paired import Difference, paired
from macsql.comparison.settings import TriedSetting
from macsql.comparison.statistics import detectable_difference, holm, mcnemar, smallest_discordance, student_p

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
class Contrast(Difference):
    """One setting minus the reference in one figure."""

    setting: str
    reference: str
    better: int = 0  # questions that the setting alone gets right (with several seeds: more often)
    worse: int = 0
    p: float | None = None  # McNemar's exact test over questions, for these very weights; None for graded figures
    p_seeds: float | None = None  # Student's test over the seeds that the difference is 0; None for one seed
    p_holm: float | None = None  # the larger of the two, adjusted for all tests of this comparison
    detectable: float | None = None  # the difference found with 80 % power at this many discordant questions; one seed

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


def contrasts(settings: Sequence[TriedSetting], reference: TriedSetting) -> list[Contrast]:
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


def contrast_of(setting: TriedSetting, reference: TriedSetting, metric: str) -> Contrast | None:
    """One setting against another in one figure; None where no question was answered by both under a common seed."""
    pairs = paired([(setting, 1.0), (reference, -1.0)], metric)
    if pairs is None:
        return None
    worth = pairs.worth
    result = Contrast(**vars(worth), setting=setting.label, reference=reference.label, p_seeds=student_p(worth.by_seed))
    if metric in GRADED:
        return result
    better, worse = pairs.signs
    # With several seeds a question may change under one of them alone: Connor's formula is of one answer each.
    share = (better + worse) / worth.questions
    detectable = detectable_difference(worth.questions, share) if worth.seeds == 1 else None
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
