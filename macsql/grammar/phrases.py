"""Wordings as people choose them: filters behind a noun, requests for columns, numbers and superlatives.

Every function makes random choices among ways to say the same thing. The plain templates of the other modules use a
fixed few; those of varied.py, on which the built-in model is pre-trained, use these.
"""

import random
import re
from dataclasses import dataclass

from macsql.grammar.draft import literal, name, spoken
from macsql.grammar.facts import ColumnFacts, TableFacts
from macsql.grammar.plurals import a, many, one

# words of a number's column -> (more, less, most, least, how much)
_SCALES = (
    ({"age"}, ("older than", "younger than", "oldest", "youngest", "how old is")),
    (
        {"price", "cost", "fee"},
        ("more expensive than", "cheaper than", "most expensive", "cheapest", "how expensive is"),
    ),
    ({"height", "elevation"}, ("higher than", "lower than", "highest", "lowest", "how high is")),
    ({"length", "duration"}, ("longer than", "shorter than", "longest", "shortest", "how long is")),
    ({"weight", "mass"}, ("heavier than", "lighter than", "heaviest", "lightest", "how heavy is")),
    ({"area", "size", "volume"}, ("larger than", "smaller than", "largest", "smallest", "how large is")),
    (
        {"population"},
        ("more populous than", "less populous than", "most populous", "least populous", "how many people live in"),
    ),
    ({"depth"}, ("deeper than", "shallower than", "deepest", "shallowest", "how deep is")),
    ({"speed"}, ("faster than", "slower than", "fastest", "slowest", "how fast is")),
    ({"width"}, ("wider than", "narrower than", "widest", "narrowest", "how wide is")),
    ({"salary", "income"}, ("better paid than", "worse paid than", "best paid", "worst paid", "how much is paid to")),
    ({"rating", "score"}, ("rated higher than", "rated lower than", "top rated", "worst rated", "how good is")),
    (
        {"year", "founded", "established", "opened"},
        ("newer than", "older than", "newest", "oldest", "in what year was"),
    ),
)
_PLACES = {
    "city",
    "country",
    "state",
    "location",
    "region",
    "venue",
    "town",
    "hometown",
    "district",
    "headquarters",
    "birthplace",
}
_MAKERS = {"author", "artist", "director", "publisher", "manufacturer", "composer", "brand", "organizer"}
_TIMES = {"year", "month", "season", "semester", "founded", "established", "opened"}
_DONE = {"founded", "established", "opened", "discovered"}
_DATE = re.compile(r"\d{4}-\d\d-\d\d")

OVER = ("above", "over", "greater than", "more than", "higher than", "larger than", "bigger than")
UNDER = ("below", "under", "less than", "lower than", "smaller than", "fewer than")
LEAST = ("at least", "no less than", "not below")
MOST = ("at most", "no more than", "not above")
SHOW = ("Show", "List", "Give", "Find", "Return", "Display", "Get", "Show me", "Give me", "Tell me", "Report", "Name")


@dataclass(frozen=True)
class Filter:
    """A condition as SQL, and what stands behind a noun that it holds for: "cars WITH COLOR RED"."""

    sql: str
    behind: str
    before: str = ""  # what may stand before the noun instead: "RED cars"


def choose(rng: random.Random, *options: str) -> str:
    """One of the options."""
    return options[rng.randrange(len(options))]


def scale(column: ColumnFacts) -> tuple[str, str, str, str, str] | None:
    """The words for more and less of a number, where there are some."""
    words = set(column.words.split())
    return next((said for known, said in _SCALES if known & words and column.kind == "number"), None)


def valued(rng: random.Random, value: str | int | float) -> str:
    """A value as somebody types it: mostly bare, now and then in quotes or in other case."""
    if not isinstance(value, str):
        return str(value)
    draw = rng.random()
    if draw < 0.12 or "'" in value:
        return f'"{value}"'
    if draw < 0.16:
        return f"'{value}'"
    return (
        value.lower() if draw < 0.22 else value.capitalize() if draw < 0.24 else spoken(value) if draw < 0.3 else value
    )


def where(rng: random.Random, column: ColumnFacts, alias: str = "") -> Filter | None:
    """A filter that some row passes; None where the column has nothing to test."""
    left, c = name(column, alias), column.words
    if column.nulls and rng.random() < 0.15:
        return Filter(
            f"{left} IS NULL", choose(rng, f"without {a(c)}", f"whose {c} is missing", f"whose {c} is unknown")
        )
    if not column.values:
        return None
    if column.kind == "text":
        return _text_filter(rng, column, left, c)
    if column.kind != "number":
        return None
    return _number_filter(rng, column, left, c)


