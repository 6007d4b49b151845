"""Templates that follow a foreign key, compare with a nested query or combine two queries."""

import random

from macsql.grammar.draft import Draft, literal, name, spoken
from macsql.grammar.facts import ColumnFacts, Facts, Link
from macsql.grammar.plurals import a, many, one
from macsql.grammar.single_table import condition, pick, shown


def _joined(link: Link) -> str:
    on = f"{name(link.column, 'T1')} = {name(link.ref_column, 'T2')}"
    return f"FROM {name(link.child)} AS T1 JOIN {name(link.parent)} AS T2 ON {on}"


def join_list(rng: random.Random, facts: Facts) -> Draft | None:
    """A column of each row beside one of the row that it refers to."""
    link = pick(rng, facts.links)
    first = shown(rng, link.child, link.column) if link else None
    second = shown(rng, link.parent, link.ref_column) if link else None
    if link is None or first is None or second is None:
        return None
    child, parent = one(link.child.words), one(link.parent.words)
    texts = (
        f"Show the {first.words} of each {child} and the {second.words} of its {parent}.",
        f"For every {child}, list its {first.words} with the {second.words} of the {parent} it belongs to.",
    )
    return Draft(f"SELECT {name(first, 'T1')}, {name(second, 'T2')} {_joined(link)}", texts)


def join_filter(rng: random.Random, facts: Facts) -> Draft | None:
    """A column of the rows that refer to a row which passes a filter."""
    link = pick(rng, facts.links)
    column = shown(rng, link.child, link.column) if link else None
    tested = pick(rng, link.parent.of("text", "number")) if link else None
    if link is None or column is None or tested is None:
        return None
    where, words = condition(rng, tested, "T2")
    parent, rows = one(link.parent.words), many(link.child.words)
    texts = (
        f"Show the {column.words} of {rows} of the {parent} whose {words}.",
        f"What is the {column.words} of each {one(link.child.words)} that belongs to {a(parent)} whose {words}?",
    )
    return Draft(f"SELECT {name(column, 'T1')} {_joined(link)} WHERE {where}", texts)


def join_count(rng: random.Random, facts: Facts) -> Draft | None:
    """How many rows refer to the rows that pass a filter."""
    link = pick(rng, facts.links)
    tested = pick(rng, link.parent.of("text", "number")) if link else None
    if link is None or tested is None:
        return None
    where, words = condition(rng, tested, "T2")
    parent, rows = one(link.parent.words), many(link.child.words)
    texts = (
        f"How many {rows} belong to the {parent} whose {words}?",
        f"Count the {rows} of the {parent} whose {words}.",
    )
    return Draft(f"SELECT count(*) {_joined(link)} WHERE {where}", texts)


def join_count_by_group(rng: random.Random, facts: Facts) -> Draft | None:
    """How many rows refer to each row of another table that has any."""
    link = pick(rng, [link for link in facts.links if link.parent.label and link.parent.label.unique])
    if link is None or link.parent.label is None:
        return None
    label, parent, rows = link.parent.label, one(link.parent.words), many(link.child.words)
    texts = (
        f"How many {rows} does each {parent} have? Show its {label.words} too.",
        f"For each {parent}, give the {label.words} and the number of {rows}.",
    )
    by = name(link.ref_column, "T2")
    return Draft(f"SELECT {name(label, 'T2')}, count(*) {_joined(link)} GROUP BY {by}", texts)


def join_having(rng: random.Random, facts: Facts) -> Draft | None:
    """The rows of a table that enough rows of another refer to."""
    link = pick(rng, facts.links)
    column = shown(rng, link.parent, link.ref_column) if link else None
    if link is None or column is None:
        return None
    least = rng.randint(2, 3)
    what, parents, rows = many(column.words), many(link.parent.words), many(link.child.words)
    texts = (
        f"Show the {what} of {parents} that have at least {least} {rows}.",
        f"Which {parents} have {least} or more {rows}? Give the {what}.",
    )
    by = name(link.ref_column, "T2")
    sql = f"SELECT {name(column, 'T2')} {_joined(link)} GROUP BY {by} HAVING count(*) >= {least}"
    return Draft(sql, texts)


