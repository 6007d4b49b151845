"""Search spaces in Hydra's grammar; these cases also pin what is used of Hydra's override parser."""

import pytest

from macsql.errors import UserError
from macsql.search.space import Choices, Range, grid, read_settings, read_space


@pytest.mark.parametrize(
    ("expression", "axis"),
    [
        ("choice(3e-5, 5e-5, 1e-4)", Choices((3e-5, 5e-5, 1e-4))),
        ("choice(real, undersample)", Choices(("real", "undersample"))),
        ("choice('a b', \"c,d\")", Choices(("a b", "c,d"))),
        ("choice(true, false)", Choices((True, False))),
        ("1, 2", Choices((1, 2))),
        ("range(1, 4)", Choices((1, 2, 3))),
        ("range(0, 1, 0.5)", Choices((0.0, 0.5))),
        ([3, None], Choices((3, None))),
        ("5", Choices((5,))),
        (5, Choices((5,))),
        ("interval(0, 1)", Range(0.0, 1.0, log=False, integer=False)),
        ("int(interval(1, 8))", Range(1.0, 8.0, log=False, integer=True)),
        ("tag(log, interval(1e-5, 1e-3))", Range(1e-5, 1e-3, log=True, integer=False)),
    ],
)
def test_expressions(expression, axis):
    assert read_space({"x": expression}) == {"x": axis}


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("[1e-3, 2e-3]", (0.001, 0.002)),  # a list in quotes
        ("[null, 3]", (None, 3)),
        ("choice('a, b', c)", ("a, b", "c")),
        ("null", (None,)),
    ],
)
def test_values_of_every_kind(expression, values):
    assert read_space({"x": expression}) == {"x": Choices(values)}


def test_nested_keys_are_dotted_and_null_takes_an_axis_away():
    tree = {"trainer": {"learning_rate": "choice(1, 2)", "seed": None}, "mixture": "choice(real)"}
    assert list(read_space(tree)) == ["trainer.learning_rate", "mixture"]


@pytest.mark.parametrize(
    ("expression", "word"),
    [
        ("choice()", "x"),
        ([], "no values"),
        ("choice(1, 1)", "twice"),
        ("choice(1", "not a search expression"),
        ("interval(2, 1)", "empty"),
        ("interval(1, 1)", "empty"),
        ("tag(log, interval(0, 1))", "above 0"),
        ("glob(*)", "glob"),
        ("range(1, 4, 0)", "no step may be 0"),
        ("range(0, 1e12)", "more than 10,000 values"),
        ("range(0, inf)", "no end"),
        ("range(4, 1)", "no values"),
        ("interval(0, inf)", "empty"),
        ("choice(1, nan)", "nan is not a number"),
        ("choice([1, 2], 3)", "not one value"),
        ("choice({a: 1})", "not one value"),
        ("tag(lgo, interval(1, 2))", "lgo"),
        ("tag(log, choice(1, 2))", "log"),
        ("shuffle(choice(1, 2))", "shuffle"),
        ("shuffle(range(1, 3))", "shuffle"),
        ("[1, 1]", "twice"),
        ("choice(null, 3)", "as in [null, 3]"),
    ],
)
def test_a_bad_expression_is_named(expression, word):
    with pytest.raises(UserError, match=r"search\.space\.x") as caught:
        read_space({"x": expression})
    assert word in str(caught.value)


def test_the_grid_walks_the_last_key_fastest():
    space = read_space({"a": "choice(1, 2)", "b": "choice(x, y)"})
    assert grid(space) == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}]


def test_a_grid_refuses_an_interval():
    with pytest.raises(UserError, match=r"search\.space\.a is an interval"):
        grid(read_space({"a": "interval(0, 1)"}))


def test_points_may_be_written_as_deep_as_the_space():
    deep = [{"trainer": {"learning_rate": 1.0}, "mixture": "real"}, {"trainer.learning_rate": None}]
    assert read_settings(deep) == [{"trainer.learning_rate": 1.0, "mixture": "real"}, {"trainer.learning_rate": None}]


def test_a_list_is_no_value_of_a_setting():
    with pytest.raises(UserError, match=r"search\.points: agents\.roles=\['selector'\] is a list"):
        read_settings([{"agents": {"roles": ["selector"]}}])
