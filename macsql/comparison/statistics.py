"""What a difference between two settings is worth: intervals, tests and the smallest difference that can be seen.

Pure functions on numbers, seeded where they draw. Two settings of a sweep answer the same questions, so their answers
come in pairs: every function here builds on that.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist, fmean, stdev

import numpy as np
from scipy import special

Unit = tuple[float, int]  # one question: sum of the differences of its answers, and how many there are


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval."""

    value: float
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a value lies inside, the ends included."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Spread:
    """Values of the same figure under several seeds."""

    mean: float
    deviation: float | None  # sample standard deviation (n - 1); None for one seed
    lowest: float
    highest: float
    seeds: int


def paired_bootstrap(
    seeds: Sequence[Sequence[Unit]], level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Percentile interval for a mean difference (Efron and Tibshirani, 1993, chapter 13), questions drawn anew.

    `seeds[s][q]` are question q's differences under seed s; every seed has the same questions in the same order. A
    question's answers are drawn together, because they are alike. With several seeds these are drawn too, independently
    of the questions (Owen, 2007, "The pigeonhole bootstrap"). From few seeds the interval is too narrow: of two it
    cannot reach beyond the lower and the higher one, so `student_interval` over the seeds belongs beside it. With one
    seed it says nothing about other seeds. Raises ValueError without questions.
    """
    if not seeds or not any(count for row in seeds for _, count in row):
        raise ValueError("a bootstrap needs at least one question with an answer")
    if len({len(row) for row in seeds}) > 1:
        raise ValueError("every seed needs the same questions")
    totals = np.array([[total for total, _ in row] for row in seeds], dtype=float)
    counts = np.array([[count for _, count in row] for row in seeds], dtype=float)
    questions, rows = _draws(len(seeds[0]), resamples, seed), _draws(len(seeds), resamples, seed + 1)
    sums, sizes = (((questions @ table.T) * rows).sum(axis=1) for table in (totals, counts))
    low, high = np.quantile(sums[sizes > 0] / sizes[sizes > 0], [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(totals.sum() / counts.sum()), float(low), float(high))


@lru_cache(maxsize=8)
def _draws(size: int, resamples: int, seed: int) -> np.ndarray:
    """How often each resample (a row) takes each of `size` things (a column), drawn with replacement.

    The same for every difference of as many questions, which therefore share their draws.
    """
    even = np.full(size, 1 / size)  # a byte is enough: nothing is taken 256 times, on average it is once
    return np.random.default_rng(seed).multinomial(size, even, size=resamples).astype(np.uint8)


def student_interval(values: Sequence[float], level: float = 0.95) -> Interval | None:
    """Interval for the mean of independent values (Student, 1908); None for fewer than two, which show no scatter."""
    if len(values) < 2:
        return None
    reach = student_quantile((1 + level) / 2, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Interval(fmean(values), fmean(values) - reach, fmean(values) + reach)


def student_quantile(share: float, freedom: int) -> float:
    """The value below which `share` of Student's distribution lies, `freedom` its degrees of freedom."""
    return float(special.stdtrit(freedom, share))


def student_p(values: Sequence[float]) -> float | None:
    """Two-sided p of Student's test that the mean of independent values is 0; None for fewer than two."""
    if len(values) < 2:
        return None
    middle, error = fmean(values), stdev(values) / math.sqrt(len(values))
    if error == 0:
        return 1.0 if middle == 0 else 0.0
    return 2 * float(special.stdtr(len(values) - 1, -abs(middle) / error))


def mcnemar(better: int, worse: int) -> float:
    """Two-sided exact p of McNemar's test (1947): the discordant pairs as throws of a fair coin.

    `better` and `worse` count the questions that one setting alone, or the other alone, gets right. With means over
    several seeds, counting the signs of the differences, it is the sign test (Dixon and Mood, 1946), for these seeds.
    """
    return min(1.0, 2 * float(special.bdtr(min(better, worse), better + worse, 0.5)))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number (Holm, 1979), in the order given: step down, never above 1, never falling."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def exact_interval(successes: int, trials: int, level: float = 0.95) -> Interval:
    """A share with its exact interval (Clopper and Pearson, 1934). Raises ValueError without trials."""
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"{successes} of {trials} is not a share")
    tail = (1 - level) / 2
    low = float(special.betaincinv(successes, trials - successes + 1, tail)) if successes else 0.0
    high = float(special.betaincinv(successes + 1, trials - successes, 1 - tail)) if successes < trials else 1.0
    return Interval(successes / trials, low, high)


def smallest_discordance(alpha: float) -> int:
    """How many questions must differ, all in the same direction, for McNemar's exact p to come down to `alpha`."""
    return math.ceil(round(1 - math.log2(alpha), 9))  # 2 / 2**d <= alpha


def detectable_difference(questions: int, discordant: float, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """The smallest true difference of two shares that McNemar's test finds with probability `power`, at least a half.

    `discordant` is the share of questions on which the settings differ. Connor (1987): n d**2 = (z(1 - alpha/2)
    sqrt(psi) + z(power) sqrt(psi - d**2))**2, a quadratic equation in d. None where not even all of `discordant` in one
    direction would do.
    """
    if questions < 1 or not 0 < discordant <= 1:
        return None
    significance, strength = NormalDist().inv_cdf(1 - alpha / 2), NormalDist().inv_cdf(power)
    inside = strength**2 * (questions - significance**2 + strength**2)
    if inside < 0:
        return None
    root = (significance * math.sqrt(questions) + math.sqrt(inside)) * math.sqrt(discordant) / (questions + strength**2)
    return root if root <= discordant else None


def spread(values: Sequence[float]) -> Spread:
    """Mean and scatter of a figure over seeds. Raises ValueError without values."""
    if not values:
        raise ValueError("no values")
    deviation = stdev(values) if len(values) > 1 else None
    return Spread(fmean(values), deviation, min(values), max(values), len(values))
