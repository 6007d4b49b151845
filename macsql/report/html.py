"""The comparison as one HTML file: no script, no network, nothing beside it.

Its words stand in templates/report.html.jinja, its look in templates/report.css, its drawings in
macsql.charts. Jinja escapes every text, and a Content-Security-Policy in the page forbids scripts and
requests, so that a model's answer cannot do anything but be read.
"""

import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from macsql.comparison.experiment import Comparison
from macsql.report.page import contents
from macsql.report.table import Cell, Row, shown
from macsql.system.files import write_output

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(__file__).parent / "templates"
LONGEST = 6000  # characters of a text that are shown
LINES = ("\n", "\t")


def write_html(comparison: Comparison, path: Path) -> Path:
    """Write the report of a comparison; returns `path`."""
    css = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))  # our own file
    text = _environment().get_template("report.html.jinja").render(css=css, **contents(comparison))
    write_output("--html", path, [text])
    return path


def seen(text: str) -> str:
    """A text with what cannot be seen made visible: control characters, and those that turn the direction of writing.

    Longer texts than LONGEST are cut, with a word on how much is missing.
    """
    shown = "".join(_symbol(letter) for letter in text[:LONGEST])
    rest = len(text) - LONGEST
    return f"{shown} … {rest} more characters" if rest > 0 else shown


def _symbol(letter: str) -> str:
    if letter in LINES or unicodedata.category(letter) not in {"Cc", "Cf", "Cs"}:
        return letter
    return f"⟨U+{ord(letter):04X}⟩"


@cache
def _environment() -> "jinja2.Environment":
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"seen": seen, "shown": _shown, "by_group": _by_group}
    return environment


def _shown(cell: Cell) -> str:
    """A value as the page's typography has it."""
    text = shown(cell)
    return "–" if text == "-" else text.replace("-", "−", 1) if not isinstance(cell.value, str) else text


def _by_group(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Rows under the names of their groups, in their order."""
    return [(group, list(found)) for group, found in groupby(rows, key=lambda row: row.group)]
