"""What an experiment says, in one or two sentences, beside what the poster says."""

from collections.abc import Sequence

from macsql.comparison.contrasts import Contrast
from macsql.comparison.experiment import Comparison
from macsql.comparison.figures import WHOSE, title
from macsql.comparison.reasons import Kind
from macsql.comparison.settings import TriedSetting, label
from macsql.comparison.statistics import Interval, exact_interval

FEWEST = 20  # questions from which on an interval made of them by drawing anew is to be believed
SHOWN = ("all/execution_accuracy", "all/rouge_l", "all/exact_match")


def conclusion(comparison: Comparison) -> str:
    """What came out, and whether the sweep is whole.

    It never speaks of the poster's own model where ours is another.
    """
    progress = f" {comparison.progress}." if comparison.progress else ""
    return f"{_outcome(comparison)}{_elsewhere(comparison)}.{progress}"


def conclusion_in_short(comparison: Comparison) -> str:
    """The same without figures that stand in the experiment's own README: each part is one of `conclusion`'s."""
    claim, contrast = comparison.published.claim, comparison.claim
    if claim is not None and contrast is not None:
        said = _stated(contrast, claim.words, claim.by)
    elif claim is None and comparison.answers and all(row.poster for row in comparison.answers):
        said = _compatible(comparison)
    elif claim is None and comparison.best_setting is not None:
        said = _best(comparison.best_setting)
    else:
        said = _outcome(comparison)
    return f"{said}.{f' {comparison.progress}.' if comparison.progress else ''}"


def poster_in_words(comparison: Comparison) -> str:
    """The poster's figures in a line: "ROUGE-L 0.354 (mixture=real), 0.19 (mixture=undersample)"."""
    groups: dict[str, list[str]] = {}
    for figure in comparison.published.figures:
        if _in_short(figure.metric):
            place = f" ({label(figure.setting)})" if figure.setting else ""
            groups.setdefault(_without_agents(figure.metric), []).append(f"{figure.printed}{place}")
    return _listing(groups) or "no such experiment"


def ours_in_words(comparison: Comparison) -> str:
    """Our figures for the same, in the same order; those of our best setting where the poster has none."""
    if comparison.answers and all(row.poster for row in comparison.answers):
        said = "; ".join(
            f"{WHOSE[row.agent]} {row.correct} of {row.correct + row.incorrect}" for row in comparison.answers
        )
        return f"{said}{_answered_by(comparison)}"
    groups: dict[str, list[str]] = {}
    for row in comparison.beside:
        if row.ours.value is not None and _in_short(row.metric):
            groups.setdefault(_without_agents(row.metric), []).append(f"{row.ours.value:.3g} ({row.ours.setting})")
    best = comparison.best_setting
    if not groups and best is not None:
        for metric in SHOWN:
            if (found := best.figure(metric)) is not None:
                groups[_without_agents(metric)] = [f"{found.mean:.3g} ({best.label})"]
    return _listing(groups) or "not run"


def _in_short(metric: str) -> bool:
    """Whether an overview has room for a figure: losses and rows stand in the experiment's own README."""
    return not metric.endswith(("_loss", "/train_rows"))


def _without_agents(metric: str) -> str:
    return title(metric).removesuffix(", all agents")


def _listing(groups: dict[str, list[str]]) -> str:
    return "; ".join(f"{name} {', '.join(dict.fromkeys(values))}" for name, values in groups.items())


def _outcome(comparison: Comparison) -> str:
    claim = comparison.published.claim
    if claim is not None:
        if comparison.claim is None:
            return f"Not decided whether {claim.words}: one of the two settings has not finished"
        return f"{_decided(comparison.claim, claim.words, claim.by)}{_steps(comparison, comparison.claim)}"
    if comparison.answers and all(row.poster for row in comparison.answers):
        shares = ", ".join(
            f"{WHOSE[row.agent]} {row.accuracy.value:.0%} ({row.accuracy.low:.0%} to {row.accuracy.high:.0%})"
            for row in comparison.answers
            if row.accuracy
        )
        return f"Right over the whole test set: {shares}{_answered_by(comparison)}. {_compatible(comparison)}"
    if comparison.best_setting is None:
        return "Not decided: no trial has finished"
    return f"{_best(comparison.best_setting)}{_others(comparison)}"


