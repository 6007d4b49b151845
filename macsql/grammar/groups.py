"""Templates that ask about the values of a column as a whole, or about the groups of rows that share one."""

import random

from macsql.grammar.draft import Draft, name
from macsql.grammar.facts import Facts
from macsql.grammar.plurals import many
from macsql.grammar.single_table import pick


def distinct_values(rng: random.Random, facts: Facts) -> Draft | None:
    """The different values of a column."""
    column = pick(rng, [c for t in facts.tables for c in t.columns if c.categories])
    if column is None:
        return None
    table = next(t for t in facts.tables if t.name == column.table)
    what, rows = many(column.words), many(table.words)
    texts = (f"What are the different {what} of {rows}?", f"List each {column.words} of {rows} once.")
    return Draft(f"SELECT DISTINCT {name(column)} FROM {name(table)}", texts)


def count_distinct(rng: random.Random, facts: Facts) -> Draft | None:
    """How many different values a column has."""
    column = pick(rng, [c for t in facts.tables for c in t.columns if c.categories])
    if column is None:
        return None
    table = next(t for t in facts.tables if t.name == column.table)
    what, rows = many(column.words), many(table.words)
    texts = (f"How many different {what} do {rows} have?", f"Count the distinct {what} of {rows}.")
    return Draft(f"SELECT count(DISTINCT {name(column)}) FROM {name(table)}", texts)


def aggregate(rng: random.Random, facts: Facts) -> Draft | None:
    """The largest, smallest, average or total of a number."""
    column = pick(rng, [c for t in facts.tables for c in t.of("number")])
    if column is None:
        return None
    table = next(t for t in facts.tables if t.name == column.table)
    choices = [("max", "highest"), ("min", "lowest")] + (
        [("avg", "average"), ("sum", "total")] if column.measure else []
    )
    function, word = choices[rng.randrange(len(choices))]
    texts = (
        f"What is the {word} {column.words} of all {many(table.words)}?",
        f"Find the {word} {column.words} among {many(table.words)}.",
    )
    return Draft(f"SELECT {function}({name(column)}) FROM {name(table)}", texts)


def count_by_group(rng: random.Random, facts: Facts) -> Draft | None:
    """How many rows share each value of a column."""
    column = pick(rng, [c for t in facts.tables for c in t.columns if c.categories])
    if column is None:
        return None
    table = next(t for t in facts.tables if t.name == column.table)
    rows = many(table.words)
    texts = (f"How many {rows} are there for each {column.words}?", f"For each {column.words}, count the {rows}.")
    return Draft(f"SELECT {name(column)}, count(*) FROM {name(table)} GROUP BY {name(column)}", texts)


def aggregate_by_group(rng: random.Random, facts: Facts) -> Draft | None:
    """A number's average, highest or lowest for each value of another column."""
    column = pick(rng, [c for t in facts.tables for c in t.columns if c.categories])
    table = next((t for t in facts.tables if column and t.name == column.table), None)
    number = pick(rng, [c for c in table.of("number") if c.measure]) if table else None
    if column is None or table is None or number is None:
        return None
    function, word = [("avg", "average"), ("max", "highest"), ("min", "lowest")][rng.randrange(3)]
    rows = many(table.words)
    texts = (
        f"What is the {word} {number.words} of {rows} for each {column.words}?",
        f"For each {column.words}, find the {word} {number.words} of {rows}.",
    )
    sql = f"SELECT {name(column)}, {function}({name(number)}) FROM {name(table)} GROUP BY {name(column)}"
    return Draft(sql, texts)


def frequent_groups(rng: random.Random, facts: Facts) -> Draft | None:
    """The values of a column that enough rows share."""
    column = pick(rng, [c for t in facts.tables for c in t.columns if c.categories and max(c.frequencies) >= 2])
    if column is None:
        return None
    table = next(t for t in facts.tables if t.name == column.table)
    least = rng.randint(2, max(column.frequencies))
    what, rows = many(column.words), many(table.words)
    texts = (f"Which {what} have at least {least} {rows}?", f"List the {what} that {least} or more {rows} share.")
    sql = f"SELECT {name(column)} FROM {name(table)} GROUP BY {name(column)} HAVING count(*) >= {least}"
    return Draft(sql, texts)


def most_common(rng: random.Random, facts: Facts) -> Draft | None:
    """The value that most rows share, where one value leads alone."""
    groups = [c for t in facts.tables for c in t.columns if c.categories and not c.nulls]
    column = pick(rng, [c for c in groups if sorted(c.frequencies)[-1] > sorted(c.frequencies)[-2]])
    if column is None:
        return None
    table = next(t for t in facts.tables if t.name == column.table)
    texts = (
        f"Which {column.words} is the most common among {many(table.words)}?",
        f"What {column.words} do most {many(table.words)} have?",
    )
    sql = f"SELECT {name(column)} FROM {name(table)} GROUP BY {name(column)} ORDER BY count(*) DESC LIMIT 1"
    return Draft(sql, texts)
