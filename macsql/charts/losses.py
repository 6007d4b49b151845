"""Loss curves as the poster draws them: training loss per batch, evaluation loss per epoch, and the poster's own."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from macsql.charts.canvas import COLOURS, FAINT, INK, SHAPES, Plot, Scale, picture, scale, swatch, thinned
from macsql.comparison.experiment import MeasuredTrial
from macsql.comparison.published import Published, PublishedCurve, matches

OWN_COLOUR = 8  # trials up to which each has a colour of its own
LEADERS = 5  # that have one where there are more
POINTS = 240  # training losses that a small chart draws
ROOMY = 12  # trials up to which the small charts have titles on their axes
TRAINING, EVALUATION, GREY = "#6aaed6", "#d55e00", "#6b7280"
DASHED, DOTTED = "6 4", "2 3"


@dataclass(frozen=True)
class LegendEntry:
    """What a mark of a chart stands for."""

    swatch: Markup
    text: str


@dataclass(frozen=True)
class Chart:
    """A drawing with its legend."""

    svg: Markup
    legend: tuple[LegendEntry, ...]


@dataclass(frozen=True)
class Panels:
    """A small chart for each trial, all on the same axes, and the legend that they share."""

    drawings: tuple[tuple[MeasuredTrial, Markup], ...]
    legend: tuple[LegendEntry, ...]
    roomy: bool  # few enough to be large
    axes: str  # what the axes are, in a sentence


@dataclass(frozen=True)
class PosterLosses:
    """What the poster prints of the losses of one setting: a table of epochs, or no more than its best pair."""

    curve: PublishedCurve | None
    train_level: float | None
    eval_level: float | None

    @property
    def values(self) -> list[float]:
        """Every loss in it."""
        levels = [level for level in (self.train_level, self.eval_level) if level is not None]
        return levels + ([*self.curve.train_loss, *self.curve.eval_loss] if self.curve else [])


def poster_losses(published: Published, report: MeasuredTrial) -> PosterLosses:
    """The poster's losses beside a trial: of the same setting, or of a setting that the poster does not state."""
    setting = report.trial.setting
    curve = next((item for item in published.curves if matches(item.setting, setting)), None)
    levels = {
        figure.metric: figure.value
        for figure in published.figures
        if curve is None and (figure.setting is None or matches(figure.setting, setting))
    }
    return PosterLosses(curve, levels.get("pair/train_loss"), levels.get("pair/eval_loss"))


def overview(reports: Sequence[MeasuredTrial], published: Published, *, ranked: bool = True) -> Chart | None:
    """Evaluation loss per epoch of every trial in one chart; None where none has been evaluated.

    `ranked`: the trials' losses compare, and the lowest comes first; else they stay in the order of the plan.
    """
    drawn = [report for report in reports if math.isfinite(_lowest(report))]
    if not drawn:
        return None
    posters = _different([poster_losses(published, report) for report in drawn])
    epochs = [item.epoch for report in drawn for item in report.curve.evaluations]
    epochs += [float(epoch) for poster in posters if poster.curve for epoch in poster.curve.epochs]
    losses = [item.eval_loss for report in drawn for item in report.curve.evaluations]
    losses += [value for poster in posters for value in (poster.curve.eval_loss if poster.curve else ())]
    losses += [poster.eval_level for poster in posters if poster.eval_level is not None]
    plot = Plot(Scale(0, max(epochs), 56, 740), scale(losses, 318, 30))
    order = sorted(drawn, key=lambda report: (not report.trial.finished, _lowest(report) if ranked else 0.0))
    named = order if len(order) <= OWN_COLOUR else order[:LEADERS]
    marks: list[Markup] = []
    legend: list[LegendEntry] = []
    for report in order[len(named) :]:
        marks.append(plot.line(_evaluations(report), FAINT, 1.2))
    for place, report in reversed(list(enumerate(named))):
        colour, shape = COLOURS[place % len(COLOURS)], SHAPES[place % len(SHAPES)]
        marks += [plot.line(_evaluations(report), colour), plot.dots(_evaluations(report), colour, shape)]
        state = "" if report.trial.finished else f" ({report.trial.state.lower()})"
        legend.insert(0, LegendEntry(swatch(colour, shape), f"{report.trial.label}: {_lowest(report):.3f}{state}"))
    if len(order) > len(named):
        rest = order[len(named) :]
        lowest = [_lowest(report) for report in rest]
        ended = sum(report.trial.finished for report in rest)
        words = f"the other {len(rest)} trials: {min(lowest):.3f} to {max(lowest):.3f}"
        words += f", {len(rest) - ended} of them not finished" if ended < len(rest) else ""
        legend.append(LegendEntry(swatch(FAINT, None), words))
    for poster in posters:
        marks += _poster_marks(plot, poster, with_training=False)
    legend += _poster_legend(published, posters, with_training=False)
    words = "evaluation loss (log scale)" if plot.y.log else "evaluation loss"
    axes = plot.axes("epoch", words, _whole(plot.x))
    label = f"Evaluation loss per epoch of {len(drawn)} trials"
    return Chart(picture(760, 360, label, axes, *marks), tuple(legend))


