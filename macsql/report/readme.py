"""What stands in the READMEs of experiments/ between two marks, written from comparisons and never by hand."""

import re
from dataclasses import replace
from pathlib import Path

from macsql.charts.canvas import as_file
from macsql.charts.learning_curve import learning_curve
from macsql.comparison.experiment import Comparison
from macsql.comparison.published import systems
from macsql.comparison.systems import systems_with_ours
from macsql.errors import UserError
from macsql.report.conclusion import conclusion, conclusion_in_short, ours_in_words, poster_in_words
from macsql.report.markdown import bullets, lines, markdown, with_title
from macsql.report.notes import reading
from macsql.report.table import Column, Nature, Table, shown, text
from macsql.report.tables.answers import answers_table, systems_table
from macsql.report.tables.poster import WHY, epoch_table, poster_table, why
from macsql.report.tables.statistics import effects_table
from macsql.report.tables.trials import settings_in_short
from macsql.system.files import write_output

BEGIN = "<!-- written by python -m macsql.compare -->"
END = "<!-- end of what is written -->"
HEAD = ("experiment", "poster", "ours", "conclusion")
POSTER = ("figure", "setting", "poster", "ours", "difference", "about")  # columns that a README has room for
EFFECTS = ("figure", "difference", "interval", "student")
ROW = re.compile(r"\| \[[^\]]*\]\(([^)]+)/README\.md\) \|")
MADE = re.compile(r"- `([^`]+)`: ")
CURVE = "learning_curve.svg"  # beside the README of an experiment that has one


def write_overview(comparison: Comparison, path: Path) -> Path:
    """Put one experiment's row into the table of experiments/README.md, and below it what made its figures.

    The rows of other experiments stay, unless they were written under another heading.
    """
    head = lines(HEAD, [])
    row = [
        f"[{comparison.published.title}]({comparison.name}/README.md)",
        poster_in_words(comparison),
        ours_in_words(comparison),
        conclusion_in_short(comparison),
    ]
    before = _between(path)
    there = before.splitlines() if head in before else []
    rows = {found[1]: line for line in there if (found := ROW.match(line))}
    made = {found[1]: line for line in there if (found := MADE.match(line))}
    rows[comparison.name] = lines(row, []).splitlines()[0]
    made[comparison.name] = f"- `{comparison.name}`: {_made(comparison)}"
    text = [head, *rows.values(), "", "Made by:", "", *made.values(), *_systems(path.parent)]
    return write_between(path, "\n".join(text))


def write_results(comparison: Comparison, path: Path) -> Path:
    """What came out of one experiment, in its README: the conclusion, the learning curve and the tables."""
    parts = [conclusion(comparison), ""]
    if (drawing := learning_curve(comparison.settings)) is not None:
        write_output("--publish", path.parent / CURVE, [as_file(drawing)])
        parts += [f"![Shares of right answers against training rows]({CURVE})", ""]
    if comparison.beside:
        parts += [markdown(poster_table(comparison).only(POSTER)), "", *bullets(WHY, why(comparison))]
        for epochs in comparison.epochs:
            parts += with_title(epoch_table(epochs))
    if len(comparison.settings) > 1 or not comparison.beside:
        parts += with_title(settings_in_short(comparison))
    parts += with_title(_grouped_first(effects_table(comparison).only(EFFECTS), "effect"))
    parts += with_title(answers_table(comparison))
    parts += bullets("How to read the figures", reading(comparison))
    parts.append(f"Made by {_made(comparison)}")
    return write_between(path, "\n".join(parts))


def write_between(path: Path, text: str) -> Path:
    """Put `text` between the two marks of a README, the rest untouched. Raises UserError where a mark is missing."""
    old = _between(path)
    before, _, after = path.read_text(encoding="utf-8").partition(f"{BEGIN}{old}{END}")
    write_output("--publish", path, [f"{before}{BEGIN}\n{text.strip()}\n{END}{after}"])
    return path


def _grouped_first(table: Table, heading: str) -> Table:
    """The same table with the names of its groups of rows as a first column: Markdown has no other way to show them."""
    rows = tuple(replace(row, cells=(text(row.group), *row.cells)) for row in table.rows)
    return replace(table, columns=(Column("group", heading, Nature.LABEL), *table.columns), rows=rows)


def _systems(folder: Path) -> list[str]:
    """The published figures of whole systems, whatever this project has measured."""
    table = systems_table(systems_with_ours(systems(folder), None))
    about = [f"- {shown(row.cells[0])}: {shown(row.cells[-1])}" for row in table.rows]  # too long for a cell
    whole = markdown(table.without(Nature.PROSE))
    return ["", f"{table.title}. {table.caption}", "", whole, "", *about] if table.rows else []


def _between(path: Path) -> str:
    whole = path.read_text(encoding="utf-8") if path.exists() else ""
    if whole.count(BEGIN) != 1 or whole.count(END) != 1 or whole.index(BEGIN) > whole.index(END):
        raise UserError(f"{path} needs one line {BEGIN!r} and, behind it, one line {END!r} for its table.")
    return whole.partition(BEGIN)[2].partition(END)[0]


def _made(comparison: Comparison) -> str:
    made = comparison.provenance
    seeds = ", ".join(map(str, made.seeds))
    return (
        f"`{made.command or 'a command that was not recorded'}` on {made.machine}; code {made.code}, data {made.data} "
        f"(fingerprint {made.fingerprint}), model {made.model}, scale {made.scale}, seeds {seeds}."
    )
