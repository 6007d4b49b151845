"""The right selection for a gold query."""

import pytest

from macsql.agents.selector import Selection
from macsql.database.schema import Schema
from macsql.database.sql_tree import SqlUnreadableError, resolve
from macsql.factory.selection import right_selection


def right(sql: str, schema: Schema) -> Selection:
    return right_selection(resolve(sql, schema))


def test_tables_that_are_read_whole_or_by_the_columns_needed(schema: Schema) -> None:
    join = "vessel T1 JOIN crossing T2 ON T1.vessel_id = T2.vessel_id"
    assert right(f"SELECT T1.name, T2.captain FROM {join} WHERE T2.weather = 'fog'", schema).tables == {
        "vessel": "keep_all",
        "landing": "drop_all",
        "crossing": ("captain", "vessel_id", "weather"),
        "inspection": "drop_all",
    }


def test_a_star_keeps_a_wide_table_whole(schema: Schema) -> None:
    assert right("SELECT * FROM crossing", schema).tables["crossing"] == "keep_all"


def test_a_count_needs_the_table_but_no_column(schema: Schema) -> None:
    assert resolve("SELECT count(*) FROM crossing", schema).columns == ()
    assert right("SELECT count(*) FROM crossing", schema).tables["crossing"] == ("crossing_id",)


def test_an_unreadable_gold_is_an_error(schema: Schema) -> None:
    with pytest.raises(SqlUnreadableError, match="names a table that the schema lacks"):
        right("SELECT colour FROM boat", schema)
