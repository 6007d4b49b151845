"""Templates that ask about one table.

Each takes the next random choice and gives None where the database does not fit.
"""

import random
from collections.abc import Sequence
from typing import TypeVar

from macsql.grammar.draft import Draft, literal, name, spoken
from macsql.grammar.facts import ColumnFacts, Facts, TableFacts
from macsql.grammar.plurals import a, many, one

T = TypeVar("T")


def pick(rng: random.Random, things: Sequence[T]) -> T | None:
    """One of the things, or None where there are none."""
    return things[rng.randrange(len(things))] if things else None


def shown(rng: random.Random, table: TableFacts, *other_than: ColumnFacts | None) -> ColumnFacts | None:
    """A column worth showing, mostly the one that names a row, none of `other_than`."""
    label = table.label
    if label is not None and label not in other_than and rng.random() < 0.6:
        return label
    return pick(rng, [column for column in table.of("text", "number") if column not in other_than])


def condition(rng: random.Random, column: ColumnFacts, alias: str = "") -> tuple[str, str]:
    """A filter that some row passes, as SQL and in words ("color is red", "age is above 30")."""
    left = name(column, alias)
    if column.kind == "text":
        value = column.values[rng.randrange(len(column.values))]
        return f"{left} = {literal(value)}", f"{column.words} is {spoken(value)}"
    if len(column.values) < 3:
        value = column.values[rng.randrange(len(column.values))]
        return f"{left} = {literal(value)}", f"{column.words} is {spoken(value)}"
    sign, words = [(">", "above"), ("<", "below")][rng.randrange(2)]
    value = column.values[rng.randrange(1, len(column.values) - 1)]  # neither end: some rows on either side
    return f"{left} {sign} {literal(value)}", f"{column.words} is {words} {spoken(value)}"


def count_rows(rng: random.Random, facts: Facts) -> Draft | None:
    """How many rows a table has."""
    table = pick(rng, facts.tables)
    if table is None:
        return None
    rows = many(table.words)
    texts = (f"How many {rows} are there?", f"Count the {rows}.", f"What is the number of {rows}?")
    return Draft(f"SELECT count(*) FROM {name(table)}", texts)


def list_column(rng: random.Random, facts: Facts) -> Draft | None:
    """One column of every row."""
    table = pick(rng, facts.tables)
    column = shown(rng, table) if table else None
    if table is None or column is None:
        return None
    what, rows = column.words, many(table.words)
    texts = (
        f"List the {what} of all {rows}.",
        f"What are the {many(what)} of all {rows}?",
        f"Give me every {one(table.words)}'s {what}.",
    )
    return Draft(f"SELECT {name(column)} FROM {name(table)}", texts)


def list_two(rng: random.Random, facts: Facts) -> Draft | None:
    """Two columns of every row."""
    table = pick(rng, facts.tables)
    first = shown(rng, table) if table else None
    second = shown(rng, table, first) if table else None
    if table is None or first is None or second is None:
        return None
    what, rows = f"{first.words} and {second.words}", many(table.words)
    texts = (f"List the {what} of all {rows}.", f"Show the {what} of each {one(table.words)}.")
    return Draft(f"SELECT {name(first)}, {name(second)} FROM {name(table)}", texts)


def filter_rows(rng: random.Random, facts: Facts) -> Draft | None:
    """One column of the rows that pass a filter."""
    table = pick(rng, facts.tables)
    tested = pick(rng, table.of("text", "number")) if table else None
    column = shown(rng, table, tested) if table else None
    if table is None or tested is None or column is None:
        return None
    where, words = condition(rng, tested)
    what, rows = column.words, many(table.words)
    texts = (
        f"Show the {what} of {rows} whose {words}.",
        f"What is the {what} of each {one(table.words)} whose {words}?",
        f"For {rows} whose {words}, give the {what}.",
    )
    return Draft(f"SELECT {name(column)} FROM {name(table)} WHERE {where}", texts)


def filter_two(rng: random.Random, facts: Facts) -> Draft | None:
    """The rows that pass two filters, or one of two."""
    table = pick(rng, facts.tables)
    tested = table.of("text", "number") if table else []
    if table is None or len(tested) < 2:
        return None
    first, second = rng.sample(tested, 2)
    column = shown(rng, table, first, second)
    if column is None:
        return None
    joint = ("and", "or")[rng.randrange(2)]
    (where, words), (where2, words2) = condition(rng, first), condition(rng, second)
    what, rows = column.words, many(table.words)
    texts = (
        f"Show the {what} of {rows} whose {words} {joint} whose {words2}.",
        f"For {rows} whose {words} {joint} whose {words2}, give the {what}.",
    )
    return Draft(f"SELECT {name(column)} FROM {name(table)} WHERE {where} {joint.upper()} {where2}", texts)