def panels(reports: Sequence[MeasuredTrial], published: Published) -> Panels | None:
    """A small chart for each trial that has told a loss; None where none has."""
    drawn = [report for report in reports if report.curve.training or report.curve.evaluations]
    if not drawn:
        return None
    posters = [poster_losses(published, report) for report in drawn]
    epochs = [epoch for report in drawn for epoch, _ in _training(report) + _evaluations(report)]
    epochs += [float(epoch) for poster in posters if poster.curve for epoch in poster.curve.epochs]
    losses = [loss for report in drawn for _, loss in _training(report) + _evaluations(report)]
    losses += [value for poster in posters for value in poster.values]
    roomy = len(drawn) <= ROOMY
    width, height = (340.0, 214.0) if roomy else (250.0, 136.0)
    plot = Plot(
        Scale(0, max(epochs) or 1, 40, width - 12), scale(losses, height - (38 if roomy else 20), 22 if roomy else 8)
    )
    log = " (log scale)" if plot.y.log else ""
    axes = plot.axes("epoch" if roomy else "", f"loss{log}" if roomy else "", _whole(plot.x))
    found = [
        (report, _panel(plot, width, height, axes, report, poster))
        for report, poster in zip(drawn, posters, strict=True)
    ]
    legend = [
        LegendEntry(swatch(TRAINING, None, width=1.4), "training loss per batch"),
        LegendEntry(swatch(EVALUATION), "evaluation loss per epoch"),
        *_poster_legend(published, _different(posters), with_training=True),
    ]
    return Panels(
        tuple(found), tuple(legend), roomy, f"Epochs across, loss{log} upwards, on the same axes for all trials."
    )


def _panel(
    plot: Plot, width: float, height: float, axes: Markup, report: MeasuredTrial, poster: PosterLosses
) -> Markup:
    training = plot.line(thinned(_training(report), POINTS), TRAINING, 1.1)
    evaluations = [plot.line(_evaluations(report), EVALUATION), plot.dots(_evaluations(report), EVALUATION, size=2.6)]
    marks = [training, *_poster_marks(plot, poster, with_training=True), *evaluations]
    return picture(width, height, f"Losses of {report.trial.label}", axes, *marks, css="chart small")


def _poster_marks(plot: Plot, poster: PosterLosses, *, with_training: bool) -> list[Markup]:
    marks = []
    if poster.curve is not None:
        told = [(float(epoch), loss) for epoch, loss in zip(poster.curve.epochs, poster.curve.eval_loss, strict=True)]
        if with_training:
            trained = list(zip(map(float, poster.curve.epochs), poster.curve.train_loss, strict=True))
            marks.append(plot.line(trained, GREY, 1.4, DOTTED))
        marks += [plot.line(told, INK, 1.6, DASHED), plot.dots(told, INK, "diamond", 2.4)]
    if with_training and poster.train_level is not None:
        marks.append(plot.level(poster.train_level, GREY, DOTTED))
    if poster.eval_level is not None:
        marks.append(plot.level(poster.eval_level, INK, DASHED))
    return marks


def _poster_legend(published: Published, posters: Sequence[PosterLosses], *, with_training: bool) -> list[LegendEntry]:
    entries = []
    if any(poster.curve for poster in posters):
        if with_training:
            entries.append(LegendEntry(swatch(GREY, None, DOTTED, 1.4), "poster: training loss per epoch"))
        settings = ", ".join(_ends(poster.curve) for poster in posters if poster.curve)
        entries.append(
            LegendEntry(swatch(INK, "diamond", DASHED, 1.6), f"poster: evaluation loss per epoch ({settings})")
        )
    levels = [figure for figure in published.figures if figure.metric.startswith("pair/")]
    if with_training and any(poster.train_level is not None for poster in posters):
        printed = ", ".join(dict.fromkeys(item.printed for item in levels if item.metric == "pair/train_loss"))
        entries.append(
            LegendEntry(swatch(GREY, None, DOTTED, 1.4), f"poster: training loss of its best pair ({printed})")
        )
    if any(poster.eval_level is not None for poster in posters):
        printed = ", ".join(dict.fromkeys(item.printed for item in levels if item.metric == "pair/eval_loss"))
        words = f"poster: evaluation loss of its best pair ({printed})"
        entries.append(LegendEntry(swatch(INK, None, DASHED, 1.4), words))
    return entries


def _ends(curve: PublishedCurve) -> str:
    setting = " ".join(str(value) for value in curve.setting.values())
    return f"{setting}: {curve.eval_loss[0]:.3f} to {curve.eval_loss[-1]:.3f}"


def _training(report: MeasuredTrial) -> list[tuple[float, float]]:
    return [(epoch, loss) for _, epoch, loss in report.curve.training if math.isfinite(loss)]


def _evaluations(report: MeasuredTrial) -> list[tuple[float, float]]:
    return [(item.epoch, item.eval_loss) for item in report.curve.evaluations]


def _different(posters: Sequence[PosterLosses]) -> list[PosterLosses]:
    return [poster for place, poster in enumerate(posters) if poster not in posters[:place]]


def _lowest(report: MeasuredTrial) -> float:
    finite = [item.eval_loss for item in report.curve.evaluations if math.isfinite(item.eval_loss)]
    return min(finite, default=math.inf)


def _whole(axis: Scale) -> list[float]:
    """Ticks at whole epochs, where there are whole ones; of a training shorter than an epoch the axis' own."""
    whole = [tick for tick in axis.ticks if tick == int(tick)]
    return whole if len(whole) > 1 else axis.ticks
