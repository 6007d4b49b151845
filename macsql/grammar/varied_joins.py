"""Templates in many wordings over tables that refer to each other; see varied.py."""

import random

from macsql.grammar.draft import Draft, literal, name
from macsql.grammar.facts import ColumnFacts, Facts, Link
from macsql.grammar.phrases import SHOW as SHOW_WORDS
from macsql.grammar.phrases import (
    Filter,
    aggregated,
    ask_figure,
    choose,
    counting,
    extreme,
    listed,
    request,
    rows,
    valued,
    where,
)
from macsql.grammar.plurals import a, many, one
from macsql.grammar.single_table import pick, shown
from macsql.grammar.varied import columns_of, draft, filtered, names


def _from(link: Link) -> str:
    """FROM child AS T1 JOIN parent AS T2."""
    on = f"{name(link.column, 'T1')} = {name(link.ref_column, 'T2')}"
    return f"FROM {name(link.child)} AS T1 JOIN {name(link.parent)} AS T2 ON {on}"


def _from_parent(link: Link) -> str:
    """FROM parent AS T1 JOIN child AS T2."""
    on = f"{name(link.ref_column, 'T1')} = {name(link.column, 'T2')}"
    return f"FROM {name(link.parent)} AS T1 JOIN {name(link.child)} AS T2 ON {on}"


def _children(rng: random.Random, link: Link, found: Filter | None, own: Filter | None = None) -> str:
    """The rows of the child that belong to parents that pass a filter."""
    children, parent = rows(rng, link.child, own), rows(rng, link.parent, found, single=True)
    parents = rows(rng, link.parent, found)
    return choose(
        rng,
        f"{children} of the {parent}",
        f"{children} of {parents}",
        f"{children} that belong to {a(parent)}",
        f"{children} belonging to {parents}",
        f"{children} for the {parent}",
        f"{children} with {a(parent)}",
        f"{children} linked to the {parent}",
        f"{children} from {parents}",
        f"{children} in {parents}" if rng.random() < 0.5 else f"{children} by {parents}",
        f"{children} that are of the {parent}",
    )


def _parent_filter(rng: random.Random, link: Link, alias: str) -> Filter | None:
    label = link.parent.label
    if label and label.values and rng.random() < 0.4:
        value = label.values[rng.randrange(len(label.values))]
        said = valued(rng, value)
        return Filter(
            f"{name(label, alias)} = {literal(value)}",
            choose(rng, said, said, f"named {said}", f"called {said}", f"with {label.words} {said}"),
        )
    return filtered(rng, link.parent, alias)


def child_of(rng: random.Random, facts: Facts) -> Draft | None:
    """Columns, number or a figure of the rows that refer to a row which passes a filter."""
    link = pick(rng, facts.links)
    found = _parent_filter(rng, link, "T2") if link else None
    if link is None or found is None:
        return None
    own = (
        where(rng, tested, "T1")
        if rng.random() < 0.15 and (tested := pick(rng, link.child.of("text", "number")))
        else None
    )
    whom = _children(rng, link, found, own)
    condition = f"{_from(link)} WHERE {found.sql if own is None or ' OR ' not in found.sql else f'({found.sql})'}" + (
        f" AND {own.sql if ' OR ' not in own.sql else f'({own.sql})'}" if own else ""
    )
    draw = rng.random()
    if draw < 0.25:
        return draft(rng, f"SELECT count(*) {condition}", counting(rng, whom))
    number = pick(rng, [c for c in link.child.of("number") if c.measure])
    if draw < 0.4 and number:
        function = rng.choice(("avg", "avg", "max", "min", "sum"))
        return draft(
            rng,
            f"SELECT {function}({name(number, 'T1')}) {condition}",
            ask_figure(rng, aggregated(rng, function, number), whom),
        )
    columns = columns_of(rng, link.child, link.column)
    if not columns:
        return None
    return draft(rng, f"SELECT {names(columns, 'T1')} {condition}", request(rng, columns, whom, one(link.child.words)))


