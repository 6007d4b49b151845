"""A grammar of questions that fits any SQLite schema: a template makes a query and ways to ask for it.

A new template is one function in single_table.py, groups.py or several_tables.py, and its name here.
"""

import random
from collections.abc import Callable

from macsql.grammar.draft import Draft
from macsql.grammar.facts import Facts, read_facts
from macsql.grammar.groups import (
    aggregate,
    aggregate_by_group,
    count_by_group,
    count_distinct,
    distinct_values,
    frequent_groups,
    most_common,
)
from macsql.grammar.several_tables import (
    in_both,
    in_either,
    in_one_only,
    join_count,
    join_count_by_group,
    join_filter,
    join_having,
    join_list,
    referred,
    without,
)
from macsql.grammar.single_table import (
    above_average,
    between,
    count_filtered,
    count_rows,
    filter_rows,
    filter_two,
    list_column,
    list_two,
    ordered,
    superlative,
    top_rows,
)

__all__ = ["TEMPLATES", "Draft", "Facts", "Template", "read_facts"]

Template = Callable[[random.Random, Facts], Draft | None]

TEMPLATES: dict[str, Template] = {
    template.__name__: template
    for template in (
        count_rows,
        list_column,
        list_two,
        distinct_values,
        count_distinct,
        filter_rows,
        filter_two,
        between,
        count_filtered,
        aggregate,
        ordered,
        top_rows,
        superlative,
        above_average,
        count_by_group,
        aggregate_by_group,
        frequent_groups,
        most_common,
        join_list,
        join_filter,
        join_count,
        join_count_by_group,
        join_having,
        referred,
        without,
        in_both,
        in_one_only,
        in_either,
    )
}
