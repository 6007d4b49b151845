"""MAC-SQL's rules for what a selection keeps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macsql.agents.selector import Selection, apply, chosen, parse, write
from macsql.database.schema import Column, ForeignKey, Schema, Table


def table(name: str, *columns: str, key: str = "") -> Table:
    return Table(name, tuple(Column(column, "TEXT", primary_key=column == key) for column in columns))


SMALL = Schema(
    "small",
    (
        table("wide", "id", "a", "b", "c", "d", "e", "f", "g", "owner", key="id"),
        table("owner", "id", "name", key="id"),
        table("other", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8"),
    ),
    (ForeignKey("wide", "owner", "owner", "id"),),
)


def kept(schema: Schema, name: str) -> list[str]:
    return [column.name for column in schema.by_name[name].columns]


def test_an_unreadable_answer_keeps_everything() -> None:
    assert apply(parse("no idea"), SMALL) == SMALL


def test_a_table_that_is_not_mentioned_stays_whole() -> None:
    assert kept(apply(Selection(True, {"owner": "drop_all"}), SMALL), "wide") == kept(SMALL, "wide")


def test_a_dropped_table_keeps_its_first_six_columns() -> None:
    after = apply(Selection(True, {"other": "drop_all", "wide": "drop_all"}), SMALL)
    assert kept(after, "other") == ["x1", "x2", "x3", "x4", "x5", "x6"]
    assert kept(after, "wide") == ["id", "a", "b", "c", "d", "e"]
    assert after.foreign_keys == (), "wide.owner is gone, so its foreign key must go too"


@pytest.mark.parametrize(
    ("listed", "left"),
    [
        (("g",), ["id", "a", "b", "c", "g", "owner"]),  # keys added, then padded from the front
        (("G", "nonsense"), ["id", "a", "b", "c", "g", "owner"]),
        (("b", "c", "d", "e", "f", "g"), ["id", "b", "c", "d", "e", "f", "g", "owner"]),  # no padding above six
        ((), ["id", "a", "b", "c", "d", "owner"]),
    ],
)
def test_a_list_gets_its_keys_and_is_padded_to_six(listed: tuple[str, ...], left: list[str]) -> None:
    after = apply(Selection(True, {"WIDE": listed}), SMALL)
    assert kept(after, "wide") == left
    assert after.foreign_keys == SMALL.foreign_keys


def test_a_small_table_is_kept_whole_by_any_list() -> None:
    assert kept(apply(Selection(True, {"owner": ("name",)}), SMALL), "owner") == ["id", "name"]


def test_chosen_is_what_the_answer_says_before_padding() -> None:
    selection = Selection(True, {"wide": ("G", "none"), "other": "drop_all"})
    assert chosen(selection, SMALL) == {("wide", "g"), ("owner", "id"), ("owner", "name")}


NAMES = st.sampled_from([column.name for t in SMALL.tables for column in t.columns])
DECISIONS = st.one_of(st.just("keep_all"), st.just("drop_all"), st.lists(NAMES, max_size=4).map(tuple))
SELECTIONS = st.dictionaries(st.sampled_from(["wide", "owner", "other"]), DECISIONS).map(lambda t: Selection(True, t))


@given(SELECTIONS, st.sampled_from(["brief", "mac_sql"]))
def test_a_written_selection_is_read_back(selection: Selection, style: str) -> None:
    read = parse(write(selection, SMALL, style))
    assert read.readable
    assert list(read.tables) == ["wide", "owner", "other"], "every table of the schema is named, in its order"
    assert apply(read, SMALL) == apply(selection, SMALL)
    assert chosen(read, SMALL) == chosen(selection, SMALL)


@given(SELECTIONS)
def test_what_is_chosen_or_listed_is_kept(selection: Selection) -> None:
    after = apply(selection, SMALL)
    assert chosen(selection, SMALL) <= {(t.name, column.name) for t in after.tables for column in t.columns}
    for before, now in zip(SMALL.tables, after.tables, strict=True):
        assert len(now.columns) >= min(len(before.columns), 6)
        order = [before.columns.index(column) for column in now.columns]
        assert order == sorted(order)


def test_brief_answers_are_one_line() -> None:
    selection = Selection(True, {"wide": ("g", "a"), "other": "drop_all"})
    assert write(selection, SMALL, "brief") == (
        '```json\n{"wide": ["g", "a"], "owner": "keep_all", "other": "drop_all"}\n```'
    )
    assert parse(write(selection, SMALL, "mac_sql")) == parse(write(selection, SMALL, "brief"))