def without(rng: random.Random, facts: Facts) -> Draft | None:
    """The rows of a table that no row of another refers to."""
    # one NULL among the inner query's values would empty NOT IN
    link = pick(rng, [link for link in facts.links if not link.column.nulls])
    column = shown(rng, link.parent, link.ref_column) if link else None
    if link is None or column is None:
        return None
    what, parents, rows = many(column.words), many(link.parent.words), many(link.child.words)
    texts = (
        f"Show the {what} of {parents} that have no {rows}.",
        f"Which {parents} are without {rows}? Give the {what}.",
    )
    inner = f"SELECT {name(link.column)} FROM {name(link.child)}"
    return Draft(
        f"SELECT {name(column)} FROM {name(link.parent)} WHERE {name(link.ref_column)} NOT IN ({inner})", texts
    )


def referred(rng: random.Random, facts: Facts) -> Draft | None:
    """The rows of a table that a filtered row of another refers to."""
    link = pick(rng, facts.links)
    column = shown(rng, link.parent, link.ref_column) if link else None
    tested = pick(rng, link.child.of("text", "number")) if link else None
    if link is None or column is None or tested is None:
        return None
    where, words = condition(rng, tested)
    what, parents, row = many(column.words), many(link.parent.words), one(link.child.words)
    texts = (
        f"Show the {what} of {parents} that have {a(row)} whose {words}.",
        f"Which {parents} have some {row} whose {words}? Give the {what}.",
    )
    inner = f"SELECT {name(link.column)} FROM {name(link.child)} WHERE {where}"
    return Draft(f"SELECT {name(column)} FROM {name(link.parent)} WHERE {name(link.ref_column)} IN ({inner})", texts)


def in_both(rng: random.Random, facts: Facts) -> Draft | None:
    """The values of a column that rows of one kind and rows of another kind share."""
    return _combined(rng, facts, "INTERSECT")


def in_one_only(rng: random.Random, facts: Facts) -> Draft | None:
    """The values of a column that rows of one kind have and rows of another kind lack."""
    return _combined(rng, facts, "EXCEPT")


def in_either(rng: random.Random, facts: Facts) -> Draft | None:
    """The values of a column that rows of either kind have."""
    return _combined(rng, facts, "UNION")


_SET_WORDS = {
    "INTERSECT": ("Which {what} are found both for {rows} whose {a} and for {rows} whose {b}?",
                  "Show the {what} shared by {rows} whose {a} and {rows} whose {b}."),
    "EXCEPT": ("Which {what} are found for {rows} whose {a} but not for {rows} whose {b}?",
               "Show the {what} of {rows} whose {a}, leaving out those of {rows} whose {b}."),
    "UNION": ("Which {what} are found for {rows} whose {a} or for {rows} whose {b}?",
              "Show, each once, the {what} of {rows} whose {a} together with those of {rows} whose {b}."),
}  # fmt: skip


def _combined(rng: random.Random, facts: Facts, operator: str) -> Draft | None:
    column = pick(rng, [c for t in facts.tables for c in t.columns if c.categories])
    table = next((t for t in facts.tables if column and t.name == column.table), None)
    if column is None or table is None:
        return None
    tested: ColumnFacts | None = pick(rng, [c for c in table.columns if c != column and c.categories])
    if tested is None:
        return None
    first, second = rng.sample(tested.values, 2)
    rows = [f"SELECT {name(column)} FROM {name(table)} WHERE {name(tested)} = {literal(v)}" for v in (first, second)]
    words = {
        "what": many(column.words),
        "rows": many(table.words),
        "a": f"{tested.words} is {spoken(first)}",
        "b": f"{tested.words} is {spoken(second)}",
    }
    return Draft(f" {operator} ".join(rows), tuple(text.format(**words) for text in _SET_WORDS[operator]))
