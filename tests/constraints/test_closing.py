"""The short way out: whatever has been written, its end is found, may be written and is soon there."""

import pytest

from macsql.constraints.closing import close
from macsql.constraints.sql_grammar import SqlGrammar
from macsql.constraints.values import CopiedTexts
from macsql.database.schema import Column, Schema, Table

BEGUN = [
    "SELECT",
    "SELECT T1.name, T2.name, T3.name FROM",
    "SELECT name FROM vessel WHERE",
    "SELECT name FROM vessel WHERE 1 ",
    "SELECT name FROM vessel WHERE (seats > 3 AND NOT EXISTS (",
    "SELECT name FROM vessel WHERE seats BETWEEN 3 ",
    "SELECT name FROM vessel WHERE name LIKE 'fo",
    "SELECT CASE WHEN seats",
    "SELECT name FROM vessel GROUP BY name HAVING",
    "SELECT name, built FROM vessel UNION SELECT",
    "WITH x AS (SELECT * ",
    "WITH x AS (SELECT name FROM vessel) SELECT * FROM",
    "SELECT a.name, b.weather, c.bank ",
    "SELECT weather, T1.name FROM (SELECT",
]


@pytest.fixture(scope="module")
def wide() -> Schema:
    """Twenty tables, of which the one with the longest name alone has a price."""
    kinds = [("thing_of_a_long_name", "price"), *((f"kind{n}", f"size_{n}") for n in range(19))]
    return Schema("wide", tuple(Table(name, (Column("id", "INTEGER"), Column(own, "TEXT"))) for name, own in kinds))


def ended(schema: Schema, begun: str) -> str | None:
    """What is begun, with its end; None where none is found."""
    automaton, texts = SqlGrammar(schema).automaton, CopiedTexts(["in fog"])
    place = automaton.begin()
    for char in begun:
        place = automaton.advance(place, char, texts)
        assert place is not None, begun
    end = close(place, texts)
    if end is None:
        return None
    for char in end:
        place = automaton.advance(place, char, texts)
        assert place is not None, (begun, end)
    assert automaton.complete(place, texts), (begun, end)
    return begun + end


@pytest.mark.parametrize("begun", BEGUN)
def test_what_is_begun_can_be_ended(schema, begun):
    whole = ended(schema, begun)
    assert whole is not None
    assert len(whole) < len(begun) + 120, whole


@pytest.mark.parametrize(
    "begun", ["SELECT *, u9.price", "SELECT price, T1.size_7, T2.size_18", "WITH x AS (SELECT price"]
)
def test_of_many_tables_those_that_are_needed_are_found(wide, begun):
    whole = ended(wide, begun)
    assert whole is not None
    assert "thing_of_a_long_name" in whole