def parent_of(rng: random.Random, facts: Facts) -> Draft | None:
    """Columns of the rows to which a row that passes a filter refers, by a join or in a nested query."""
    link = pick(rng, facts.links)
    if link is None:
        return None
    nested = rng.random() < 0.45
    found = filtered(rng, link.child, "" if nested else "T2", but=(link.column,))
    columns = columns_of(rng, link.parent, link.ref_column)
    if found is None or not columns:
        return None
    parents, children = many(link.parent.words), rows(rng, link.child, found)
    child = rows(rng, link.child, found, single=True)
    if nested:
        have = choose(
            rng,
            f"that have {a(child)}",
            f"with at least one {child}",
            f"that have some {child}",
            f"with some {child}",
            f"with any {child}",
        )
        inner = f"SELECT {name(link.column)} FROM {name(link.child)} WHERE {found.sql}"
        sql = f"SELECT {names(columns)} FROM {name(link.parent)} WHERE {name(link.ref_column)} IN ({inner})"
        return draft(rng, sql, request(rng, columns, f"{parents} {have}", one(link.parent.words)))
    whom = choose(
        rng,
        f"{parents} of {children}",
        f"{parents} that {children} belong to",
        f"{parents} of the {child}",
        f"{parents} for {children}",
        f"{parents} linked to {children}",
    )
    return draft(
        rng,
        f"SELECT {names(columns, 'T1')} {_from_parent(link)} WHERE {found.sql}",
        request(rng, columns, whom, one(link.parent.words)),
    )


def side_by_side(rng: random.Random, facts: Facts) -> Draft | None:
    """A column of each row beside one of the row that it refers to, filtered, ordered or not."""
    link = pick(rng, facts.links)
    first = shown(rng, link.child, link.column) if link else None
    second = shown(rng, link.parent, link.ref_column) if link else None
    if link is None or first is None or second is None:
        return None
    found = filtered(rng, link.child, "T1", but=(link.column,)) if rng.random() < 0.3 else None
    child, parent, show = rows(rng, link.child, found, single=True), one(link.parent.words), choose(rng, *SHOW_WORDS)
    children = rows(rng, link.child, found)
    text = choose(
        rng,
        f"{show} the {first.words} of each {child} and the {second.words} of its {parent}.",
        f"For every {child}, {show.lower()} its {first.words} with the {second.words} of the {parent}.",
        f"{show} the {first.words} of {children} and the {second.words} of their {many(parent)}.",
        f"What are the {first.words} and the {parent} {second.words} of {children}?",
        f"{show} the {first.words} and {parent} {second.words} for all {children}.",
        f"{show} {children} with their {first.words} and the {second.words} of the {parent} they belong to.",
    )
    by = pick(rng, [c for c in link.child.of("number") if c != link.column])
    order = ""
    if by and rng.random() < 0.2:
        down = rng.random() < 0.5
        order = f" ORDER BY {name(by, 'T1')} {'DESC' if down else 'ASC'}"
        text = text.rstrip(".?") + choose(
            rng,
            f", in {'descending' if down else 'ascending'} order of {by.words}",
            f", sorted by {by.words} {'from highest to lowest' if down else 'from lowest to highest'}",
        )
    condition = f" WHERE {found.sql}" if found else ""
    return draft(rng, f"SELECT {name(first, 'T1')}, {name(second, 'T2')} {_from(link)}{condition}{order}", text)


def top_of_other(rng: random.Random, facts: Facts) -> Draft | None:
    """A column of the row whose number is the highest or lowest, or to which that row refers."""
    link = pick(rng, [link for link in facts.links if link.child.of("number")])
    by = pick(rng, link.child.of("number")) if link else None
    column = shown(rng, link.parent, link.ref_column) if link else None
    if link is None or by is None or column is None:
        return None
    top, show = rng.random() < 0.6, choose(rng, *SHOW_WORDS)
    whom, parent = extreme(rng, by, link.child, top), one(link.parent.words)
    text = choose(
        rng,
        f"What is the {column.words} of the {parent} of the {whom}?",
        f"{show} the {column.words} of the {parent} with the {whom}.",
        f"Which {parent} has the {whom}? Give the {column.words}.",
        f"What is the {parent} {column.words} of the {whom}?",
        f"{show} the {parent} {column.words} of the {whom}.",
    )
    return draft(
        rng,
        f"SELECT {name(column, 'T2')} {_from(link)} ORDER BY {name(by, 'T1')} {'DESC' if top else 'ASC'} LIMIT 1",
        text,
    )


