"""What a difference is worth: every setting against the reference, and the effects of each axis."""

import math
from collections.abc import Sequence

from macsql.charts.answers import interval_bar
from macsql.comparison.experiment import Comparison
from macsql.comparison.paired import Difference
from macsql.comparison.statistics import Interval
from macsql.report.table import Cell, Column, Format, Nature, Row, Table, difference_in_words, drawing, figure, text


def contrasts_table(comparison: Comparison) -> Table:
    """A row per figure of each setting that is held against the reference."""
    held = comparison.contrasts
    one_seed = all(item.over_seeds is None for item in held)
    columns = [
        *_columns(held),
        Column("p_holm", "p (Holm)"),
        Column("p", "p", optional=True),
        Column("better", "better", optional=True),
        Column("worse", "worse", optional=True),
        *([Column("detectable", "found at 80%", optional=True)] if one_seed else []),
        *_counts(held),
    ]
    rows = [
        Row(
            (
                text(item.title),
                *_worth(item, held),
                *(Cell(item.p_holm, Format.CHANCE), Cell(item.p, Format.CHANCE)),
                figure(None if item.p is None else item.better),
                figure(None if item.p is None else item.worse),
                *([figure(item.detectable)] if one_seed else []),
                *_counted(item, held),
            ),
            group=item.setting,
        )
        for item in held
    ]
    against = comparison.reference.label if comparison.reference else ""
    caption = (
        f"Each setting minus {against}, question by question. Better and worse: questions that the setting or the "
        "reference alone gets right. p: McNemar's exact test; p (Holm): adjusted for all tests of this table"
        f"{_seeds_too(one_seed)}."
    )
    if one_seed:
        caption += " Found at 80%: the true difference that such a test finds four times out of five."
    return Table("contrasts", "Each setting against the reference", tuple(columns), tuple(rows), caption)


def effects_table(comparison: Comparison) -> Table:
    """A row per figure of each main effect and interaction; no rows where the sweep is no full factorial."""
    held = comparison.effects
    columns = [*_columns(held), *_counts(held)]
    rows = [Row((text(item.title), *_worth(item, held), *_counted(item, held)), group=item.change) for item in held]
    caption = (
        "A main effect is the gain over the first value of an axis, averaged over all values of the other axes. An "
        "interaction (x) is how much that gain changes with the value of the other axis. An interval that contains 0 "
        "shows no effect."
    )
    return Table("effects", "Main effects and interactions", tuple(columns), tuple(rows), caption)


def _seeds_too(one_seed: bool) -> str:
    return "" if one_seed else ", from the larger of this p and that of Student's test over the seeds"


def _several(held: Sequence[Difference]) -> bool:
    return any(item.over_seeds is not None for item in held)


def _columns(held: Sequence[Difference]) -> list[Column]:
    return [
        Column("figure", "figure", Nature.LABEL),
        Column("difference", "difference"),
        Column("interval", "95 % (bootstrap)"),
        Column("bar", f"-{_reach(held):g} … +{_reach(held):g}", Nature.DRAWING),
        *([Column("student", "95 % (Student, seeds)")] if _several(held) else []),
    ]


def _worth(item: Difference, held: Sequence[Difference]) -> list[Cell]:
    """The cells of `_columns` but the first."""
    return [
        Cell(item.difference.value, Format.SIGNED),
        text(_interval(item.difference)),
        drawing(interval_bar(item.difference, _reach(held))),
        *([text(_interval(item.over_seeds))] if _several(held) else []),
    ]


def _counts(held: Sequence[Difference]) -> list[Column]:
    return [
        *([Column("by_seed", "by seed", optional=True)] if _several(held) else []),
        Column("questions", "questions", optional=True),
        Column("seeds", "seeds", optional=True),
    ]


def _counted(item: Difference, held: Sequence[Difference]) -> list[Cell]:
    """The cells of `_counts`."""
    each = ", ".join(map(difference_in_words, item.by_seed)) if item.seeds > 1 else "-"
    return [*([text(each)] if _several(held) else []), figure(item.questions), figure(item.seeds)]


def _interval(found: Interval | None) -> str:
    return "-" if found is None else f"{difference_in_words(found.low)} to {difference_in_words(found.high)}"


def _reach(held: Sequence[Difference]) -> float:
    """How far the axis of the drawings goes to both sides."""
    widest = max((abs(end) for item in held for end in (item.difference.low, item.difference.high)), default=0.0)
    return max(0.05, math.ceil(widest * 20) / 20)