def _compatible(comparison: Comparison) -> str:
    """Which of our shares the poster's two answers per agent leave possible, by the exact intervals of both."""
    upper = exact_interval(0, 2).high
    judged = [(WHOSE[row.agent], row.accuracy.low <= upper) for row in comparison.answers if row.accuracy]
    inside, outside = ([name for name, fits in judged if fits is wanted] for wanted in (True, False))
    words = f"The poster's 0 of 2 rules out accuracies above {upper:.0%}"
    said = [
        f"{_listed(names)} {'is' if len(names) == 1 else 'are'} {what}"
        for names, what in ((inside, "compatible with it"), (outside, "not"))
        if names
    ]
    if not inside and outside:
        said = [f"{_listed(outside)} {'is' if len(outside) == 1 else 'are'} not compatible with it"]
    return f"{words}: {', '.join(said)}" if said else words


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _best(setting: TriedSetting) -> str:
    """The setting that won, by what and with which value."""
    seeds = f", mean of {len(setting.trials)} seeds" if len(setting.trials) > 1 else ""
    value = "" if setting.objective is None else f" ({setting.objective:.3f}{seeds})"
    return f"Best by {title(setting.trials[0].config.sweep.objectives[0])}: {setting.label}{value}"


def _answered_by(comparison: Comparison) -> str:
    return f" ({comparison.answered_by})" if comparison.answered_by else ""


def _others(comparison: Comparison) -> str:
    """How many of the other settings are significantly worse or better than the reference, and in which figures."""
    settings = list(dict.fromkeys(contrast.setting for contrast in comparison.contrasts))
    if not settings or comparison.reference is None:
        return ""
    tested = list(dict.fromkeys(_in_brief(contrast) for contrast in comparison.contrasts if contrast.p is not None))
    signs = [
        {
            contrast.difference.value > 0
            for contrast in comparison.contrasts
            if contrast.setting == one and contrast.apart
        }
        for one in settings
    ]
    counts = {
        "worse": signs.count({False}),
        "better": signs.count({True}),
        "worse in some figures and better in others": signs.count({False, True}),
    }
    one_seed = any(contrast.over_seeds is None for contrast in comparison.contrasts)
    level = "Holm, 5 %, one seed" if one_seed else "Holm, 5 %, over questions and seeds"
    than = "" if comparison.reference is comparison.best_setting else f" than {comparison.reference.label}"
    figures = f"{'at least one of: ' if len(tested) > 1 else ''}{', '.join(tested)}"
    found = [(count, way) for way, count in counts.items() if count]
    if not found:
        from_ = "" if not than else f" from {comparison.reference.label}"
        who = (
            "The other setting does not differ" if len(settings) == 1 else f"None of the {len(settings)} others differs"
        )
        return f". {who} significantly{from_} ({level}) in: {', '.join(tested)}"
    if len(settings) == 1:
        return f". The other setting is significantly {found[0][1]}{than} ({level}) in {figures}"
    (count, way), *more = found
    said = f"{count} of the {len(settings)} other settings {'is' if count == 1 else 'are'} significantly {way}"
    said += "".join(f" and {count} {way}" for count, way in more)
    return f". {said}{than} ({level}) in {figures}"


def _in_brief(contrast: Contrast) -> str:
    """A figure in a list of such: "Decomposer EX"."""
    agent = WHOSE[contrast.metric.partition("/")[0]]
    return f"{agent} {contrast.title.removesuffix(f', {agent}')}"


def _decided(contrast: Contrast, words: str, by: str) -> str:
    """What a contrast says of a claim, with its figures."""
    few = f", but {contrast.questions} questions are too few to tell" if contrast.questions < FEWEST else ""
    shown = f"{contrast.title} {_interval(contrast.difference)}, {_seeds(contrast)}"
    return f"{_stated(contrast, words, by)}: {shown}{few}"


def _stated(contrast: Contrast, words: str, by: str) -> str:
    """What a contrast says of a claim."""
    if contrast.questions < FEWEST:
        return f"Undecided whether {words}"
    if contrast.direction > 0:
        return f"Agrees with {by} that {words}"
    if contrast.direction < 0:
        return f"Contradicts {by}, which says that {words}"
    return f"Undecided whether {words}, because 0 is not ruled out"


def _seeds(contrast: Contrast) -> str:
    """One seed, or the difference under each of several and the interval of their mean."""
    if contrast.over_seeds is None:
        return "for these trained weights (one seed)"
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
    kinds = {reason.kind for row in comparison.beside for reason in row.reasons}
    other = bool(kinds & {Kind.OTHER_DATA, Kind.OTHER_BASE})
    return f" (model {made.model} on data {made.data}, not the poster's)" if other else ""
