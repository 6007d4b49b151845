"""Templates in many wordings over one table: what the built-in model is pre-trained on. One text a draft."""

import random

from macsql.grammar.draft import Draft, literal, name
from macsql.grammar.facts import ColumnFacts, Facts, TableFacts
from macsql.grammar.phrases import SHOW as SHOW_WORDS
from macsql.grammar.phrases import (
    Filter,
    aggregated,
    ask_figure,
    choose,
    counting,
    extreme,
    in_order,
    listed,
    polished,
    request,
    rows,
    scale,
    valued,
    where,
)
from macsql.grammar.plurals import many, one
from macsql.grammar.single_table import pick, shown


def draft(rng: random.Random, sql: str, text: str) -> Draft:
    """A draft of one polished text."""
    return Draft(sql, (polished(rng, text),))


def some_table(rng: random.Random, facts: Facts) -> TableFacts | None:
    """A table, those with more columns more often."""
    if not facts.tables:
        return None
    return rng.choices(facts.tables, [1 + len(table.columns) for table in facts.tables])[0]


def filtered(
    rng: random.Random, table: TableFacts, alias: str = "", but: tuple[ColumnFacts | None, ...] = ()
) -> Filter | None:
    """One or two filters of a table's columns."""
    tested = [column for column in table.of("text", "number") if column not in but]
    first = pick(rng, tested)
    found = where(rng, first, alias) if first else None
    if found is None or rng.random() < 0.78:
        return found
    second = pick(rng, [column for column in tested if column != first])
    other = where(rng, second, alias) if second else None
    if other is None:
        return found
    joint = "and" if rng.random() < 0.7 else "or"
    parts = [f"({f.sql})" if " OR " in f.sql and joint == "and" else f.sql for f in (found, other)]
    return Filter(f" {joint.upper()} ".join(parts), f"{found.behind} {joint} {other.behind}")


def columns_of(rng: random.Random, table: TableFacts, *but: ColumnFacts | None) -> list[ColumnFacts]:
    """One to three columns to show."""
    found: list[ColumnFacts] = []
    for _ in range(rng.choices((1, 2, 3), (70, 24, 6))[0]):
        column = shown(rng, table, *but, *found)
        if column is None and table.columns and not found:
            column = pick(rng, table.columns)
        if column is not None:
            found.append(column)
    return found


def names(columns: list[ColumnFacts], alias: str = "") -> str:
    """Columns as a select list."""
    return ", ".join(name(column, alias) for column in columns)


def select(rng: random.Random, facts: Facts) -> Draft | None:
    """Columns of all rows, or of those that pass a filter; every column now and then."""
    table = some_table(rng, facts)
    if table is None:
        return None
    found = filtered(rng, table) if rng.random() < 0.8 else None
    whom = rows(rng, table, found)
    condition = f" WHERE {found.sql}" if found else ""
    if rng.random() < 0.06:
        text = choose(
            rng,
            f"Show all information about {whom}.",
            f"Show everything about {whom}.",
            f"Give all details of {whom}.",
            f"List all columns of {whom}.",
        )
        return draft(rng, f"SELECT * FROM {name(table)}{condition}", text)
    label = table.label
    if found and label and rng.random() < 0.12:
        text = choose(
            rng,
            f"Which {whom}?",
            f"Which are the {whom}?",
            f"List {whom}.",
            f"Show all {whom}.",
            f"Name the {whom}.",
            f"What {whom} are there?",
        )
        return draft(rng, f"SELECT {name(label)} FROM {name(table)}{condition}", text)
    columns = columns_of(rng, table)
    if not columns:
        return None
    distinct = len(columns) == 1 and columns[0].categories and rng.random() < 0.3
    text = request(rng, columns, whom, one(table.words))
    if distinct:
        what, whats, show = columns[0].words, many(columns[0].words), choose(rng, *SHOW_WORDS)
        text = choose(
            rng,
            f"What are the different {whats} of {whom}?",
            f"{show} the distinct {whats} of {whom}.",
            f"{show} each {what} of {whom} once.",
            f"{show} all unique {whats} of {whom}.",
            f"What different {whats} do {whom} have?",
        )
    return draft(rng, f"SELECT {'DISTINCT ' if distinct else ''}{names(columns)} FROM {name(table)}{condition}", text)


