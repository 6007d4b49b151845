"""What an evaluation end to end shows and leaves: tables on the screen and as Markdown, verdicts as CSV, a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from macsql.charts.canvas import as_file
from macsql.charts.seats import seats_chart
from macsql.comparison.evaluated import Evaluated
from macsql.comparison.published import systems
from macsql.comparison.systems import systems_with_ours
from macsql.evaluation.cells import BASE
from macsql.evaluation.matrix import worths
from macsql.evaluation.scoring import Scores
from macsql.records import Question
from macsql.report import csv_files, terminal
from macsql.report.markdown import markdown
from macsql.report.table import Nature, Table, shown
from macsql.report.tables.answers import systems_table
from macsql.report.tables.seats import cells_table, questions_table, scoreboard, worth_table
from macsql.system.files import write_whole

TABLES, MARKS, PICTURE = "evaluation.md", "questions.csv", "seats.svg"


def tables_of(found: Sequence[Evaluated], scores: Mapping[str, Scores], protocols: Sequence[str]) -> list[Table]:
    """The tables of an evaluation, the first protocol being the main one; with one set of seats there is no worth."""
    main, own = protocols[0], found[0]
    tables = [cells_table(found, protocols), scoreboard(scores[BASE])]
    if rows := worths({name: one.protocols[main] for name, one in scores.items()}):
        tables.append(worth_table(rows, main))
    known = [system for system in systems() if system.on_poster or own.corpus in {b.corpus for b in system.figures}]
    return [*tables, systems_table(systems_with_ours(known, None, [own]))]


def show(tables: Sequence[Table], console: Console) -> None:
    """Print the tables."""
    for table in tables:
        if table.rows:
            terminal.write(table, console)


def leave(
    folder: Path,
    tables: Sequence[Table],
    questions: Sequence[Question],
    scores: Mapping[str, Scores],
    protocols: Sequence[str],
) -> None:
    """Write the tables as Markdown and the main protocol's verdicts as CSV; of a matrix also the picture."""
    write_whole(folder / TABLES, "\n".join(line for table in tables if table.rows for line in _lines(table)))
    main = {name: one.protocols[protocols[0]] for name, one in scores.items()}
    csv_files.write(questions_table(questions, main), folder / MARKS)
    if rows := worths(main):
        drawn = seats_chart(rows, protocols[0], scores[BASE].share(protocols[0]) or 0.0)
        write_whole(folder / PICTURE, as_file(drawn))


def _lines(table: Table) -> list[str]:
    """A table below its title, with its caption and what is told of its rows."""
    prose = [place for place, column in enumerate(table.columns) if column.nature is Nature.PROSE]
    told = [f"- {shown(row.cells[0])}: {shown(row.cells[place])}" for row in table.rows for place in prose]
    below = [table.caption, ""] if table.caption else []
    return [f"{table.title}:", "", markdown(table.without(Nature.PROSE)), "", *below, *told, *([""] if told else [])]