def _text_filter(rng: random.Random, column: ColumnFacts, left: str, c: str) -> Filter:
    value = str(column.values[rng.randrange(len(column.values))])
    said, draw, head = valued(rng, value), rng.random(), c.split()[-1]
    if _DATE.fullmatch(value) and draw < 0.6:
        sign, word = (
            (">", choose(rng, "after", "later than"))
            if rng.random() < 0.5
            else ("<", choose(rng, "before", "earlier than"))
        )
        return Filter(
            f"{left} {sign} {literal(value)}",
            choose(rng, f"whose {c} is {word} {said}", f"with {a(c)} {word} {said}", f"{word} {said}"),
        )
    if draw < 0.07:
        return Filter(
            f"{left} != {literal(value)}",
            choose(rng, f"whose {c} is not {said}", f"with {a(c)} other than {said}", f"that do not have {c} {said}"),
        )
    if draw < 0.13 and (words := [w for w in value.split() if len(w) > 2 and w.isalnum()]):
        part = words[rng.randrange(len(words))]
        place = rng.randrange(3)
        pattern = (f"%{part}%", f"{value[:1]}%", f"%{value[-1:]}")[place]
        sign = (part, value[:1], value[-1:])[place]
        verb = (
            choose(rng, "contains", "includes", "has the word"),
            choose(rng, "starts with", "begins with"),
            "ends with",
        )[place]
        if sign.isalnum():
            return Filter(
                f"{left} LIKE {literal(pattern)}",
                choose(
                    rng, f"whose {c} {verb} {valued_part(rng, sign)}", f"where the {c} {verb} {valued_part(rng, sign)}"
                ),
            )
    if draw < 0.18 and len(column.values) > 2:
        other = str(rng.choice([v for v in column.values if v != value]))
        return Filter(
            f"{left} = {literal(value)} OR {left} = {literal(other)}",
            choose(
                rng,
                f"whose {c} is {said} or {valued(rng, other)}",
                f"with {c} {said} or {valued(rng, other)}",
                f"whose {c} is either {said} or {valued(rng, other)}",
            ),
        )
    forms = [
        f"whose {c} is {said}",
        f"with {c} {said}",
        f"with the {c} {said}",
        f"where {c} is {said}",
        f"that have {c} {said}",
        f"of {c} {said}",
        f"having {said} as {c}",
        f"whose {c} equals {said}",
        f"where the {c} is {said}",
        f"with {said} as {c}",
    ]
    if head in _PLACES:
        forms += [f"in {said}", f"from {said}", f"located in {said}", f"in {said}"]
    elif head in _MAKERS:
        forms += [f"by {said}", f"by {said}", f"from {said}"]
    elif head in _TIMES:
        forms += [f"in {said}", f"of {said}"]
    elif head in ("name", "title"):
        forms += [f"named {said}", f"called {said}", f"{said}", f"with the name {said}"]
    elif head == "nationality" or head == "language":
        forms += [f"who are {said}", f"in {said}"]
    else:
        forms += [f"that are {said}", f"with {said} {c}"]
    before = said if column.categories and value.isalpha() and head not in _PLACES | _MAKERS | {"name", "title"} else ""
    return Filter(f"{left} = {literal(value)}", forms[rng.randrange(len(forms))], before)


def valued_part(rng: random.Random, part: str) -> str:
    """A piece of a value in quotes, or bare."""
    return choose(rng, part, f'"{part}"', f"'{part}'")


