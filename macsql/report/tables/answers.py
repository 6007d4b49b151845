"""What became of the best trial's answers, agent by agent; published systems."""

from macsql.charts.answers import answers_bar, failure_colours
from macsql.comparison.experiment import Comparison
from macsql.comparison.figures import WHOSE
from macsql.comparison.generation import AgentAnswers
from macsql.comparison.side_by_side import Figure, Origin
from macsql.comparison.systems import SystemFigures
from macsql.report.table import Cell, Column, Format, Nature, Row, Table, drawing, figure, text

BENCHMARKS = (
    "Published figures are in percent, each as its authors report it, by their own protocol. The poster prints no "
    "benchmark figure of its own. Nothing here was measured by this project unless a cell says so."
)


def answers_table(comparison: Comparison) -> Table:
    """A row per agent: right and wrong answers, the kinds of failure, the poster's figure."""
    columns = (
        Column("agent", "agent", Nature.LABEL),
        Column("correct", "correct"),
        Column("incorrect", "incorrect"),
        Column("unjudged", "not judged", optional=True),
        Column("accuracy", "accuracy"),
        Column("poster", "poster"),
        Column("bar", "right answers, then failures", Nature.DRAWING),
        Column("notes", "failures", Nature.TEXT),
    )
    colours = failure_colours(comparison.answers)
    rows = [
        Row(
            (
                text(WHOSE[row.agent]),
                *(figure(row.correct), figure(row.incorrect), figure(row.unjudged), _accuracy(row)),
                text(row.poster.printed, row.poster.said and f"({row.poster.said})") if row.poster else text("-"),
                drawing(answers_bar(row, colours)),
                text(", ".join(f"{word} {count}" for word, count in row.notes) or "-"),
            )
        )
        for row in comparison.answers
    ]
    caption = "Each answer is judged by what it does in the database. Accuracy has its exact 95 % interval."
    return Table("answers", f"Answers of the best setting{answered_by(comparison)}", columns, tuple(rows), caption)


def answered_by(comparison: Comparison) -> str:
    """Which of several seeds the answers are of, in brackets; empty for one seed."""
    return f" ({comparison.answered_by})" if comparison.answered_by else ""


def systems_table(systems: list[SystemFigures] | tuple[SystemFigures, ...]) -> Table:
    """A row per system, the poster's three first."""
    benchmarks = list(systems[0].figures) if systems else []
    columns = (
        Column("system", "system", Nature.LABEL),
        *(Column("_".join((key.corpus, key.part, key.rule)), key.title, optional=True) for key in benchmarks),
        Column("about", "about", Nature.PROSE),
    )
    rows = [
        Row(
            (
                text(row.name, "(poster)" if row.on_poster else ""),
                *(_system_cell(row.figures[key]) for key in benchmarks),
                text(" ".join(f"{line.rstrip('.')}." for line in _system_lines(row))),
            )
        )
        for row in systems
    ]
    title = "The poster's three systems, and others"
    return Table("systems", title, columns, tuple(rows), BENCHMARKS, usual=Origin.PUBLISHED)


def _accuracy(row: AgentAnswers) -> Cell:
    found = row.accuracy
    if found is None:
        return Cell(None)
    return Cell(found.value, Format.SHARE, f"({found.low:.1%} to {found.high:.1%})")


def _system_cell(of: Figure) -> Cell:
    return text(of.text, origin=of.origin) if of.text else Cell(of.value, Format.SHORT, origin=of.origin)


def _system_lines(row: SystemFigures) -> list[str]:
    """What a system is, what is to be known of its figures, and who published them."""
    sources = dict.fromkeys(of.note for of in row.figures.values() if of.origin is Origin.PUBLISHED and of.note)
    return [line for line in (row.model, row.note, *(f"Source: {source}" for source in sources)) if line]
