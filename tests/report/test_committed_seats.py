"""The seat matrices in experiments/seats/: the page's tables follow from the verdicts beside it."""

import csv
import xml.etree.ElementTree as ElementTree

import pytest

from macsql.charts.canvas import as_file
from macsql.charts.seats import seats_chart
from macsql.comparison.statistics import exact_interval
from macsql.evaluation.cells import BASE
from macsql.evaluation.matrix import worths
from macsql.places import REPO
from macsql.report.markdown import markdown
from macsql.report.tables.seats import read_marks, worth_table

FOLDER = REPO / "experiments" / "seats"
MATRICES = sorted(FOLDER.glob("*.csv"))
PROTOCOL = "spider-ex"


def marks(path):
    with path.open(newline="", encoding="utf-8") as file:
        return read_marks(list(csv.DictReader(file)))


def test_they_are_there():
    assert len(MATRICES) >= 3
    assert all(len(next(iter(marks(path).values()))) >= 48 for path in MATRICES)


@pytest.mark.parametrize("path", MATRICES, ids=lambda path: path.stem)
def test_the_page_says_what_follows_from_the_verdicts(path):
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert markdown(worth_table(worths(marks(path)), PROTOCOL)) in page
    assert f"]({path.stem}.svg)" in page
    section = page.partition(f"]({path.stem}.svg)")[2].partition("\n## ")[0]
    for scores in marks(path).values():
        judged = [score.value for score in scores if score.value is not None]
        found = exact_interval(round(sum(judged)), len(judged))
        assert f"| {100 * found.value:.1f} ({100 * found.low:.0f}-{100 * found.high:.0f}) |" in section


@pytest.mark.parametrize("path", MATRICES, ids=lambda path: path.stem)
def test_the_picture_is_drawn_from_them(path):
    scores = marks(path)
    judged = [score.value for score in scores[BASE] if score.value is not None]
    drawn = as_file(seats_chart(worths(scores), PROTOCOL, sum(judged) / len(judged)))
    assert path.with_suffix(".svg").read_text(encoding="utf-8") == drawn
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