def _number_filter(rng: random.Random, column: ColumnFacts, left: str, c: str) -> Filter:
    values = column.values
    value = values[rng.randrange(len(values))]
    draw, words = rng.random(), scale(column)
    year = bool(_TIMES & set(c.split())) and isinstance(value, int)
    done = c in _DONE
    if draw < 0.2 or len(values) < 3:
        forms = [
            f"whose {c} is {value}",
            f"with {c} {value}",
            f"with {a(c)} of {value}",
            f"where {c} is {value}",
            f"that have {a(c)} of {value}",
            f"whose {c} equals {value}",
        ]
        if year:
            forms += [f"in {value}", f"from {value}"] if not done else [f"{c} in {value}", f"that were {c} in {value}"]
        return Filter(f"{left} = {literal(value)}", forms[rng.randrange(len(forms))])
    if draw < 0.28 and len(values) >= 4:
        low, high = sorted(rng.sample(values, 2))
        forms = [
            f"whose {c} is between {low} and {high}",
            f"with {a(c)} between {low} and {high}",
            f"with {a(c)} from {low} to {high}",
            f"whose {c} lies between {low} and {high}",
            f"with {c} in the range {low} to {high}",
        ]
        return Filter(f"{left} BETWEEN {literal(low)} AND {literal(high)}", forms[rng.randrange(len(forms))])
    value = values[rng.randrange(1, len(values) - 1)]
    if isinstance(value, int) and value > 200 and not year and rng.random() < 0.5:
        round_to = 10 ** (len(str(value)) - 1)
        value = value // round_to * round_to
    if rng.random() < 0.5:
        sign, word, related = ">", choose(rng, *OVER), words[0] if words else ""
    else:
        sign, word, related = "<", choose(rng, *UNDER), words[1] if words else ""
    if rng.random() < 0.2:
        sign, word, related = (">=", choose(rng, *LEAST), "") if sign == ">" else ("<=", choose(rng, *MOST), "")
    if year and sign in "<>":
        word = choose(rng, "after", "later than") if sign == ">" else choose(rng, "before", "earlier than")
    forms = [
        f"whose {c} is {word} {value}",
        f"with {a(c)} {word} {value}",
        f"with {c} {word} {value}",
        f"that have {a(c)} {word} {value}",
        f"where the {c} is {word} {value}",
        f"having {a(c)} {word} {value}",
        f"with {a(c)} of {word} {value}",
    ]
    if sign == ">=":
        forms += [f"with {a(c)} of {value} or more", f"whose {c} is {value} or more"]
    if sign == "<=":
        forms += [f"with {a(c)} of {value} or less", f"whose {c} is {value} or less"]
    if related and not year:
        forms += [f"{related} {value}", f"that are {related} {value}"] * 2
    if done:
        forms += [f"{c} {word} {value}", f"that were {c} {word} {value}"] * 2
    elif year:
        forms += [f"{word} {value}"] * 2
    return Filter(f"{left} {sign} {literal(value)}", forms[rng.randrange(len(forms))])


def rows(rng: random.Random, table: TableFacts, found: Filter | None = None, single: bool = False) -> str:
    """The rows of a table, or those that pass a filter: "singers", "all singers older than 30", "red cars"."""
    noun = one(table.words) if single else many(table.words)
    if found is None:
        return noun
    return f"{found.before} {noun}" if found.before and rng.random() < 0.4 else f"{noun} {found.behind}"


def listed(rng: random.Random, columns: list[ColumnFacts], plural: bool = False) -> str:
    """Columns as a request names them."""
    words = [many(column.words) if plural and rng.random() < 0.6 else column.words for column in columns]
    return (
        words[0]
        if len(words) == 1
        else ", ".join(words[:-1]) + choose(rng, " and ", " and ", " and the ", ", ") + words[-1]
    )


def request(rng: random.Random, columns: list[ColumnFacts], whom: str, row: str) -> str:
    """A request for columns of `whom` (several rows; `row`: one of them, without the filter)."""
    what, whats, show = listed(rng, columns), listed(rng, columns, True), choose(rng, *SHOW)
    their = "their " + listed(rng, columns, rng.random() < 0.3)
    return choose(
        rng,
        f"{show} the {what} of {whom}.",
        f"{show} the {whats} of all {whom}.",
        f"{show} the {what} for {whom}.",
        f"{show} {what} of {whom}",
        f"{show} the {whats} of the {whom}.",
        f"What are the {whats} of {whom}?",
        f"What are the {whats} of all {whom}?",
        f"What is the {what} of {whom}?",
        f"What is the {what} of each {row} among {whom}?"
        if rng.random() < 0.2
        else f"what are the {whats} of the {whom}",
        f"Which {whats} do {whom} have?",
        f"What {what} do the {whom} have?",
        f"For {whom}, {show.lower()} the {what}.",
        f"For all {whom}, what are the {whats}?",
        f"{what} of {whom}",
        f"Which {whom} are there? {show} {their}.",
        f"Find all {whom} and {choose(rng, 'show', 'list', 'give', 'return')} {their}.",
        f"{show} {whom} with {their}.",
        f"I want the {what} of {whom}.",
        f"Can you {show.lower()} the {whats} of {whom}?",
        f"Please {show.lower()} the {what} of {whom}.",
    )