def lookup(rng: random.Random, facts: Facts) -> Draft | None:
    """Something of the row that a name stands for: "how long is Ohio?", "what is the capital of Ohio?"."""
    labelled = [t for t in facts.tables if t.label and len(t.columns) > 1 and t.label.values]
    table = pick(rng, labelled)
    if table is None or table.label is None:
        return None
    value = table.label.values[rng.randrange(len(table.label.values))]
    column = pick(rng, [c for c in table.of("text", "number") if c != table.label])
    if column is None:
        return None
    said, row, c, words = valued(rng, value), one(table.words), column.words, scale(column)
    whom = choose(
        rng,
        said,
        said,
        f"the {row} {said}",
        f"the {row} named {said}",
        f"the {row} called {said}",
        f"{row} {said}",
        f"the {row} with the {table.label.words} {said}",
    )
    forms = [
        f"What is the {c} of {whom}?",
        f"what is the {c} of {whom}",
        f"Show the {c} of {whom}.",
        f"Give me the {c} for {whom}.",
        f"{c} of {whom}",
        f"Which {c} does {whom} have?",
        f"What {c} does {whom} have?",
        f"Find the {c} of {whom}.",
        f"Tell me {whom}'s {c}.",
    ]
    if words:
        forms += [f"{words[4]} {whom}?"] * 3
    last = c.split()[-1]
    if last in ("city", "country", "state", "location", "region"):
        forms += [f"In which {c} is {whom}?", f"In what {c} is {whom} located?", f"Where is {whom}?"]
    if last in ("author", "artist", "director", "publisher", "owner", "manager", "mayor", "winner", "chairman", "ceo"):
        forms += [f"Who is the {c} of {whom}?"] * 2
    if last in ("date", "founded", "established", "opened", "year"):
        forms += [
            f"When was {whom} {c}?" if last in ("founded", "established", "opened") else f"What is the {c} of {whom}?"
        ]
    return draft(
        rng,
        f"SELECT {name(column)} FROM {name(table)} WHERE {name(table.label)} = {literal(value)}",
        forms[rng.randrange(len(forms))],
    )


def count(rng: random.Random, facts: Facts) -> Draft | None:
    """How many rows, all or filtered; how many different values."""
    table = some_table(rng, facts)
    if table is None:
        return None
    found = filtered(rng, table) if rng.random() < 0.8 else None
    whom, condition = rows(rng, table, found), f" WHERE {found.sql}" if found else ""
    column = pick(rng, [c for c in table.columns if c.categories])
    if column and rng.random() < 0.2:
        whats = many(column.words)
        text = choose(
            rng,
            f"How many different {whats} do {whom} have?",
            f"How many distinct {whats} are there among {whom}?",
            f"Count the different {whats} of {whom}.",
            f"What is the number of distinct {whats} of {whom}?",
            f"number of different {whats} of {whom}",
        )
        return draft(rng, f"SELECT count(DISTINCT {name(column)}) FROM {name(table)}{condition}", text)
    return draft(rng, f"SELECT count(*) FROM {name(table)}{condition}", counting(rng, whom))


def figure(rng: random.Random, facts: Facts) -> Draft | None:
    """One to three aggregates of numbers over all or filtered rows."""
    table = pick(rng, [t for t in facts.tables if t.of("number")])
    if table is None:
        return None
    column = rng.choice(table.of("number"))
    functions = ["max", "min"] + (["avg", "avg", "sum"] if column.measure else [])
    wanted: list[tuple[str, ColumnFacts]] = [(rng.choice(functions), column)]
    for _ in range(rng.choices((0, 1, 2), (78, 15, 7))[0]):
        other = rng.choice(table.of("number")) if rng.random() < 0.3 else column
        pair = (rng.choice(["max", "min", *(["avg", "sum"] if other.measure else [])]), other)
        if pair not in wanted:
            wanted.append(pair)
    found = filtered(rng, table) if rng.random() < 0.5 else None
    whom, condition = rows(rng, table, found), f" WHERE {found.sql}" if found else ""
    said = [aggregated(rng, function, c) for function, c in wanted]
    if len(wanted) > 1 and all(c == column for _, c in wanted) and rng.random() < 0.6:
        said = [words.removesuffix(f" {column.words}") for words in said[:-1]] + [said[-1]]
    text = ask_figure(rng, said[0] if len(said) == 1 else ", ".join(said[:-1]) + " and " + said[-1], whom)
    sql = ", ".join(f"{function}({name(c)})" for function, c in wanted)
    return draft(rng, f"SELECT {sql} FROM {name(table)}{condition}", text)


