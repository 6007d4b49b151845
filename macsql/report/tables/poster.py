"""The poster's figures beside ours: the table to read, its losses by epoch, and all that is known of every cell."""

from collections.abc import Sequence

from macsql.comparison.epochs import LOSSES, EpochTable, epochs_beside
from macsql.comparison.experiment import Comparison
from macsql.comparison.reasons import distinct
from macsql.comparison.side_by_side import Beside, Figure
from macsql.report.table import Cell, Column, Format, Nature, Row, Table, figure, signed, text

WHY = "Why these are not comparable with the poster's figures"
DOUBTS = "What the poster leaves open"
FIELDS = ("kind", "value", "protocol", "data", "model", "scale", "seeds", "answers", "note")  # of a figure, in files


def poster_table(comparison: Comparison) -> Table:
    """A row per figure of the poster; the marks in the last column but one are places in `why` and `doubts`."""
    columns = (
        Column("figure", "figure", Nature.LABEL),
        Column("setting", "setting", Nature.LABEL),
        Column("poster", "poster"),
        Column("ours", "ours"),
        Column("difference", "difference"),
        Column("seeds", "seeds", optional=True),
        Column("comparable", "comparable?", Nature.TEXT, optional=True),
        Column("about", "protocol; origin; answers; seeds", Nature.PROSE),
    )
    reasons, open_ = why(comparison), doubts(comparison)
    rows = [
        Row(
            (
                text(row.title),
                text(row.setting),
                text(row.poster.text, origin=row.poster.origin),
                figure(row.ours.value, origin=row.ours.origin),
                signed(row.difference),
                text(row.ours.seeds or "-"),
                text(_comparable(row, reasons, open_)),
                text(_about(row.ours)),
            )
        )
        for row in comparison.beside
    ]
    caption = "Difference is ours minus the poster's."
    return Table("poster", "The poster beside this sweep", columns, tuple(rows), caption)


def why(comparison: Comparison) -> list[str]:
    """Every reason why a figure is not comparable, once."""
    return [reason.words for reason in distinct([row.reasons for row in comparison.beside])]


def doubts(comparison: Comparison) -> list[str]:
    """What the poster leaves open, once."""
    return list(dict.fromkeys(row.poster.note for row in comparison.beside if row.poster.note))


def epoch_table(table: EpochTable) -> Table:
    """The poster's losses of one setting, epoch by epoch, with ours."""
    columns = [Column("epoch", "epoch")]
    for name in LOSSES:
        group = name.replace("_", " ")
        columns += [Column(f"{name}/{whose}", whose, group=group) for whose in ("poster", "ours", "difference")]
    rows = [
        Row(
            (
                figure(epoch.number),
                *(
                    cell
                    for pair in (epoch.losses[name] for name in LOSSES)
                    for cell in (Cell(pair.poster, Format.SIX), figure(pair.ours), signed(pair.difference))
                ),
            )
        )
        for epoch in table.epochs
    ]
    caption = f"Train loss is the {LOSSES['train_loss']}, eval loss is taken {LOSSES['eval_loss']}."
    return Table("epochs", f"Losses by epoch, {table.setting}", tuple(columns), tuple(rows), caption)


def comparison_table(comparison: Comparison) -> Table:
    """A row per figure of the poster, its losses of each epoch too: both figures with all that is known of them."""
    heads = ["metric", "title", "setting", *(f"{whose}_{name}" for whose in ("poster", "ours") for name in FIELDS)]
    heads += ["difference", "not_comparable_because"]
    rows = [
        Row(
            tuple(
                map(
                    Cell,
                    (
                        *(row.metric, row.title, row.setting, *_fields(row.poster), *_fields(row.ours)),
                        *(row.difference, " ".join(reason.words for reason in row.reasons)),
                    ),
                )
            )
        )
        for row in (*comparison.beside, *epochs_beside(comparison.epochs, comparison.beside))
    ]
    return Table("comparison", "Comparison", tuple(Column(head, head) for head in heads), tuple(rows))


def _fields(of: Figure) -> tuple[str | float | None, ...]:
    return (of.origin.value, of.value, of.protocol, of.data, of.model, of.scale, of.seeds, of.answers, of.note)


def _comparable(row: Beside, reasons: Sequence[str], open_: Sequence[str]) -> str:
    """Whether a difference means anything, with the places of what speaks against it: "no [1, 3, a]"."""
    own = {reason.words for reason in row.reasons}
    marks = [str(place) for place, reason in enumerate(reasons, start=1) if reason in own]
    if row.poster.note:
        marks.append(letter(open_.index(row.poster.note)))
    said = "-" if row.difference is None else "no" if row.reasons else "yes"
    return f"{said} [{', '.join(marks)}]" if marks else said


def _about(of: Figure) -> str:
    """What one must know of a figure of ours: "spider-ex; measured; 160 answers; 3 seeds"."""
    answers = f"{of.answers} answers" if of.answers else ""
    seeds = f"{of.seeds} seed{'' if of.seeds == '1' else 's'}" if of.seeds else ""
    return "; ".join(filter(None, (of.protocol, of.origin.value, answers, seeds)))


def letter(place: int) -> str:
    """The mark that a browser gives to an item of a lettered list."""
    return chr(ord("a") + place % 26) if place < 26 else f"{letter(place // 26 - 1)}{letter(place % 26)}"
