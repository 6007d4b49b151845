"""The poster's figures, cell by cell, against the poster's own text."""

import json
import re

import pytest

from macsql.comparison.figures import protocol
from macsql.comparison.published import Benchmark, matches, published, systems
from macsql.comparison.reasons import Kind
from macsql.errors import UserError
from macsql.places import EXPERIMENTS

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


def posters_tables(text):
    """Experiment 1's two tables of (epoch, training loss, validation loss), each with what follows it, in order."""
    blocks = text.split("Epoch\tTraining Loss\tValidation Loss")[1:]
    line = re.compile(r"^(\d+)\t(0\.\d{6})\t(0\.\d{6})$", re.MULTILINE)
    return [([(int(epoch), train, loss) for epoch, train, loss in line.findall(block)], block) for block in blocks]


def posters_cells(text):
    """Every figure of the poster's experiments, read from its text: (experiment, setting, metric, what is printed)."""
    for setting, (rows, rest) in zip(("real", "undersample"), posters_tables(text), strict=True):
        _, train, evaluation = min(rows, key=lambda row: row[2])
        for metric, printed in (
            ("pair/train_loss", train),
            ("pair/eval_loss", evaluation),
            ("all/rouge_l", re.search(r"Rouge_L: ([\d.]+)", rest)[1]),
            ("all/exact_match", re.search(r"EM: ([\d.]+)", rest)[1]),
        ):
            yield "balance", {"mixture": setting}, metric, printed
    number = r"([\d.]+)"
    for batch, *printed in re.findall(rf"^(\d+)\nBest pair: {number}, {number}\nRouge: {number}$", text, re.MULTILINE):
        for metric, value in zip(("pair/train_loss", "pair/eval_loss", "all/rouge_l"), printed, strict=True):
            yield "batch_size", {"trainer.per_device_train_batch_size": int(batch)}, metric, value
    third = re.search(rf"BS: \[4, 8\]\s+Best pair: {number}, {number}\s+EX: {number}\s+Rouge: {number}", text).groups()
    metrics = ("pair/train_loss", "pair/eval_loss", "all/execution_accuracy", "all/rouge_l")
    for metric, value in zip(metrics, third, strict=True):
        yield "lr_bs", None, metric, value
    for agent, count in re.findall(r"^- (Decomposer|Refiner|Selector) count: (\d+)$", text, re.MULTILINE):
        yield "balance", {"mixture": "real"}, f"{agent.lower()}/train_rows", count
    for agent, right, wrong in re.findall(r"^(Decomposer|Refiner|Selector)\t(\d)\t(\d)\t\d+%\t", text, re.MULTILINE):
        yield "generation", None, f"{agent.lower()}/accuracy", f"{right} of {int(right) + int(wrong)}"


def test_every_figure_of_the_poster_stands_at_its_setting_and_none_is_left_out(text):
    kept = [
        (name, figure.setting, figure.metric, figure.printed) for name in POSTERS for figure in published(name).figures
    ]
    said = list(posters_cells(text))
    assert len(said) == 8 + 3 + 6 + 4 + 3
    assert sorted(kept, key=str) == sorted(said, key=str)


def test_the_tables_of_losses_are_the_posters(text):
    curves = published("balance").curves
    kept = [list(zip(curve.epochs, curve.train_loss, curve.eval_loss, strict=True)) for curve in curves]
    said = [[(epoch, float(train), float(loss)) for epoch, train, loss in rows] for rows, _ in posters_tables(text)]
    assert kept == said
    assert [len(rows) for rows in said] == [10, 10]
    assert [curve.setting for curve in curves] == [{"mixture": "real"}, {"mixture": "undersample"}]
    assert all(curve.heading == "Real distribution" and "heads both tables" in curve.doubt for curve in curves)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_says_what_a_cell_needs(name):
    found = published(name)
    assert found.title
    assert found.question.endswith("?")
    assert set(found.conditions) == {"data", "model", "scale", "seeds", "protocol"}
    for figure in found.figures:
        assert protocol(figure.metric), figure.metric
        assert set(figure.reasons) <= set(Kind)
        assert figure.doubt.endswith(".")
        assert ("without saying which" in figure.doubt) == figure.quote.startswith("Rouge:")


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
    assert found[1].figures == {
        Benchmark("bird", "dev", "ex"): 43.94,
        Benchmark("bird", "dev", "ves"): 57.36,
        Benchmark("spider", "dev", "ex"): 76.25,
    }
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
    known = {"name": "x", "model": "y", "on_poster": False, "source": "z"}
    figure = {"corpus": "spider", "part": "dev", "rule": "charm", "percent": 1}
    (tmp_path / "systems.json").write_text(json.dumps({"systems": [known | {"figures": [figure]}]}))
    with pytest.raises(UserError, match=r"systems\.json is not a file of systems \('charm'\)"):
        systems(tmp_path)
    assert published("unheard_of", tmp_path).figures == ()
