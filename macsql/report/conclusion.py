"""What an experiment says, in one sentence, beside what the poster says."""

from collections.abc import Sequence

from macsql.comparison.contrasts import Contrast
from macsql.comparison.experiment import Comparison
from macsql.comparison.figures import WHOSE, title
from macsql.comparison.settings import Setting, label
from macsql.comparison.statistics import Interval, exact_interval

FEWEST = 20  # questions from which on an interval made of them by drawing anew is to be believed
SHOWN = ("all/execution_accuracy", "all/rouge_l", "all/exact_match")


def poster_in_words(comparison: Comparison) -> str:
    """The poster's figures in a line: "ROUGE-L 0.354 (mixture=real), 0.19 (mixture=undersample); EM 0"."""
    groups: dict[str, list[str]] = {}
    for figure in comparison.published.figures:
        place = f" ({label(figure.setting)})" if figure.setting else ""
        groups.setdefault(title(figure.metric).replace(", all agents", ""), []).append(f"{figure.printed}{place}")
    words = [f"{name} {', '.join(dict.fromkeys(values))}" for name, values in groups.items()]
    return "; ".join(words) or "no such experiment"


def ours_in_words(comparison: Comparison) -> str:
    """Our figures for the same, in the same order."""
    if comparison.answers and all(row.poster for row in comparison.answers):
        said = "; ".join(
            f"{WHOSE[row.agent]} {row.correct} of {row.correct + row.incorrect}" for row in comparison.answers
        )
        return f"{said}{_answered_by(comparison)}"
    groups: dict[str, list[str]] = {}
    for row in comparison.rows:
        if row.ours.value is not None:
            groups.setdefault(row.title.replace(", all agents", ""), []).append(
                f"{row.ours.value:.3g} ({row.ours.note})"
            )
    if not groups and comparison.best_setting is not None:
        for setting in comparison.settings:
            for metric in SHOWN:
                if (found := setting.figure(metric)) is not None:
                    groups.setdefault(title(metric).replace(", all agents", ""), []).append(
                        f"{found.mean:.3g} ({setting.label})"
                    )
    return "; ".join(f"{name} {', '.join(dict.fromkeys(values))}" for name, values in groups.items()) or "not run"


def conclusion(comparison: Comparison) -> str:
    """One sentence, and a second where the sweep is not whole.

    It never speaks of the poster's own model where ours is another.
    """
    progress = f" {comparison.progress}." if comparison.progress else ""
    return f"{_outcome(comparison)}{progress}"


def _outcome(comparison: Comparison) -> str:
    claim = comparison.published.claim
    if claim is not None:
        if comparison.claim is None:
            return f"Not decided whether {claim.words}: one of the two settings has not finished."
        decided = f"{_decided(comparison.claim, claim.words, claim.by)}{_steps(comparison, comparison.claim)}"
        return f"{decided}{_elsewhere(comparison)}."
    if comparison.answers and all(row.poster for row in comparison.answers):
        shares = ", ".join(
            f"{WHOSE[row.agent]} {row.accuracy.value:.0%} ({row.accuracy.low:.0%} to {row.accuracy.high:.0%})"
            for row in comparison.answers
            if row.accuracy
        )
        answered = f"{shares}{_answered_by(comparison)}"
        return f"Right over the whole test set: {answered}; {_fits(comparison)}{_elsewhere(comparison)}."
    if comparison.best_setting is None:
        return "Not decided: no trial has finished."
    return f"{_best(comparison.best_setting)}{_others(comparison)}{_elsewhere(comparison)}."


def _fits(comparison: Comparison) -> str:
    """Which of our shares the poster's two answers an agent leave possible, by the exact intervals of both."""
    upper = exact_interval(0, 2).high
    judged = [(WHOSE[row.agent], row.accuracy.low <= upper) for row in comparison.answers if row.accuracy]
    inside, outside = ([name for name, fits in judged if fits is wanted] for wanted in (True, False))
    words = f"the poster's 0 of 2 fits anything up to {upper:.0%}"
    if not judged:
        return words
    if not outside:
        return f"{words}, and so all of these"
    return (
        f"{words}, and so {_listed(inside)}, but not {_listed(outside)}" if inside else f"{words}, and so none of these"
    )