def order(rng: random.Random, facts: Facts) -> Draft | None:
    """Columns of rows in an order; the first few; the first one among those that pass a filter."""
    table = pick(rng, [t for t in facts.tables if t.of("number")])
    if table is None:
        return None
    by = rng.choice(
        [c for c in table.of("number", "text") if c.kind == "number" or rng.random() < 0.3] or table.of("number")
    )
    columns = columns_of(rng, table, by)
    if not columns:
        return None
    top = rng.random() < 0.6
    direction = "DESC" if top else "ASC"
    show, what = choose(rng, *SHOW_WORDS), listed(rng, columns, rng.random() < 0.5)
    found = filtered(rng, table, but=(by,)) if rng.random() < 0.35 else None
    condition = f" WHERE {found.sql}" if found else ""
    head = f"SELECT {names(columns)} FROM {name(table)}{condition} ORDER BY {name(by)} {direction}"
    if by.kind == "number" and rng.random() < 0.55:
        number = 1 if found and rng.random() < 0.6 else rng.randint(2, 6)
        whom = extreme(rng, by, table, top, number)
        behind = f" among {rows(rng, table, found)}" if found else ""
        text = choose(
            rng,
            f"{show} the {what} of the {whom}{behind}.",
            f"What {'is' if number == 1 else 'are'} the {what} of the {whom}{behind}?",
            f"{what} of the {whom}{behind}",
            f"Which are the {whom}{behind}? Give their {what}.",
        )
        return draft(rng, f"{head} LIMIT {number}", text)
    whom, how = rows(rng, table, found), in_order(rng, by, top)
    text = choose(
        rng,
        f"{show} the {what} of {whom} {how}.",
        f"{show} the {what} of all {whom}, {how}.",
        f"What are the {what} of {whom}, {how}?",
        f"{show} {whom} {how} and give their {what}.",
        f"{what} of {whom} {how}",
    )
    return draft(rng, head, text)


def extremes(rng: random.Random, facts: Facts) -> Draft | None:
    """The row whose number is the highest or lowest, in a nested query; or that number beside it."""
    table = pick(rng, [t for t in facts.tables if any(c.distinct >= 2 for c in t.of("number"))])
    if table is None:
        return None
    by = rng.choice([c for c in table.of("number") if c.distinct >= 2])
    columns = columns_of(rng, table, by)
    if not columns:
        return None
    top = rng.random() < 0.55
    whom, what, show = extreme(rng, by, table, top), listed(rng, columns), choose(rng, *SHOW_WORDS)
    forms = [
        f"What is the {what} of the {whom}?",
        f"{show} the {what} of the {whom}.",
        f"{what} of the {whom}",
        f"what is the {what} of the {whom}",
        f"Find the {whom} and show its {what}.",
        f"For the {whom}, what is the {what}?",
    ]
    if columns == [table.label]:
        most = choose(rng, *(("highest", "largest", "most") if top else ("lowest", "smallest", "least")))
        forms += [
            f"Which {one(table.words)} has the {most} {by.words}?",
            f"What is the {whom}?",
            f"Which is the {whom}?",
            f"what is the {whom}",
        ] * 2
    inner = f"SELECT {'max' if top else 'min'}({name(by)}) FROM {name(table)}"
    return draft(
        rng,
        f"SELECT {names(columns)} FROM {name(table)} WHERE {name(by)} = ({inner})",
        forms[rng.randrange(len(forms))],
    )


