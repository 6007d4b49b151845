"""The Selector's right answer, from what a gold query names."""

from macsql.agents.selector import Decision, Selection
from macsql.database.sql_tree import Resolved

WIDE = 10  # a needed table with at most so many columns is kept whole


def right_selection(gold: Resolved) -> Selection:
    """The tables of a gold query whole, or from 11 columns on just the columns it needs; all others dropped."""
    whole = {item.table.name for item in gold.starred if item.table is not None}
    tables: dict[str, Decision] = {}
    for table in gold.schema.tables:
        if table.name not in gold.tables:
            tables[table.name] = "drop_all"
        elif len(table.columns) <= WIDE or table.name in whole:
            tables[table.name] = "keep_all"
        else:
            needed = tuple(column for name, column in gold.columns if name == table.name)
            keys = tuple(column.name for column in table.columns if column.primary_key)
            tables[table.name] = needed or keys or (table.columns[0].name,)  # COUNT(*) needs a table, no column
    return Selection(True, tables)