def counting(rng: random.Random, whom: str) -> str:
    """How many rows there are."""
    return choose(
        rng,
        f"How many {whom} are there?",
        f"How many {whom}?",
        f"how many {whom} are there",
        f"Count the {whom}.",
        f"Count the number of {whom}.",
        f"What is the number of {whom}?",
        f"What is the total number of {whom}?",
        f"{choose(rng, *SHOW)} the number of {whom}.",
        f"Tell me how many {whom} there are.",
        f"number of {whom}",
        f"How many {whom} do we have?",
        f"How many {whom} exist?",
    )


_AGGREGATES = {
    "avg": ("average", "mean", "average"),
    "max": ("maximum", "highest", "largest", "greatest", "biggest"),
    "min": ("minimum", "lowest", "smallest", "least"),
    "sum": ("total", "sum of the", "combined", "overall"),
}


def aggregated(rng: random.Random, function: str, column: ColumnFacts) -> str:
    """An aggregate of a column in words: "average age"."""
    return f"{choose(rng, *_AGGREGATES[function])} {column.words}"


def ask_figure(rng: random.Random, figure: str, whom: str) -> str:
    """A request for a figure over rows."""
    show = choose(rng, *SHOW)
    return choose(
        rng,
        f"What is the {figure} of {whom}?",
        f"What is the {figure} of all {whom}?",
        f"{show} the {figure} of {whom}.",
        f"{show} the {figure} of all {whom}.",
        f"{show} the {figure} for {whom}.",
        f"What is the {figure} among {whom}?",
        f"What is the {figure} across all {whom}?",
        f"{figure} of {whom}",
        f"what is the {figure} of the {whom}",
        f"For {whom}, what is the {figure}?",
        f"Calculate the {figure} of {whom}.",
    )


def extreme(rng: random.Random, column: ColumnFacts, table: TableFacts, top: bool, count: int = 1) -> str:
    """The row or rows with the most or least of a number: "the oldest singer", "3 cities with the smallest area"."""
    words = scale(column)
    noun = one(table.words) if count == 1 else many(table.words)
    number = "" if count == 1 else choose(rng, f"{count} ", f"{count} ", f"top {count} " if top else f"{count} ")
    word = (
        choose(rng, "highest", "largest", "greatest", "most", "maximum", "biggest")
        if top
        else choose(rng, "lowest", "smallest", "least", "minimum")
    )
    if _TIMES & set(column.words.split()):
        word = choose(rng, "latest", "most recent") if top else choose(rng, "earliest", "first")
    forms = [
        f"{number}{noun} with the {word} {column.words}",
        f"{number}{noun} that have the {word} {column.words}"
        if count > 1
        else f"{noun} whose {column.words} is the {word}",
        f"{number}{noun} having the {word} {column.words}",
    ]
    if words:
        forms += [f"{number}{words[2 if top else 3]} {noun}"] * 3
    return forms[rng.randrange(len(forms))]


def in_order(rng: random.Random, column: ColumnFacts, down: bool) -> str:
    """An order of rows in words."""
    c = column.words
    if column.kind == "text" and not down:
        return choose(
            rng,
            f"sorted by {c}",
            f"in alphabetical order of {c}",
            f"ordered by {c} alphabetically",
            f"in ascending order of {c}",
        )
    if down:
        return choose(
            rng,
            f"in descending order of {c}",
            f"sorted by {c} in descending order",
            f"ordered by {c} from highest to lowest",
            f"by {c} from highest to lowest",
            f"from the highest to the lowest {c}",
            f"by decreasing {c}",
        )
    return choose(
        rng,
        f"in ascending order of {c}",
        f"sorted by {c} in ascending order",
        f"ordered by {c} from lowest to highest",
        f"by {c} from lowest to highest",
        f"sorted by {c}",
        f"ordered by {c}",
        f"by increasing {c}",
    )


def polished(rng: random.Random, text: str) -> str:
    """The text as people leave it: first letter large or not, the sign at its end or not."""
    text = " ".join(text.split())
    if rng.random() < 0.1:
        text = text.rstrip(".?")
    if rng.random() < 0.85:
        return text[:1].upper() + text[1:]
    return text[:1].lower() + text[1:]