def counted(rng: random.Random, facts: Facts) -> Draft | None:
    """How many rows, or which figure of them, each row of another table has; those with enough; the one with most."""
    link = pick(rng, [link for link in facts.links if link.parent.of("text", "number")])
    column = shown(rng, link.parent, link.ref_column) if link else None
    if link is None or column is None:
        return None
    child = rows(rng, link.child)
    parent, parents, c, show = one(link.parent.words), many(link.parent.words), column.words, choose(rng, *SHOW_WORDS)
    by, draw = name(link.ref_column, "T1"), rng.random()
    source = _from_parent(link)
    if draw < 0.25:
        text = choose(
            rng,
            f"How many {child} does each {parent} have? Show its {c} too.",
            f"For each {parent}, give the {c} and the number of {child}.",
            f"{show} the {c} of each {parent} and the number of its {child}.",
            f"{show} the number of {child} of each {parent} with the {c}.",
            f"{show} the {c} and the number of {child} for each {parent}.",
            f"What are the {many(c)} of {parents} and how many {child} do they have?",
        )
        return draft(rng, f"SELECT {name(column, 'T1')}, count(*) {source} GROUP BY {by}", text)
    number = pick(rng, [n for n in link.child.of("number") if n.measure])
    if draw < 0.4 and number:
        function = rng.choice(("avg", "avg", "max", "min", "sum"))
        figure = aggregated(rng, function, number)
        text = choose(
            rng,
            f"What is the {figure} of the {child} of each {parent}? Show the {c}.",
            f"For each {parent}, show the {c} and the {figure} of its {child}.",
            f"{show} the {c} of each {parent} with the {figure} of its {child}.",
            f"{show} the {figure} of {child} per {parent} {c}.",
        )
        return draft(rng, f"SELECT {name(column, 'T1')}, {function}({name(number, 'T2')}) {source} GROUP BY {by}", text)
    if draw < 0.65:
        least = rng.randint(1, 4)
        sign, said = rng.choice(
            (
                (">", f"more than {least}"),
                (">=", f"at least {least}"),
                (">=", f"{least} or more"),
                ("=", f"exactly {least}"),
                ("<", f"fewer than {least + 1}"),
            )
        )
        limit = least + 1 if sign == "<" else least
        whom = choose(
            rng,
            f"{parents} that have {said} {child}",
            f"{parents} with {said} {child}",
            f"{parents} having {said} {child}",
        )
        return draft(
            rng,
            f"SELECT {name(column, 'T1')} {source} GROUP BY {by} HAVING count(*) {sign} {limit}",
            request(rng, [column], whom, parent),
        )
    top = rng.random() < 0.7
    if draw < 0.75 and number:
        function = rng.choice(("avg", "sum"))
        figure = aggregated(rng, function, number)
        text = choose(
            rng,
            f"Which {parent} has the {'highest' if top else 'lowest'} {figure} of {child}? Give the {c}.",
            f"{show} the {c} of the {parent} whose {child} have the {'highest' if top else 'lowest'} {figure}.",
        )
        order_by = f"ORDER BY {function}({name(number, 'T2')}) {'DESC' if top else 'ASC'} LIMIT 1"
        return draft(rng, f"SELECT {name(column, 'T1')} {source} GROUP BY {by} {order_by}", text)
    most = (
        choose(rng, "most", "largest number of", "highest number of")
        if top
        else choose(rng, "fewest", "least", "smallest number of")
    )
    both = rng.random() < 0.2
    text = choose(
        rng,
        f"What is the {c} of the {parent} with the {most} {child}?",
        f"{show} the {c} of the {parent} that has the {most} {child}.",
        f"Which {parent} has the {most} {child}? Give the {c}.",
        f"{c} of the {parent} with the {most} {child}",
    ) + (" Show the number too." if both else "")
    what, order_by = ", count(*)" if both else "", f"ORDER BY count(*) {'DESC' if top else 'ASC'} LIMIT 1"
    return draft(rng, f"SELECT {name(column, 'T1')}{what} {source} GROUP BY {by} {order_by}", text)


def by_group_of_other(rng: random.Random, facts: Facts) -> Draft | None:
    """A count or figure of rows for each value of a column of the table that they refer to."""
    link = pick(rng, [link for link in facts.links if any(c.categories for c in link.parent.columns)])
    if link is None:
        return None
    column = rng.choice([c for c in link.parent.columns if c.categories])
    child, parent, c, show = rows(rng, link.child), one(link.parent.words), column.words, choose(rng, *SHOW_WORDS)
    number = pick(rng, [n for n in link.child.of("number") if n.measure])
    if number and rng.random() < 0.5:
        function = rng.choice(("avg", "max", "min", "sum"))
        what, figure = f"{function}({name(number, 'T1')})", f"the {aggregated(rng, function, number)} of {child}"
    else:
        what, figure = "count(*)", f"the number of {child}"
    text = choose(
        rng,
        f"{show} {figure} for each {c} of the {parent}.",
        f"What is {figure} per {parent} {c}?",
        f"For each {parent} {c}, {show.lower()} {figure}.",
        f"{show} {figure} by {c} of {parent}.",
    )
    return draft(rng, f"SELECT {name(column, 'T2')}, {what} {_from(link)} GROUP BY {name(column, 'T2')}", text)


