"""Answers of several settings to the same questions, put together question by question under each seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from macsql.comparison.figures import chosen, title
from macsql.comparison.settings import TriedSetting
from macsql.comparison.statistics import Interval, Unit, paired_bootstrap, student_interval
from macsql.records import Verdict

Weights = Sequence[tuple[TriedSetting, float]]  # 1 and -1 for one setting minus another; they sum to 0


@dataclass(frozen=True)
class Difference:
    """A weighted sum of settings in one figure, with what it is worth."""

    metric: str
    title: str
    questions: int  # answered by all of these settings
    seeds: int
    difference: Interval  # 95 %, over the questions and as many seeds as there are
    by_seed: tuple[float, ...]
    over_seeds: Interval | None  # 95 %, Student's, of their mean; None for one seed

    @property
    def direction(self) -> int:
        """1 or -1 where the questions and, if there are several, the seeds too leave out a difference of 0; else 0."""
        intervals = [self.difference, *([self.over_seeds] if self.over_seeds else [])]
        return all(found.low > 0 for found in intervals) - all(found.high < 0 for found in intervals)


@dataclass(frozen=True)
class Paired:
    """Every seed's questions, in the same order."""

    metric: str
    seeds: list[list[Unit]]

    @property
    def by_seed(self) -> tuple[float, ...]:
        """The difference under each seed."""
        return tuple(sum(total for total, _ in row) / sum(count for _, count in row) for row in self.seeds)

    @property
    def worth(self) -> Difference:
        """The difference over all seeds, with its intervals."""
        by_seed = self.by_seed
        return Difference(
            metric=self.metric,
            title=title(self.metric),
            questions=len(self.seeds[0]),
            seeds=len(self.seeds),
            difference=paired_bootstrap(self.seeds),
            by_seed=by_seed,
            over_seeds=student_interval(by_seed),
        )

    @property
    def signs(self) -> tuple[int, int]:
        """Questions with more right answers, and with fewer."""
        totals = [round(sum(row[place][0] for row in self.seeds), 9) for place in range(len(self.seeds[0]))]
        return sum(total > 0 for total in totals), sum(total < 0 for total in totals)


def paired(weights: Weights, metric: str) -> Paired | None:
    """The settings' answers by question; None where no question was answered by all under a common seed."""
    common = sorted(set.intersection(*(set(setting.repeats) for setting, _ in weights)))
    seeds = [
        [(_by_question(_verdicts(setting, repeat), metric), weight) for setting, weight in weights] for repeat in common
    ]
    if not seeds:
        return None
    shared = set.intersection(*(set(answers) for row in seeds for answers, _ in row))
    units = [{key: _unit([(answers[key], weight) for answers, weight in row]) for key in shared} for row in seeds]
    questions = sorted(key for key in shared if all(found[key][1] for found in units))
    return Paired(metric, [[found[key] for key in questions] for found in units]) if questions else None


def _verdicts(setting: TriedSetting, repeat: int) -> Sequence[Verdict]:
    return next(trial.verdicts for trial in setting.trials if trial.repeat == repeat)


def _by_question(verdicts: Sequence[Verdict], metric: str) -> Mapping[str, dict[str, float]]:
    """Question id -> verdict id -> value."""
    rows: dict[str, dict[str, float]] = {}
    for verdict, value in chosen(verdicts, metric):
        rows.setdefault(verdict.question_id, {})[verdict.id] = value
    return rows


def _unit(answers: Sequence[tuple[Mapping[str, float], float]]) -> Unit:
    """Weighted sum over the answers that all settings gave, and how many these are."""
    everybody = [key for key in answers[0][0] if all(key in given for given, _ in answers)]
    return sum(weight * given[key] for key in everybody for given, weight in answers), len(everybody)
