"""The table model and its writers: one table, the same values in each."""

import csv
import io

import pytest
from markupsafe import Markup
from rich.console import Console

from macsql.report import csv_files, terminal
from macsql.report.html import _environment
from macsql.report.markdown import markdown
from macsql.report.table import Cell, Column, Format, Nature, Row, Table, drawing, figure, shown, signed, text

TABLE = Table(
    "t",
    "Title",
    (
        Column("name", "name", Nature.LABEL),
        Column("score", "score", group="all agents"),
        Column("loss", "loss", group="all agents", optional=True),
        Column("bar", "bar", Nature.DRAWING),
        Column("about", "about", Nature.PROSE),
    ),
    (
        Row(
            (text("a|b", "(new)"), figure(0.25, "±0.010"), figure(None), drawing(Markup("<i>x</i>")), text("Says.")),
            best=True,
        ),
        Row((text("<b>"), figure(12.0, origin="poster"), signed(-0.5), drawing(Markup("<i>y</i>")), text("")), "group"),
    ),
    "Caption.",
)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (figure(0.8125), "0.812"),
        (figure(2029.0), "2029"),
        (figure(3), "3"),
        (figure(3.0), "3.000"),
        (figure(None), "-"),
        (signed(0.5), "+0.500"),
        (signed(-0.0001), "+0.000"),
        (signed(-1469.0), "-1469"),
        (Cell(0.374343, Format.SIX), "0.374343"),
        (Cell(59.39, Format.SHORT), "59.39"),
        (Cell(0.4188, Format.SHARE), "41.9%"),
        (Cell(0.0002, Format.CHANCE), "<0.001"),
        (Cell(0.05, Format.CHANCE), "0.050"),
        (text("as it is"), "as it is"),
        (drawing(Markup("<svg/>")), ""),
    ],
)
def test_a_cell_is_shown_by_its_format(cell, words):
    assert shown(cell) == words


def test_markdown_has_every_column_but_drawings():
    head, _, first, second = markdown(TABLE).splitlines()
    assert head == "| name | all agents, score | all agents, loss | about |"
    assert first == "| a\\|b (new) * | 0.250 ±0.010 | - | Says. |"
    assert second == "| <b> | 12 | -0.500 |  |"


def test_a_file_has_raw_values_under_the_keys(tmp_path):
    with csv_files.write(TABLE.without(Nature.DRAWING), tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {"name": "a|b", "score": "0.25", "loss": "", "about": "Says."}


def test_the_page_escapes_texts_and_draws_what_is_drawn():
    page = str(_environment().get_template("table.html.jinja").module.table(TABLE))
    assert "&lt;b&gt;" in page
    assert "<i>x</i>" in page
    assert '<th colspan="2">all agents</th>' in page
    assert '<span class="kind poster">poster</span>' in page
    assert page.count("<tbody>") == 2
    assert ">group</th>" in page


@pytest.mark.parametrize(("width", "loss"), [(80, True), (36, False)])
def test_a_screen_leaves_out_what_does_not_fit_and_says_so(width, loss):
    lines = io.StringIO()
    terminal.write(TABLE, Console(file=lines, width=width))
    said = lines.getvalue()
    assert ("loss" in said.splitlines()[3]) == loss
    assert ("A wider screen also shows" in said) != loss
    assert "<i>" not in said
    assert "a|b: Says." in said
    assert max(map(len, said.splitlines())) <= width