def without(rng: random.Random, facts: Facts) -> Draft | None:
    """The rows to which no row, or none that passes a filter, refers; or how many they are."""
    link = pick(rng, [link for link in facts.links if not link.column.nulls])
    if link is None:
        return None
    found = filtered(rng, link.child, but=(link.column,)) if rng.random() < 0.4 else None
    children, parents = rows(rng, link.child, found), many(link.parent.words)
    inner = f"SELECT {name(link.column)} FROM {name(link.child)}" + (f" WHERE {found.sql}" if found else "")
    whom = choose(
        rng,
        f"{parents} that have no {children}",
        f"{parents} without {children}",
        f"{parents} without any {children}",
        f"{parents} that do not have any {children}",
        f"{parents} with no {children}",
    )
    source = f"FROM {name(link.parent)} WHERE {name(link.ref_column)} NOT IN ({inner})"
    if rng.random() < 0.25:
        return draft(rng, f"SELECT count(*) {source}", counting(rng, whom))
    columns = columns_of(rng, link.parent, link.ref_column)
    return (
        draft(rng, f"SELECT {names(columns)} {source}", request(rng, columns, whom, one(link.parent.words)))
        if columns
        else None
    )


def both_kinds(rng: random.Random, facts: Facts) -> Draft | None:
    """Rows that have rows of one kind and, but not, rows of another kind."""
    link = pick(rng, facts.links)
    column = shown(rng, link.parent, link.ref_column) if link else None
    by: ColumnFacts | None = pick(rng, link.child.of("text", "number")) if link else None
    if link is None or column is None or by is None:
        return None
    first, second = where(rng, by, "T2"), where(rng, by, "T2")
    if first is None or second is None or first.sql == second.sql:
        return None
    operator = rng.choice(("INTERSECT", "EXCEPT"))
    x, y, parents, show = (
        rows(rng, link.child, first),
        rows(rng, link.child, second),
        many(link.parent.words),
        choose(rng, *SHOW_WORDS),
    )
    whom = (
        f"{parents} that have {choose(rng, 'both ', '')}{x} and {choose(rng, 'also ', '')}{y}"
        if operator == "INTERSECT"
        else f"{parents} that have {x} but {choose(rng, 'no', 'not')} {y}"
    )
    text = choose(
        rng,
        f"{show} the {listed(rng, [column], True)} of {whom}.",
        f"What are the {listed(rng, [column], True)} of {whom}?",
        f"Which {whom}? Give the {column.words}.",
    )
    parts = [f"SELECT {name(column, 'T1')} {_from_parent(link)} WHERE {f.sql}" for f in (first, second)]
    return draft(rng, f" {operator} ".join(parts), text)


def through(rng: random.Random, facts: Facts) -> Draft | None:
    """Columns of a table joined with another through a third: a table that links both, or a chain of references."""
    pairs = [(x, y) for x in facts.links for y in facts.links if x != y and (x.child == y.child or x.parent == y.child)]
    pair = pick(rng, pairs)
    if pair is None:
        return None
    near, far = pair
    linked = near.child == far.child
    start = near.parent if linked else near.child
    if start == far.parent:
        return None
    found = _parent_filter(rng, far, "T3")
    columns = columns_of(rng, start, near.column, near.ref_column)
    if found is None or not columns:
        return None
    middle = _from_parent(near) if linked else _from(near)
    on = f"{name(far.column, 'T2')} = {name(far.ref_column, 'T3')}"
    source = f"{middle} JOIN {name(far.parent)} AS T3 ON {on} WHERE {found.sql}"
    things, other, others = many(start.words), rows(rng, far.parent, found, single=True), rows(rng, far.parent, found)
    whom = choose(
        rng,
        f"{things} with the {other}",
        f"{things} of the {other}",
        f"{things} that have {a(other)}",
        f"{things} for {others}",
        f"{things} linked to {others}",
        f"{things} that belong to {others}",
    )
    if rng.random() < 0.25:
        return draft(rng, f"SELECT count(*) {source}", counting(rng, whom))
    return draft(rng, f"SELECT {names(columns, 'T1')} {source}", request(rng, columns, whom, one(start.words)))