def between(rng: random.Random, facts: Facts) -> Draft | None:
    """The rows whose number lies between two."""
    tested = pick(rng, [c for t in facts.tables for c in t.of("number") if len(c.values) >= 4])
    table = next((t for t in facts.tables if tested and t.name == tested.table), None)
    column = shown(rng, table, tested) if table else None
    if table is None or tested is None or column is None:
        return None
    low, high = sorted(rng.sample(tested.values, 2))
    what, rows, span = column.words, many(table.words), f"{spoken(low)} and {spoken(high)}"
    texts = (
        f"Show the {what} of {rows} whose {tested.words} is between {span}.",
        f"Which {many(what)} belong to {rows} with {a(tested.words)} from {spoken(low)} to {spoken(high)}?",
    )
    sql = f"SELECT {name(column)} FROM {name(table)} WHERE {name(tested)} BETWEEN {literal(low)} AND {literal(high)}"
    return Draft(sql, texts)


def count_filtered(rng: random.Random, facts: Facts) -> Draft | None:
    """How many rows pass a filter."""
    table = pick(rng, facts.tables)
    tested = pick(rng, table.of("text", "number")) if table else None
    if table is None or tested is None:
        return None
    where, words = condition(rng, tested)
    rows = many(table.words)
    texts = (
        f"How many {rows} are there whose {words}?",
        f"Count the {rows} whose {words}.",
        f"What is the number of {rows} whose {words}?",
    )
    return Draft(f"SELECT count(*) FROM {name(table)} WHERE {where}", texts)


def ordered(rng: random.Random, facts: Facts) -> Draft | None:
    """A column of all rows in the order of a number; where it has ties, the number alone, which they do not touch."""
    by = pick(rng, [c for t in facts.tables for c in t.of("number") if not c.nulls])
    table = next((t for t in facts.tables if by and t.name == by.table), None)
    column = (shown(rng, table, by) or by) if table and by and by.unique else by
    if table is None or by is None or column is None:
        return None
    direction, words = [("ASC", "from lowest to highest"), ("DESC", "from highest to lowest")][rng.randrange(2)]
    what, rows = column.words, many(table.words)
    texts = (
        f"List the {what} of {rows} by {by.words} {words}.",
        f"Sort the {rows} by {by.words} {words} and show the {what}.",
    )
    return Draft(f"SELECT {name(column)} FROM {name(table)} ORDER BY {name(by)} {direction}", texts)


def top_rows(rng: random.Random, facts: Facts) -> Draft | None:
    """The few rows with the highest or lowest number; where it has ties, its few highest or lowest values."""
    by = pick(rng, [c for t in facts.tables for c in t.of("number") if not c.nulls and c.distinct >= 4])
    table = next((t for t in facts.tables if by and t.name == by.table), None)
    column = shown(rng, table, by) if table else None
    if table is None or by is None:
        return None
    count = rng.randint(2, min(5, by.distinct - 1))
    direction, word = [("ASC", "lowest"), ("DESC", "highest")][rng.randrange(2)]
    rows = many(table.words)
    order = f"ORDER BY {name(by)} {direction} LIMIT {count}"
    if not by.unique or column is None:
        texts = (
            f"What are the {count} {word} different {many(by.words)} of {rows}?",
            f"Show the {count} {word} {many(by.words)} of {rows}, each once.",
        )
        return Draft(f"SELECT DISTINCT {name(by)} FROM {name(table)} {order}", texts)
    texts = (
        f"Show the {column.words} of the {count} {rows} with the {word} {by.words}.",
        f"What are the {many(column.words)} of the {count} {rows} with the {word} {by.words}?",
    )
    return Draft(f"SELECT {name(column)} FROM {name(table)} {order}", texts)


def superlative(rng: random.Random, facts: Facts) -> Draft | None:
    """The row or rows whose number is the highest or lowest: ties are all shown."""
    by = pick(rng, [c for t in facts.tables for c in t.of("number") if c.distinct >= 2])
    table = next((t for t in facts.tables if by and t.name == by.table), None)
    column = shown(rng, table, by) if table else None
    if table is None or by is None or column is None:
        return None
    function, word = [("max", "highest"), ("min", "lowest")][rng.randrange(2)]
    what, row = column.words, one(table.words)
    texts = (
        f"What is the {what} of the {row} with the {word} {by.words}?",
        f"Show the {what} of the {row} whose {by.words} is the {word}.",
    )
    inner = f"SELECT {function}({name(by)}) FROM {name(table)}"
    return Draft(f"SELECT {name(column)} FROM {name(table)} WHERE {name(by)} = ({inner})", texts)


def above_average(rng: random.Random, facts: Facts) -> Draft | None:
    """The rows whose number is above or below the average."""
    by = pick(rng, [c for t in facts.tables for c in t.of("number") if c.measure])
    table = next((t for t in facts.tables if by and t.name == by.table), None)
    column = shown(rng, table, by) if table else None
    if table is None or by is None or column is None:
        return None
    sign, word = [(">", "above"), ("<", "below")][rng.randrange(2)]
    what, rows = column.words, many(table.words)
    texts = (
        f"Show the {what} of {rows} whose {by.words} is {word} average.",
        f"Which {many(what)} belong to {rows} with {a(by.words)} {word} the average?",
    )
    inner = f"SELECT avg({name(by)}) FROM {name(table)}"
    return Draft(f"SELECT {name(column)} FROM {name(table)} WHERE {name(by)} {sign} ({inner})", texts)