def _in_brief(contrast: Contrast) -> str:
    """A figure in a list of such: "Decomposer EX"."""
    agent = WHOSE[contrast.metric.partition("/")[0]]
    return f"{agent} {contrast.title.removesuffix(f', {agent}')}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _best(setting: Setting) -> str:
    """The setting that won, by what and with which value."""
    seeds = f", mean of {len(setting.trials)} seeds" if len(setting.trials) > 1 else ""
    value = "" if setting.objective is None else f" ({setting.objective:.3f}{seeds})"
    return f"Best by {title(setting.trials[0].config.sweep.objectives[0])}: {setting.label}{value}"


def _answered_by(comparison: Comparison) -> str:
    return f" ({comparison.answered_by})" if comparison.answered_by else ""


def _others(comparison: Comparison) -> str:
    """How many of the other points are worse or better than the reference, in which figures and by more than what."""
    settings = dict.fromkeys(contrast.setting for contrast in comparison.contrasts)
    if not settings or comparison.reference is None:
        return ""
    tested = list(dict.fromkeys(_in_brief(contrast) for contrast in comparison.contrasts if contrast.p is not None))
    signs = [
        {
            contrast.difference.value > 0
            for contrast in comparison.contrasts
            if contrast.setting == setting and contrast.apart
        }
        for setting in settings
    ]
    ways = {"worse": {False}, "better": {True}, "worse here and better there": {False, True}}
    counts = {word: signs.count(way) for word, way in ways.items() if way in signs}
    one = len(settings) == 1
    found = _listed([f"{'' if one else f'{count} '}{'is' if count == 1 else 'are'} {w}" for w, count in counts.items()])
    one_seed = any(contrast.over_seeds is None for contrast in comparison.contrasts)
    chance = (
        "the choice of questions explains, for these weights (Holm, 5 %)"
        if one_seed
        else "the choice of questions and that of seeds explain (Holm, 5 %)"
    )
    against = "it" if comparison.reference is comparison.best_setting else comparison.reference.label
    if not found:
        said = "the one other point does not differ" if one else f"none of {len(settings)} other points differs"
        return f"; {said} from {against} by more than {chance}"
    figures = f"{'one or more of ' if len(tested) > 1 else ''}{_listed(tested)}"
    points = "the one other point" if one else f"of {len(settings)} other points"
    return f"; {points} {found} than {against} in {figures}, by more than {chance}"


def _decided(contrast: Contrast, words: str, by: str) -> str:
    shown = f"{contrast.title} {_interval(contrast.difference)}, {_seeds(contrast)}"
    if contrast.questions < FEWEST:
        return f"Undecided whether {words}: {shown}, but {contrast.questions} questions are too few to tell"
    if contrast.direction > 0:
        return f"Agrees with {by} that {words}: {shown}"
    if contrast.direction < 0:
        return f"Contradicts {by}, which has that {words}: {shown}"
    return f"Undecided whether {words}, since 0 is not ruled out: {shown}"


def _seeds(contrast: Contrast) -> str:
    """One seed, or the difference under each of several and the interval of their mean."""
    if contrast.over_seeds is None:
        return "for these weights (one seed)"
    each = ", ".join(f"{value:+.3f}" for value in contrast.by_seed)
    return f"by seed {each}: {_interval(contrast.over_seeds)} by Student's t"


def _interval(found: Interval) -> str:
    return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def _steps(comparison: Comparison, contrast: Contrast) -> str:
    """That the two settings were trained for different numbers of steps, where they were."""
    steps = {setting.label: setting.steps for setting in comparison.settings}
    ours, theirs = steps[contrast.setting], steps[contrast.reference]
    return "" if ours == theirs else f", after {ours} optimizer steps against {theirs}"


def _elsewhere(comparison: Comparison) -> str:
    """That ours is another model on other data, where it is."""
    made = comparison.provenance
    reasons = {reason for row in comparison.rows for reason in row.reasons}
    other = any(reason.startswith(("Other data", "Another base")) for reason in reasons)
    return f" (model {made.model} on data {made.data}, not the poster's)" if other else ""
