"""The losses that the poster prints epoch by epoch, each beside ours of the same epoch."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from macsql.comparison.figures import Curve, title
from macsql.comparison.measured import MeasuredTrial
from macsql.comparison.published import Published, PublishedCurve
from macsql.comparison.settings import TriedSetting, find
from macsql.comparison.side_by_side import Beside, Figure, Origin, place

LOSSES = {"train_loss": "mean over the steps of the epoch", "eval_loss": "at the end of the epoch"}


@dataclass(frozen=True)
class Pair:
    """A loss of one epoch: the poster's, and ours as a mean over seeds; None where ours has no such epoch."""

    poster: float
    ours: float | None

    @property
    def difference(self) -> float | None:
        """Ours minus the poster's."""
        return None if self.ours is None else self.ours - self.poster


@dataclass(frozen=True)
class Epoch:
    """A line of the poster's table."""

    number: int
    losses: dict[str, Pair]  # by their names in LOSSES


@dataclass(frozen=True)
class EpochTable:
    """One of the poster's tables beside the setting that it is read as."""

    setting: str
    curve: PublishedCurve
    epochs: tuple[Epoch, ...]


def epoch_tables(
    published: Published, settings: Sequence[TriedSetting], trials: Sequence[MeasuredTrial]
) -> list[EpochTable]:
    """A table for each one of the poster's, in its order."""
    found = []
    for table in published.curves:
        setting = find(settings, table.setting)
        curves = [each.curve for each in trials if setting is not None and each.trial in setting.trials]
        epochs = [
            Epoch(
                number,
                {
                    "train_loss": Pair(train, _mean([_train(curve, number) for curve in curves])),
                    "eval_loss": Pair(evaluation, _mean([_eval(curve, number) for curve in curves])),
                },
            )
            for number, train, evaluation in zip(table.epochs, table.train_loss, table.eval_loss, strict=True)
        ]
        found.append(EpochTable(place(table.setting, setting), table, tuple(epochs)))
    return found


def epochs_beside(tables: Sequence[EpochTable], beside: Sequence[Beside]) -> Iterator[Beside]:
    """Every cell of the poster's tables beside ours, with what is said of the same setting's best pair."""
    pairs = {(row.setting, row.metric): row for row in beside}
    for table in tables:
        for epoch in table.epochs:
            for name, note in LOSSES.items():
                pair, like = epoch.losses[name], pairs[table.setting, f"pair/{name}"]
                words = f"{title(name)}, epoch {epoch.number}"
                poster = replace(like.poster, value=pair.poster, text="", note=table.curve.doubt)
                if pair.ours is not None:
                    ours = replace(like.ours, value=pair.ours, note=note)
                elif like.ours.value is not None:
                    ours = Figure(Origin.NONE, note="not trained for so many epochs")
                else:
                    ours = like.ours
                metric = f"epoch_{epoch.number}/{name}"
                yield Beside(metric, words, table.setting, poster, ours, pair.difference, like.reasons)


def _train(curve: Curve, number: int) -> float | None:
    losses = [loss for _, epoch, loss in curve.training if number - 1 < epoch <= number and math.isfinite(loss)]
    return fmean(losses) if losses else None


def _eval(curve: Curve, number: int) -> float | None:
    return next((item.eval_loss for item in curve.evaluations if math.isclose(item.epoch, number)), None)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
