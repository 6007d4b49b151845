"""The poster's figure, ours and the difference, each figure with what one must know to read it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from macsql.comparison.figures import chosen, protocol, title
from macsql.comparison.published import Part, Published, PublishedFigure
from macsql.comparison.reasons import Reason, reasons
from macsql.comparison.settings import TriedSetting, find
from macsql.comparison.settings import label as label_of


class Origin(StrEnum):
    """Where a figure comes from."""

    MEASURED = "measured"  # by this sweep
    POSTER = "poster"  # as the poster prints it
    PUBLISHED = "published"  # by others
    NONE = "not applicable"


@dataclass(frozen=True)
class Figure:
    """A figure and where it comes from."""

    origin: Origin
    value: float | None = None
    text: str = ""  # as it should be shown; empty: the value
    protocol: str = ""
    data: str = ""
    model: str = ""
    scale: str = ""
    seeds: str = ""
    answers: str = ""  # how many it is a mean over, under each seed; empty for a loss, or where nobody says
    note: str = ""
    setting: str = ""  # of ours


@dataclass(frozen=True)
class Beside:
    """One figure of the poster beside ours."""

    metric: str
    title: str
    setting: str
    poster: Figure
    ours: Figure
    difference: float | None  # ours minus the poster's
    reasons: tuple[Reason, ...]  # why the two are not comparable; none: nothing that is known speaks against it


def side_by_side(published: Published, settings: Sequence[TriedSetting], best: TriedSetting | None) -> list[Beside]:
    """One line per figure of the poster, in its order."""
    return [_beside(figure, published, _ours(figure, settings, best)) for figure in published.figures]


def measured_figure(setting: TriedSetting, metric: str) -> Figure:
    """Our figure for a setting: the mean over its seeds."""
    found, config = setting.figure(metric), setting.trials[0].config
    if found is None:
        return Figure(Origin.NONE, note="not measured by this setting")
    scatter = f"; standard deviation {found.deviation:.2g}" if found.deviation else ""  # over seeds
    return Figure(
        Origin.MEASURED,
        found.mean,
        protocol=protocol(metric),
        data=f"{config.data.format} test split" if "loss" not in metric else f"{config.data.format}",
        model=setting.trials[0].model,
        scale=config.scale.name,
        seeds=str(found.seeds),
        answers=str(len(chosen(setting.shown.verdicts, metric)) or ""),
        note=f"{setting.label}{scatter}",
        setting=setting.label,
    )


def place(stated: Part | None, setting: TriedSetting | None) -> str:
    """Which setting the poster states, and which one of ours stands beside it where that says more."""
    theirs = "not stated" if stated is None else label_of(stated)
    return theirs if setting is None or setting.label == theirs else f"{theirs}; ours: {setting.label}"


def _beside(figure: PublishedFigure, published: Published, setting: TriedSetting | None) -> Beside:
    poster = Figure(Origin.POSTER, figure.value, figure.printed, **published.conditions, note=figure.doubt)
    where, named = place(figure.setting, setting), title(figure.metric)
    if setting is None:
        nothing = Figure(Origin.NONE, note="no setting of this sweep has finished that could stand beside it")
        return Beside(figure.metric, named, where, poster, nothing, None, ())
    ours = measured_figure(setting, figure.metric)
    difference = None if ours.value is None else ours.value - figure.value
    why = reasons(figure, published.varies, setting.trials[0])
    return Beside(figure.metric, named, where, poster, ours, difference, why)


def _ours(figure: PublishedFigure, settings: Sequence[TriedSetting], best: TriedSetting | None) -> TriedSetting | None:
    return best if figure.setting is None else find(settings, figure.setting)
