"""Evaluations of the three agents end to end, kept and put beside the published systems."""

import dataclasses

import pytest

from macsql.comparison.evaluated import FOLDER, NAME, Evaluated, evaluations, write_evaluated
from macsql.comparison.published import Benchmark, systems
from macsql.comparison.side_by_side import Origin
from macsql.comparison.systems import on_benchmarks, systems_with_ours
from macsql.errors import UserError

SEATS = {"selector": "ours", "decomposer": "ours", "refiner": "ours"}
ONE = Evaluated(
    "spider-test-1", "model", SEATS, "spider", "dev", 475, False, {"spider-ex": 0.4, "spider-em": 0.3},
    {"spider-ex": 475, "spider-em": 470}, {}, "f", "c", 1.0,
)  # fmt: skip


def test_what_is_written_is_read_back_the_newest_last(tmp_path):
    later = dataclasses.replace(ONE, key="b", time=2.0)
    write_evaluated(tmp_path / FOLDER / "a", [later])
    write_evaluated(tmp_path / FOLDER / "b", [ONE])
    assert evaluations(tmp_path) == [ONE, later]
    assert evaluations(tmp_path / "nothing") == []


@pytest.mark.parametrize("text", ["{", "3", '[{"key": 1}]'])
def test_another_file_is_named(tmp_path, text):
    (tmp_path / FOLDER / "a").mkdir(parents=True)
    (tmp_path / FOLDER / "a" / NAME).write_text(text)
    with pytest.raises(UserError, match=r"is not what this version of macsql\.evaluate writes"):
        evaluations(tmp_path)


def test_an_evaluation_stands_beside_the_published_systems_cell_by_cell():
    rows = systems_with_ours(systems(), None, [ONE])
    assert [row.name for row in rows[:3]] == ["GPT-4", "SQL-Llama 7B", "T5-small"]
    own = rows[-1]
    assert own.name == "end to end: ours"
    measured = {key: figure for key, figure in own.figures.items() if figure.origin is Origin.MEASURED}
    assert set(measured) == {Benchmark("spider", "dev", "ex"), Benchmark("spider", "dev", "spider_em")}
    figure = measured[Benchmark("spider", "dev", "ex")]
    assert (figure.value, figure.text, figure.protocol) == (40.0, "40 (n = 475 of 1034)", "spider-ex")
    assert all(figure.value is None for key, figure in own.figures.items() if key not in measured)


def test_what_nobody_has_published_a_figure_of_is_a_column_of_its_own():
    """GeoQuery's EX: others report exact match, which is not the same."""
    own = dataclasses.replace(
        ONE, corpus="geoquery", part="question", scores={"spider-ex": 0.5}, judged={"spider-ex": 48}
    )
    rows = systems_with_ours(systems(), None, [own])
    benchmark = Benchmark("geoquery", "question", "ex")
    assert benchmark.title == "GeoQuery question split, EX"
    assert rows[-1].figures[benchmark].text == "50 (n = 48)"
    assert {row.figures[benchmark].origin for row in rows[:-1]} == {Origin.NONE}
    assert not [row for row in systems_with_ours(systems(), None, [ONE]) if benchmark in row.figures]


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, True),
        ({"cell": "refiner none"}, False),
        ({"seats": SEATS | {"refiner": "oracle"}}, False),
        ({"corpus": "pocket"}, False),
        ({"part": "train"}, False),
    ],
    ids=str,
)
def test_only_what_answers_a_published_benchmark_without_its_gold_is_shown(changes, kept):
    assert on_benchmarks([dataclasses.replace(ONE, **changes)], systems()) == ([ONE] if kept else [])


def test_the_newest_of_the_same_seats_is_shown():
    newer = dataclasses.replace(ONE, time=5.0)
    assert on_benchmarks([ONE, newer], systems()) == [newer]