def compared(rng: random.Random, facts: Facts) -> Draft | None:
    """Rows whose number is above or below the average, or that of a named row."""
    table = pick(rng, [t for t in facts.tables if any(c.measure for c in t.of("number"))])
    if table is None:
        return None
    by = rng.choice([c for c in table.of("number") if c.measure])
    top = rng.random() < 0.6
    sign, words = (">" if top else "<"), scale(by)
    more = (
        choose(rng, "above", "higher than", "greater than", "more than", "larger than")
        if top
        else choose(rng, "below", "lower than", "less than", "smaller than")
    )
    label = table.label
    if label and label.unique and rng.random() < 0.35:
        value = rng.choice(label.values)
        inner = f"SELECT {name(by)} FROM {name(table)} WHERE {name(label)} = {literal(value)}"
        said = valued(rng, value)
        behind = choose(
            rng,
            f"whose {by.words} is {more} that of {said}",
            f"with {by.words} {more} {said}",
            f"that have a {by.words} {more} {said}",
            f"with a {by.words} {more} that of {said}",
        )
        if words and rng.random() < 0.5:
            behind = f"{words[0 if top else 1]} {said}"
    else:
        inner = f"SELECT avg({name(by)}) FROM {name(table)}"
        mean = choose(
            rng,
            "the average",
            "average",
            "the mean",
            f"the average {by.words}",
            f"the average of all {many(table.words)}",
        )
        behind = choose(
            rng,
            f"whose {by.words} is {more} {mean}",
            f"with a {by.words} {more} {mean}",
            f"with {by.words} {more} {mean}",
            f"that have {by.words} {more} {mean}",
        )
        if words and rng.random() < 0.3:
            behind = f"{words[0 if top else 1]} average"
    found = Filter(f"{name(by)} {sign} ({inner})", behind)
    whom = rows(rng, table, found)
    if rng.random() < 0.2:
        return draft(rng, f"SELECT count(*) FROM {name(table)} WHERE {found.sql}", counting(rng, whom))
    columns = columns_of(rng, table, by)
    if not columns:
        return None
    return draft(
        rng,
        f"SELECT {names(columns)} FROM {name(table)} WHERE {found.sql}",
        request(rng, columns, whom, one(table.words)),
    )


def group(rng: random.Random, facts: Facts) -> Draft | None:
    """A count or a figure for each value of a column; values that have enough; the value that has most."""
    table = pick(rng, [t for t in facts.tables if any(c.categories for c in t.columns)])
    if table is None:
        return None
    column = rng.choice([c for c in table.columns if c.categories])
    number = pick(rng, [c for c in table.of("number") if c.measure])
    found = filtered(rng, table, but=(column,)) if rng.random() < 0.25 else None
    whom, condition = rows(rng, table, found), f" WHERE {found.sql}" if found else ""
    show, c, source = choose(rng, *SHOW_WORDS), column.words, f"FROM {name(table)}{condition}"
    kind = rng.random()
    if kind < 0.3:
        text = choose(
            rng,
            f"How many {whom} are there for each {c}?",
            f"How many {whom} are there per {c}?",
            f"For each {c}, count the {whom}.",
            f"{show} the number of {whom} for each {c}.",
            f"{show} each {c} and the number of {whom}.",
            f"Count the {whom} by {c}.",
            f"What are the {many(c)} and how many {whom} are in each?",
            f"{show} the {c} and the number of {whom} in each {c}.",
            f"number of {whom} per {c}",
            f"How many {whom} does each {c} have?",
            f"What is the number of {whom} in each {c}?",
        )
        return draft(rng, f"SELECT {name(column)}, count(*) {source} GROUP BY {name(column)}", text)
    if kind < 0.52 and number:
        function = rng.choice(("avg", "avg", "max", "min", "sum"))
        figure = aggregated(rng, function, number)
        text = choose(
            rng,
            f"What is the {figure} of {whom} for each {c}?",
            f"For each {c}, find the {figure} of {whom}.",
            f"{show} the {figure} of {whom} per {c}.",
            f"{show} each {c} with the {figure} of its {whom}.",
            f"{show} the {c} and the {figure} of {whom}, by {c}.",
            f"{figure} of {whom} by {c}",
            f"What are the {many(c)} and the {figure} of {whom} in each?",
        )
        return draft(rng, f"SELECT {name(column)}, {function}({name(number)}) {source} GROUP BY {name(column)}", text)
    if kind < 0.62 and number:
        top = rng.random() < 0.6
        function = rng.choice(("avg", "avg", "sum", "max", "min"))
        most, figure = ("highest" if top else "lowest"), aggregated(rng, function, number)
        text = choose(
            rng,
            f"Which {c} has the {most} {figure} of {whom}?",
            f"What is the {c} whose {whom} have the {most} {figure}?",
            f"{show} the {c} with the {most} {figure} of {whom}.",
        )
        order_by = f"ORDER BY {function}({name(number)}) {'DESC' if top else 'ASC'} LIMIT 1"
        return draft(rng, f"SELECT {name(column)} {source} GROUP BY {name(column)} {order_by}", text)
    if kind < 0.82:
        least = rng.randint(1, max(2, max(column.frequencies)))
        sign, said = rng.choice(
            (
                (">", f"more than {least}"),
                (">=", f"at least {least}"),
                (">=", f"{least} or more"),
                ("<", f"fewer than {least + 1}"),
                ("=", f"exactly {least}"),
                (">=", f"no less than {least}"),
            )
        )
        text = choose(
            rng,
            f"Which {many(c)} have {said} {whom}?",
            f"{show} the {many(c)} with {said} {whom}.",
            f"{show} the {many(c)} that have {said} {whom}.",
            f"What are the {many(c)} that {said} {whom} share?",
            f"{show} {c} with {said} {whom}.",
            f"Find the {many(c)} that appear in {said} {whom}.",
        )
        limit = least + 1 if sign == "<" else least
        return draft(
            rng, f"SELECT {name(column)} {source} GROUP BY {name(column)} HAVING count(*) {sign} {limit}", text
        )
    top = rng.random() < 0.7
    most = (
        choose(rng, "most", "largest number of", "highest number of", "greatest number of")
        if top
        else choose(rng, "fewest", "least", "smallest number of")
    )
    both = rng.random() < 0.2
    forms = [
        f"Which {c} has the {most} {whom}?",
        f"What is the {c} with the {most} {whom}?",
        f"{show} the {c} that has the {most} {whom}.",
        f"{show} the {c} with the {most} {whom}.",
    ]
    if top:
        forms += [
            f"Which {c} is the most common among {whom}?",
            f"What is the most common {c} of {whom}?",
            f"{show} the most frequent {c} of {whom}.",
            f"most common {c} among {whom}",
        ]
    text = forms[rng.randrange(len(forms))].rstrip(".?") + (", and how many are there?" if both else "?")
    what, order_by = ", count(*)" if both else "", f"ORDER BY count(*) {'DESC' if top else 'ASC'} LIMIT 1"
    return draft(rng, f"SELECT {name(column)}{what} {source} GROUP BY {name(column)} {order_by}", text)


