"""Drawings: scales that hold their values, marks that escape, lines that nothing breaks."""

import math
import xml.etree.ElementTree as ElementTree

import pytest
from hand_made import verdicts
from hypothesis import example, given
from hypothesis import strategies as st

from macsql.charts import answers, learning_curve, losses, search
from macsql.charts.canvas import Plot, as_file, element, number, picture, scale, shortened, thinned
from macsql.comparison.experiment import compare
from macsql.comparison.generation import AgentAnswers
from macsql.comparison.statistics import Interval
from macsql.search.space import Range as Axis

NUMBERS = st.floats(min_value=-1e9, max_value=1e9)


@example([0.02])  # its first tick, rounded, lies a hair below the axis
@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_a_scale_keeps_order_and_stays_on_its_axis(values):
    made = scale(values, 100, 300)
    places = [made(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(100 <= place <= 300 for place in places)
    assert all(made.low <= tick <= made.high for tick in made.ticks)


@pytest.mark.parametrize(
    ("values", "log", "ticks"),
    [
        ([0.0, 10.0], False, [0, 2, 4, 6, 8, 10]),
        ([0.5, 1.0], False, [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
        ([0.1, 10.0], True, [0.1, 0.2, 0.5, 1, 2, 5, 10]),
        ([1e-5, 1.0], True, [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1]),
        ([0.0, 1000.0], False, [0, 200, 400, 600, 800, 1000]),
    ],
)
def test_ticks_are_round(values, log, ticks):
    made = scale(values, 0, 100)
    assert made.log is log
    assert made.ticks == pytest.approx(ticks)


@pytest.mark.parametrize("values", [[], [math.nan, math.inf], [3.0], [0.0, 0.0], [-2.0, -2.0]])
def test_a_scale_of_nothing_or_of_one_value(values):
    made = scale(values, 0, 100)
    assert made.low < made.high
    assert len(made.ticks) > 1


def test_a_log_axis_is_even_in_ratios():
    made = scale([1.0, 100.0], 0, 100, room=0)
    assert made(10.0) == pytest.approx(50)


def test_what_is_not_a_number_breaks_no_line():
    plot = Plot(scale([0.0, 2.0], 0, 100), scale([0.0, 2.0], 100, 0))
    drawn = plot.line([(0, 1), (1, math.nan), (2, math.inf), (2, 2)], "red")
    assert "nan" not in drawn
    assert "inf" not in drawn
    assert plot.line([(0, 1), (1, math.nan)], "red") == ""


@given(st.lists(st.floats(0, 100), max_size=500), st.integers(4, 60))
def test_thinning_keeps_the_ends_of_the_range_and_the_order(losses, most):
    points = [(float(place), loss) for place, loss in enumerate(losses)]
    kept = thinned(points, most)
    assert len(kept) <= max(most, 2) + 2
    assert kept == sorted(kept)
    assert set(kept) <= set(points)
    if points:
        assert min(y for _, y in kept) == min(losses)
        assert max(y for _, y in kept) == max(losses)


@given(st.text(), st.text())
def test_elements_escape_what_they_are_given(text, attribute):
    drawn = picture(10, 10, attribute, element("text", f"_{text}", title=attribute))
    assert drawn.count("<") == drawn.count(">") == 4  # svg and text, opened and closed
    assert drawn.count('"') == 2 * len(("viewBox", "class", "role", "aria-label", "title"))


def test_numbers_as_an_axis_shows_them():
    assert [number(value) for value in (0, 3e-5, 0.25, 12.0, 1e-4)] == ["0", "3e-5", "0.25", "12", "0.0001"]
    assert shortened("learning_rate", 6) == "learn…"


def test_importance_has_a_bar_for_each_setting():
    drawn = search.importance({"trainer.learning_rate": 0.75, "mixture": 0.25})
    texts = [node.text for node in ElementTree.fromstring(drawn).iter("text")]
    assert texts == ["learning_rate", "75%", "mixture", "25%"]
    assert search.importance({}) is None


def test_only_keys_that_all_name_and_that_vary_are_axes():
    points = [{"a": 1, "b": 1, "c": 1}, {"a": 2, "b": 1}]
    assert search.varied(points) == ["a"]
    assert search.varied([]) == []


def test_an_interval_axis_lies_by_value_and_words_stand_in_order():
    space = {"rate": Axis(1e-5, 1e-3, log=True, integer=False)}
    axis = search._axis("rate", [1e-5, 1e-4], space, 0, 100)
    assert [axis.height(value) for value in (1e-5, 1e-4, 1e-3)] == pytest.approx([100, 50, 0])
    batch = search._axis("batch", [8, 4], {}, 0, 100)
    assert batch.height(4) > batch.height(8)


@pytest.mark.parametrize(("batch", "pair"), [(4, (0.227, 0.27)), (8, (0.47, 0.45)), (16, (None, None))])
def test_a_trial_has_the_posters_pair_of_its_own_arm(sweeps, batch, pair):
    sweeps.trial("batch_size", 0, {"trainer.per_device_train_batch_size": batch}, verdicts({1}))
    comparison = compare("batch_size", sweeps.state)
    found = losses.poster_losses(comparison.published, comparison.trials[0])
    assert (found.train_level, found.eval_level) == pair


def test_a_bar_of_answers_is_as_wide_as_their_shares():
    row = AgentAnswers("selector", 3, 1, 0, None, (("missing column", 1),), None)
    colours = answers.failure_colours([row])
    drawn = ElementTree.fromstring(answers.answers_bar(row, colours))
    assert [float(piece.get("width")) for piece in drawn.iter("rect")] == [answers.WIDTH * 0.75, answers.WIDTH * 0.25]
    assert answers.RIGHT not in colours.values()


@pytest.mark.parametrize(
    ("ends", "colour"), [((-0.1, 0.2), "#1f2933"), ((0.1, 0.3), "#0072b2"), ((-0.3, -0.1), "#d55e00")]
)
def test_an_interval_without_0_has_a_colour(ends, colour):
    low, high = ends
    assert f'fill="{colour}"' in answers.interval_bar(Interval((low + high) / 2, low, high), 0.5)


@pytest.fixture
def curved(sweeps):
    """5 of 20 questions right after 300 rows, 15 after 3,000, written in another order than drawn."""
    for index, (rows, right) in enumerate([(3000, 15), (300, 5)]):
        sweeps.trial("rows", index, {"mixture.rows": rows}, verdicts(set(range(right))))
    return compare("rows", sweeps.state)


def test_a_learning_curve_has_its_shares_and_intervals_by_rows(curved):
    settings = sorted(curved.settings, key=lambda setting: setting.values["mixture.rows"])
    points = learning_curve.curve(settings, "decomposer/execution_accuracy")
    assert [(rows, share.value) for rows, share in points] == [(300, 0.25), (3000, 0.75)]
    assert points[0][1].low == pytest.approx(0.0866, abs=1e-4)  # 5 of 20, Clopper and Pearson
    assert points[0][1].high == pytest.approx(0.4910, abs=1e-4)
    drawing = learning_curve.learning_curve(curved.settings)
    assert "EX, Decomposer 0.25 at 300, 0.75 at 3000" in drawing
    lines = list(ElementTree.fromstring(drawing).iter("polyline"))
    assert len(lines) == len(learning_curve.METRICS)
    assert all(node.get("points") == lines[0].get("points") for node in lines)  # every agent is right as often here
    names = [
        float(node.get("y")) for node in ElementTree.fromstring(drawing).iter("text") if node.get("class") == "label"
    ]
    assert all(
        low + learning_curve.NEAREST <= high for low, high in zip(sorted(names), sorted(names)[1:], strict=False)
    )


def test_a_learning_curve_is_a_file_of_its_own(curved):
    whole = ElementTree.fromstring(as_file(learning_curve.learning_curve(curved.settings)))
    assert whole.tag == "{http://www.w3.org/2000/svg}svg"
    assert (whole[0].tag, whole[1].get("fill")) == ("{http://www.w3.org/2000/svg}style", "#ffffff")


def test_two_models_are_two_lines_of_one_figure(sweeps):
    rates = {"pocket": 1e-4, "pocket_scratch": 2e-3}
    for index, (model, rows) in enumerate((model, rows) for model in rates for rows in (400, 100)):
        point = {"model": model, "trainer.learning_rate": rates[model], "mixture.rows": rows}
        sweeps.trial("models", index, point, verdicts(set(range(rows // 50 if model == "pocket" else 1))))
    drawing = learning_curve.learning_curve(compare("models", sweeps.state).settings)
    assert "pocket, 0.0001 0.10 at 100, 0.40 at 400; pocket_scratch, 0.002 0.05 at 100, 0.05 at 400" in drawing
    tree = ElementTree.fromstring(drawing)
    assert len(list(tree.iter("polyline"))) == 2
    assert any("EX, Decomposer" in (node.text or "") for node in tree.iter("text"))


@pytest.mark.parametrize(
    "points", [[{"mixture.rows": 10}, {"mixture.rows": 20, "seed": 1}], [{"seed": 1}, {"seed": 2}]]
)
def test_no_curve_where_no_line_has_two_points(sweeps, points):
    for index, point in enumerate(points):
        sweeps.trial("other", index, point, verdicts({1}))
    assert learning_curve.learning_curve(compare("other", sweeps.state).settings) is None
