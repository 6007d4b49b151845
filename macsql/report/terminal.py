"""The comparison on the screen."""

from itertools import groupby
from textwrap import wrap

from rich.console import Console
from rich.table import Table as Screen

from macsql.comparison.experiment import Comparison
from macsql.report.conclusion import conclusion
from macsql.report.notes import minimum_in_words, notes, reading
from macsql.report.table import Cell, Column, Nature, Row, Table, shown
from macsql.report.tables.answers import answers_table, systems_table
from macsql.report.tables.poster import DOUBTS, WHY, doubts, letter, poster_table, why
from macsql.report.tables.statistics import contrasts_table, effects_table
from macsql.report.tables.trials import settings_table, trials_table

LABEL = 50  # letters for a row's name where a line has much else to say
LEAST = 14  # the fewest that it is folded to
HEADING = 12  # letters in a line of a column's heading
WIDTH = 170  # where there is no terminal
EDGES = 3  # letters between two columns
MOST_TRIALS = 40  # that a screen shows
IN_SHORT = {"loss": "loss", "all agents": "all", "Selector": "S", "Decomposer": "D", "Refiner": "R"}


def show(comparison: Comparison, console: Console | None = None) -> None:
    """Print everything but curves and examples."""
    console = console or (Console(markup=False) if Console().is_terminal else Console(width=WIDTH, markup=False))
    known = comparison.published
    say(console, f"{known.title}. {known.question}" if known.question else known.title)
    for line in _provenance(comparison):
        say(console, line)
    tables = [trials_table(comparison, MOST_TRIALS)]
    if any(len(setting.trials) > 1 for setting in comparison.settings):
        tables.append(settings_table(comparison))
    tables += [poster_table(comparison).without(Nature.PROSE), answers_table(comparison), contrasts_table(comparison)]
    tables += [effects_table(comparison), systems_table(comparison.systems)]
    for table in tables:
        if table.rows:
            write(table, console)
    for line in [*_reading(comparison), *comparison.disagreements]:
        say(console, line)
    say(console, f"Conclusion: {conclusion(comparison)}")


def say(console: Console, line: str) -> None:
    """Print a line as it is."""
    console.print(line, highlight=False)


def write(table: Table, console: Console) -> None:
    """Print a table as wide as the screen: optional columns that do not fit are left out, and named below it."""
    prose = [place for place, column in enumerate(table.columns) if column.nature is Nature.PROSE]
    told = [f"{shown(row.cells[0])}: {shown(row.cells[place])}" for row in table.rows for place in prose]
    whole = table.without(Nature.DRAWING, Nature.PROSE)
    fitting, left = _fitting(whole, console.width)
    if left:
        told = [f"A wider screen also shows: {', '.join(left)}. The report has everything.", *told]
    screen = Screen(title=table.title, title_justify="left", caption_justify="left")
    screen.caption = "\n".join(filter(None, (table.caption, *told)))
    for column in fitting.columns:
        _add(screen, column)
    for group, rows in groupby(fitting.rows, key=lambda row: row.group):
        if group:
            screen.add_section()
            screen.add_row(group)
        for row in rows:
            screen.add_row(*_cells(row, table.usual, indent="  " if group else ""))
    console.print(screen)


def _add(screen: Screen, column: Column) -> None:
    label = column.nature is Nature.LABEL
    screen.add_column(
        "\n".join(_heading(column)),
        justify="right" if column.nature is Nature.FIGURE else "left",
        overflow="fold",
        max_width=LABEL if label else None,
        no_wrap=column.nature is Nature.FIGURE,
    )


def _heading(column: Column) -> list[str]:
    group = [IN_SHORT.get(column.group, column.group)] if column.group else []
    return [*group, *wrap(column.heading, HEADING, break_long_words=False)]


def _cells(row: Row, usual: str, indent: str = "") -> list[str]:
    first, *others = row.cells
    name = f"{indent}{_cell(first, usual)}{' *' if row.best else ''}"
    return [name, *(_cell(cell, usual) for cell in others)]


def _cell(cell: Cell, usual: str) -> str:
    """A value with what belongs to it; where it comes from stands below it."""
    words = " ".join(filter(None, (shown(cell), cell.note)))
    return words if cell.value is None or cell.origin in ("", usual) else f"{words}\n{cell.origin}"


def _fitting(table: Table, width: int) -> tuple[Table, list[str]]:
    """The table without the optional columns that do not fit, the last ones first, and the names of these."""
    left: list[str] = []
    while _width(table) > width:
        optional = [column for column in table.columns if column.optional]
        if not optional:
            break
        last = optional[-1]
        gone = [column for column in optional if column is last or (last.group and column.group == last.group)]
        left = [last.group or last.heading, *left]
        table = table.only([column.key for column in table.columns if column not in gone])
    return table, left


def _width(table: Table) -> int:
    """How many letters a table needs at least."""
    needed = 1
    for place, column in enumerate(table.columns):
        cells = [_cell(row.cells[place], table.usual) for row in table.rows]
        longest = max((len(line) for cell in cells for line in cell.splitlines()), default=0)
        folds = column.nature is not Nature.FIGURE
        needed += EDGES + max(min(longest, LEAST) if folds else longest, *map(len, _heading(column)), 1)
    return needed


def _provenance(comparison: Comparison) -> list[str]:
    made = comparison.provenance
    rows = ", ".join(f"{count} {agent}" for agent, count in made.test_rows.items())
    return [
        f"Data {made.data} (fingerprint {made.fingerprint}), model {made.model}, scale {made.scale}, seeds "
        f"{', '.join(map(str, made.seeds))}; scored on {rows or 'no'} test answers; machine: {made.machine}.",
        *([f"Command: {made.command}"] if made.command else []),
        *([f"Scale {made.scale}: {made.scale_note}"] if made.scale_note else []),
    ]


def _reading(comparison: Comparison) -> list[str]:
    """How to read the tables, in sentences; reasons and doubts have the marks that the table names."""
    lines = []
    if reasons := why(comparison):
        lines += [f"{WHY}:", *(f"  {place}. {reason}" for place, reason in enumerate(reasons, start=1))]
    if open_ := doubts(comparison):
        lines += [f"{DOUBTS}:", *(f"  {letter(place)}. {doubt}" for place, doubt in enumerate(open_))]
    if comparison.contrasts and comparison.minimum is not None:
        lines.append(minimum_in_words(comparison.minimum))
    return [*lines, *reading(comparison), *(f"Note: {note}" for note in notes(comparison))]