def combined(rng: random.Random, facts: Facts) -> Draft | None:
    """Values of a column found for rows of one kind and, or, but not for rows of another."""
    table = pick(rng, [t for t in facts.tables if len(t.columns) > 2 and t.of("text")])
    if table is None:
        return None
    column = pick(rng, [c for c in table.of("text") if c.categories or c == table.label])
    tested = [c for c in table.of("text", "number") if c != column]
    if column is None or not tested:
        return None
    by = rng.choice(tested)
    first, second = where(rng, by), where(rng, by if rng.random() < 0.7 else rng.choice(tested))
    if first is None or second is None or first.sql == second.sql:
        return None
    operator = rng.choice(("INTERSECT", "EXCEPT", "EXCEPT", "UNION"))
    a, b, what, whats, show = (
        rows(rng, table, first),
        rows(rng, table, second),
        column.words,
        many(column.words),
        choose(rng, *SHOW_WORDS),
    )
    forms = {
        "INTERSECT": (
            f"Which {whats} have both {a} and {b}?",
            f"{show} the {whats} shared by {a} and {b}.",
            f"{show} the {what} of both {a} and {b}.",
            f"Which {whats} are found both for {a} and for {b}?",
            f"What {whats} do {a} and {b} have in common?",
        ),
        "EXCEPT": (
            f"Which {whats} have {a} but no {b}?",
            f"{show} the {whats} of {a} but not of {b}.",
            f"{show} the {whats} of {a}, leaving out those of {b}.",
            f"{show} the {whats} of {a} except those of {b}.",
            f"Which {whats} are found for {a} but not for {b}?",
        ),
        "UNION": (
            f"{show} the {whats} of {a} or of {b}, each once.",
            f"Which {whats} have {a} or {b}?",
            f"{show} the {whats} of {a} together with those of {b}.",
        ),
    }[operator]
    parts = [f"SELECT {name(column)} FROM {name(table)} WHERE {f.sql}" for f in (first, second)]
    return draft(rng, f" {operator} ".join(parts), forms[rng.randrange(len(forms))])
