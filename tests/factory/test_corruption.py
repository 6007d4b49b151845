"""Each type of fault on a query that offers it a place, run on SQLite: it must fail as its type says."""

import random

import pytest

from macsql.agents import refiner
from macsql.database.sandbox import Sandbox
from macsql.database.schema import Database
from macsql.database.sql_tree import resolve
from macsql.database.values import read_value_examples
from macsql.factory.corruption import CORRUPTIONS, candidates
from macsql.factory.gold import GoldQuery

JOIN = "SELECT T1.name , T2.captain FROM vessel AS T1 JOIN crossing AS T2 ON T1.vessel_id = T2.vessel_id"
FAULTS = {  # type -> gold query, the change, and SQLite's words for it
    "wrong_column": ("SELECT seats FROM vessel", "no such column"),
    "wrong_alias": (JOIN, "no such column: T"),
    "unknown_alias": (JOIN, "no such column: T"),
    "misspelt_column": ("SELECT captain FROM crossing", "no such column"),
    "wrong_table": ("SELECT seats FROM vessel", "no such column: seats"),
    "misspelt_table": ("SELECT seats FROM vessel", "no such table"),
    "missing_join": (JOIN, "no such column: T2.captain"),
    "lost_group_by": (
        "SELECT captain FROM crossing WHERE delay >= 0 GROUP BY captain HAVING count(*) > 1",
        "misuse of aggregate",
    ),
    "syntax_slip": ("SELECT name FROM vessel WHERE built > 1980 ORDER BY name", "syntax error"),
    "wrong_function": ("SELECT avg(seats) FROM vessel", "no such function"),
    "ambiguous_column": (JOIN, "ambiguous column name: vessel_id"),
    "unquoted_value": ("SELECT name FROM vessel WHERE name = 'Castor'", "no such column: Castor"),
    "set_width": ("SELECT name FROM vessel UNION SELECT name FROM landing", "do not have the same number"),
    "bare_aggregate": ("SELECT name FROM vessel WHERE seats > (SELECT avg(seats) FROM vessel)", "misuse of aggregate"),
    "wrong_value": ("SELECT captain FROM crossing WHERE weather = 'fog'", refiner.NO_ROWS),
    "none_in_rows": ("SELECT avg(seats) FROM vessel WHERE name = 'Castor'", refiner.NONE_IN_ROWS),
}


def gold(database: Database, sql: str, seed: int = 0) -> GoldQuery:
    return GoldQuery(resolve(sql, database.schema), read_value_examples(database), random.Random(seed))


def test_every_type_is_tried() -> None:
    assert {kind.name for kind in CORRUPTIONS} == set(FAULTS)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_fails_as_it_says(ferries: Database, sandbox: Sandbox, name: str) -> None:
    sql, words = FAULTS[name]
    assert refiner.fault(sandbox.run(ferries.path, sql)) is None, "the gold query itself is faultless"
    kind = next(kind for kind in CORRUPTIONS if kind.name == name)
    messages = []
    for seed in range(5):
        for start, end, text in kind.edits(gold(ferries, sql, seed)):
            outcome = sandbox.run(ferries.path, sql[:start] + text + sql[end:])
            fault = refiner.fault(outcome)
            if fault is not None and outcome.ok == (kind.trigger != "error"):
                messages.append(fault.error)
    assert any(words in message for message in messages), messages


def test_the_rest_of_the_text_stays_as_its_author_wrote_it(ferries: Database) -> None:
    sql = 'SELECT  avg( seats )  FROM vessel WHERE name  =  "Castor" ;'
    broken = {kind.name: text for kind, text in candidates(gold(ferries, sql))}
    assert broken["wrong_function"] in {sql.replace("avg", word) for word in ("average", "mean")}
    assert broken["unquoted_value"] == sql.replace('"', "")
    assert broken["misspelt_table"].startswith("SELECT  avg( seats )  FROM ")
    assert broken["misspelt_table"].endswith(' WHERE name  =  "Castor" ;')


@pytest.mark.parametrize(
    ("sql", "absent"),
    [
        (
            "SELECT name FROM vessel",
            {"wrong_alias", "missing_join", "lost_group_by", "ambiguous_column", "wrong_value"},
        ),
        ("SELECT count(*) FROM vessel", {"wrong_column", "misspelt_column", "unquoted_value", "set_width"}),
    ],
)
def test_a_type_without_a_place_is_not_offered(ferries: Database, sql: str, absent: set[str]) -> None:
    assert not absent & {kind.name for kind, _ in candidates(gold(ferries, sql))}


def test_the_same_seed_breaks_alike(ferries: Database) -> None:
    sql = "SELECT name FROM vessel WHERE seats > (SELECT avg(seats) FROM vessel) AND built > 1970"
    runs = [[(kind.name, broken) for kind, broken in candidates(gold(ferries, sql, seed))] for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


@pytest.mark.parametrize(
    ("sql", "error", "exception"),
    [
        ("SELECT nam FROM vessel", "no such column: nam", "sqlite3.OperationalError"),
        ("SELECT name FROM vessel WHERE seats > 999", refiner.NO_ROWS, ""),
        ("SELECT built FROM vessel", refiner.NONE_IN_ROWS, ""),
    ],
)
def test_triggers(ferries: Database, sandbox: Sandbox, sql: str, error: str, exception: str) -> None:
    assert refiner.fault(sandbox.run(ferries.path, sql)) == refiner.Fault(error, exception)


def test_none_behind_the_first_five_rows_is_no_trigger(ferries: Database, sandbox: Sandbox) -> None:
    sql = "SELECT 1 UNION ALL SELECT 1 UNION ALL SELECT 1 UNION ALL SELECT 1 UNION ALL SELECT 1 UNION ALL SELECT NULL"
    assert refiner.fault(sandbox.run(ferries.path, sql)) is None
