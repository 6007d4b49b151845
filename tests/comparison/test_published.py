"""The poster's figures, cell by cell, against the poster's own text."""

import json
import re

import pytest

from macsql.comparison.figures import protocol
from macsql.comparison.published import EXPERIMENTS, matches, published, systems
from macsql.comparison.side_by_side import REASONS
from macsql.errors import UserError

NAMES = sorted(path.parent.name for path in EXPERIMENTS.glob("*/published.json"))
POSTERS = ("balance", "batch_size", "generation", "lr_bs")


@pytest.fixture(scope="module")
def text(shared):
    [path] = (shared / "design").glob("poster_*.txt")
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_every_quote_is_the_posters(name, text):
    for figure in published(name).figures:
        assert figure.quote in text
        if figure.printed != "0 of 2":
            assert figure.printed in figure.quote
            assert float(figure.printed) == figure.value
        else:
            assert "\t0\t2\t0%" in figure.quote
            assert figure.value == 0


def test_the_tables_of_losses_are_the_posters(text):
    rows = [tuple(map(float, row)) for row in re.findall(r"^(\d+)\t(0\.\d{6})\t(0\.\d{6})$", text, re.MULTILINE)]
    curves = published("balance").curves
    kept = [row for curve in curves for row in zip(curve.epochs, curve.train_loss, curve.eval_loss, strict=True)]
    assert kept == rows
    assert len(rows) == 20
    assert [curve.arm for curve in curves] == [{"mixture": "real"}, {"mixture": "undersample"}]
    assert all(curve.heading == "Real distribution" and "heads both tables" in curve.doubt for curve in curves)


def test_no_figure_of_the_poster_is_left_out(text):
    """Every decimal of its experiments, and its zeros for exact match."""
    said = re.findall(r"(?:Rouge(?:_L)?|EX|EM): ([\d.]+)", text)
    said += [number for pair in re.findall(r"Best pair: ([\d.]+), ([\d.]+)", text) for number in pair]
    kept = [figure.printed for name in POSTERS for figure in published(name).figures]
    for number in set(said):
        assert kept.count(number) >= said.count(number), number


@pytest.mark.parametrize("name", NAMES)
def test_a_file_says_what_a_cell_needs(name):
    found = published(name)
    assert found.title
    assert found.question.endswith("?")
    assert set(found.setting) == {"data", "model", "scale", "seeds", "protocol"}
    for figure in found.figures:
        assert protocol(figure.metric), figure.metric
        assert set(figure.reasons) <= set(REASONS)
        assert figure.doubt.endswith(".")


def test_a_point_is_matched_by_value():
    assert matches({"trainer.per_device_train_batch_size": 4}, {"trainer.per_device_train_batch_size": "4", "x": 1})
    assert matches({}, {"x": 1})
    assert not matches({"mixture": "real"}, {"mixture": "undersample"})
    assert not matches({"mixture": "real"}, {})


def test_the_posters_three_systems_come_first():
    found = systems()
    assert [(row.name, row.on_poster) for row in found[:3]] == [
        ("GPT-4", True),
        ("SQL-Llama 7B", True),
        ("T5-small", True),
    ]
    assert found[1].figures == {"BIRD dev EX": 43.94, "BIRD dev VES": 57.36, "Spider dev EX": 76.25}
    assert found[2].figures == {}
    assert all(row.source for row in found)


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "published.json").write_text(json.dumps({"title": "x"}))
    with pytest.raises(UserError, match=r"published\.json is not a file of published figures"):
        published("x", tmp_path)
    (tmp_path / "systems.json").write_text("[")
    with pytest.raises(UserError, match=r"systems\.json is not a file of systems"):
        systems(tmp_path)
    assert published("unheard_of", tmp_path).figures == ()
