"""The one table model: built once for each table of a comparison, written by the terminal, Markdown, HTML and CSV.

A cell keeps its value as it is, and how it is to be shown. Writers decide nothing but the look: the terminal leaves out
columns that do not fit, the page draws what has a drawing, a CSV file has the raw values.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby

from markupsafe import Markup

COUNT = 10.0  # from which on a figure without a fraction is a count
DASH = "-"
Value = str | float | int | None


class Format(StrEnum):
    """How a value is shown."""

    TEXT = "text"
    FIGURE = "figure"  # a score or a loss to three digits, a count as a whole number
    SIGNED = "signed"  # the same with its sign: a difference
    SIX = "six"  # a loss as the poster prints it
    SHORT = "short"  # four digits at most
    SHARE = "share"  # a percentage
    CHANCE = "chance"  # a p value
    MARKUP = "markup"  # a drawing; nothing where only text is shown


class Nature(StrEnum):
    """What a column holds, which is all that a writer needs to know to lay it out."""

    LABEL = "label"  # names its row: on the left, and never left out
    FIGURE = "figure"  # on the right
    TEXT = "text"  # on the left
    PROSE = "prose"  # sentences: the terminal prints them below the table
    DRAWING = "drawing"  # on the page alone


@dataclass(frozen=True)
class Column:
    """One column; columns of the same group stand together under its name."""

    key: str
    heading: str
    nature: Nature = Nature.FIGURE
    group: str = ""
    optional: bool = False  # left out where there is no room


@dataclass(frozen=True)
class Cell:
    """A value, how it is shown, and what belongs to it."""

    value: Value = None  # None: there is nothing
    format: Format = Format.TEXT
    note: str = ""  # behind it, or below it in small letters
    origin: str = ""  # where a figure comes from (macsql.comparison.side_by_side.Origin)


@dataclass(frozen=True)
class Row:
    """One line; lines of the same group stand together under its name."""

    cells: tuple[Cell, ...]
    group: str = ""
    best: bool = False


@dataclass(frozen=True)
class Table:
    """A table with its title and the sentences that one needs to read it."""

    name: str  # unique on a page
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    caption: str = ""
    usual: str = ""  # the origin of most cells, which need not be said at each

    def only(self, keys: Collection[str]) -> "Table":
        """The same table with these columns alone, in their order here."""
        kept = [place for place, column in enumerate(self.columns) if column.key in keys]
        rows = tuple(replace(row, cells=tuple(row.cells[place] for place in kept)) for row in self.rows)
        return replace(self, columns=tuple(self.columns[place] for place in kept), rows=rows)

    def without(self, *natures: Nature) -> "Table":
        """The same table without the columns of these natures."""
        return self.only([column.key for column in self.columns if column.nature not in natures])

    @property
    def groups(self) -> list[tuple[str, list[Column]]]:
        """The columns under the names of their groups, in their order; a column without a group is its own."""
        return [
            (group, list(columns))
            for (group, _), columns in groupby(
                self.columns, key=lambda column: (column.group, "" if column.group else column.key)
            )
        ]


def text(value: str, note: str = "", origin: str = "") -> Cell:
    """A cell of text."""
    return Cell(value, Format.TEXT, note, origin)


def figure(value: float | None, note: str = "", origin: str = "") -> Cell:
    """A cell with a score, a loss or a count."""
    return Cell(value, Format.FIGURE, note, origin)


def signed(value: float | None, note: str = "") -> Cell:
    """A cell with a difference."""
    return Cell(value, Format.SIGNED, note)


def shown(cell: Cell) -> str:
    """A cell's value in letters."""
    value = cell.value
    if value is None:
        return DASH
    if isinstance(value, str):
        return "" if cell.format is Format.MARKUP else value
    if isinstance(value, int) and cell.format is Format.FIGURE:
        return str(value)
    match cell.format:
        case Format.SIGNED:
            return _digits(round(value, 3) + 0.0, "+.3f")  # what rounds to 0 is not below it
        case Format.SIX:
            return f"{value:.6f}"
        case Format.SHORT:
            return f"{value:.4g}"
        case Format.SHARE:
            return f"{value:.1%}"
        case Format.CHANCE:
            return "<0.001" if value < 0.001 else f"{value:.3f}"
        case Format.FIGURE:
            return _digits(value, ".3f")
    return str(value)


def difference_in_words(value: float) -> str:
    """A difference with its sign, inside a sentence."""
    return shown(signed(value))


def drawing(markup: Markup) -> Cell:
    """A cell that is drawn."""
    return Cell(markup, Format.MARKUP)


def _digits(value: float, spec: str) -> str:
    whole = abs(value) >= COUNT and float(value).is_integer()
    return format(value, spec.replace(".3", ".0") if whole else spec)
