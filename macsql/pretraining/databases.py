"""Random databases: tables of things that have traits, named as people name them, linked and filled with rows."""

import dataclasses
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from macsql.database.schema import Database, ForeignKey, Schema, quoted, read_sqlite_schema
from macsql.grammar.plurals import many
from macsql.pretraining import words
from macsql.pretraining.words import CHOICES, SHORT, SYNONYMS, THINGS, TRAITS, Trait

_TABLES = ((1, 24), (2, 32), (3, 22), (4, 11), (5, 5), (6, 3), (8, 2), (10, 1))  # number, weight
# Words that no database replaces: the ones that say which column names a row, and those between two others.
KEPT = frozenset(("name", "title", "id", "code", "number", "key", "of", "in", "to", "for", "and", "the", "from", "by"))
_KINDS = ("person", "place", "product", "event", "group", "work", "record", "nature")

T = TypeVar("T")
Style = Callable[[list[str]], str]


def _snake(parts: list[str]) -> str:
    return "_".join(parts)


STYLES: tuple[tuple[Style, int], ...] = (  # how a schema joins the words of a name, and how often
    (_snake, 50),
    (lambda parts: "_".join(part.capitalize() for part in parts), 14),
    (lambda parts: "".join(part.capitalize() for part in parts), 14),
    (lambda parts: parts[0] + "".join(part.capitalize() for part in parts[1:]), 8),
    ("".join, 6),
    (" ".join, 3),
    (lambda parts: " ".join(part.capitalize() for part in parts), 2),
    (lambda parts: "_".join(parts).upper(), 3),
)


@dataclass
class _Column:
    name: str
    words: str
    type: str
    key: bool = False
    refers: tuple[str, str] | None = None  # table, column
    values: list[object] = field(default_factory=list)


@dataclass
class _Table:
    name: str
    words: str
    columns: list[_Column]
    rows: int

    @property
    def key(self) -> _Column | None:
        return next((column for column in self.columns if column.key), None)


def weighted(rng: random.Random, choices: tuple[tuple[T, int], ...]) -> T:
    """One of the choices by their weights."""
    return rng.choices([choice for choice, _ in choices], [weight for _, weight in choices])[0]


class _Maker:
    """The dice and the habits of one database's author."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.style = weighted(rng, STYLES)
        self.short = rng.random() < 0.12  # abbreviates
        self.prefixed = rng.random() < 0.18  # writes the table's name before its columns'
        self.plural = rng.random() < 0.5
        self.named_keys = rng.random() < 0.12  # a name is the key, and other tables repeat it
        self.declared = rng.random() < 0.88  # foreign keys are declared
        self.lowered = rng.random() < 0.15  # text is in lower case
        self.id_word = rng.choice(("id", "id", "id", "ID", "code", "number", "key"))
        self.bare_key = rng.random() < 0.4  # `id`, not `singer_id`
        self.foreign = rng.random() < 0.4  # has words of its own for most things
        self.own: dict[str, str] = {}

    def identifier(self, spoken: str) -> str:
        parts = spoken.replace("-", " ").split()
        if self.short:
            parts = [SHORT.get(part, part) if self.rng.random() < 0.6 else part for part in parts]
        return self.style(parts)

    def own_words(self, spoken: str) -> str:
        """The words, or in a foreign database rare ones, the same for the same word: names that must be copied."""
        if not self.foreign:
            return spoken
        for word in spoken.split():
            if word not in self.own:
                self.own[word] = word if word in KEPT or self.rng.random() < 0.25 else words.rare(self.rng)
        return " ".join(self.own[word] for word in spoken.split())

    def called(self, spoken: str) -> str:
        """The words, or now and then others for the same."""
        others = SYNONYMS.get(spoken, ())
        return self.rng.choice(others) if others and self.rng.random() < 0.2 else spoken

    def tables(self) -> list[_Table]:
        number = weighted(self.rng, _TABLES)
        made: list[_Table] = []
        while len(made) < number:
            if len(made) >= 2 and self.rng.random() < 0.25 and (link := self._linking(made)) is not None:
                made.append(link)
            else:
                made.append(self._table(made))
        return made

    def _thing(self) -> tuple[str, str]:
        kind = self.rng.choice(_KINDS)
        thing = self.rng.choice(THINGS[kind].split())
        draw = self.rng.random()
        if draw < 0.12:
            thing = self.rng.choice(words.common())
        elif draw < 0.18:
            thing = words.rare(self.rng)
        elif draw < 0.30:
            thing = (
                f"{self.rng.choice(words.common() if draw < 0.24 else THINGS[self.rng.choice(_KINDS)].split())} {thing}"
            )
        return kind, self.own_words(thing)

    def _table(self, made: list[_Table]) -> _Table:
        rng = self.rng
        while True:
            kind, thing = self._thing()
            spoken = many(thing) if self.plural else thing
            name = self.identifier(spoken)
            if name.lower() not in {table.name.lower() for table in made} and name.lower() not in words.RESERVED:
                break
        table = _Table(name, spoken, [], rng.randint(4, 18))
        traits = TRAITS[kind]
        count = min(max(1, round(rng.gauss(3.4, 2.2))), 13, len(traits))
        chosen = rng.sample(traits[1:], min(count, len(traits) - 1))
        if rng.random() < 0.8:
            chosen.insert(rng.randrange(2) if chosen else 0, traits[0])
        chosen += [self._odd() for _ in range(rng.choice((0, 0, 0, 1, 1, 2)))]
        chosen = [dataclasses.replace(trait, name=self.own_words(trait.name)) for trait in chosen]
        named = next((trait for trait in chosen if trait.name in ("name", "title") and trait.fill == "text"), None)
        by_name = self.named_keys and named is not None
        if not by_name and rng.random() < 0.93:
            self._add_key(table, thing)
        for trait in chosen:
            self._add(table, thing, trait, key=by_name and trait is named)
        if made:
            for parent in rng.sample(made, min(len(made), rng.choice((0, 1, 1, 1, 1, 2)))):
                self._refer(table, parent)
        if rng.random() < 0.1:
            rng.shuffle(table.columns)
        return table

    def _odd(self) -> Trait:
        """A trait of a random word."""
        rng = self.rng
        name = rng.choice(words.common()) if rng.random() < 0.6 else words.rare(rng)
        if rng.random() < 0.3:
            name = f"{rng.choice(words.common())} {name}"
        fills: tuple[words.Fill, ...] = ("text", "choice", "choice", "whole", "real")
        fill = rng.choice(fills)
        if fill in ("whole", "real"):
            return Trait(name, fill, low=0, high=rng.choice((10, 100, 1000, 90000)))
        return Trait(name, fill, rng.choice(("word", "invented", "phrase")) if fill == "text" else "")

    def _add_key(self, table: _Table, thing: str) -> None:
        words_of = self.id_word.lower() if self.bare_key else f"{thing} {self.id_word.lower()}"
        name = self.identifier(words_of)
        if self.id_word == "ID":
            name = name[:-2] + "ID" if name.lower().endswith("id") else name
        whole = self.rng.random() < 0.85
        values: list[object] = list(range(1, table.rows + 1))
        if not whole:
            letter = self.rng.choice("ABCEKLMPRSTX")
            values = [f"{letter}{100 + number}" for number in range(table.rows)]
        elif self.rng.random() < 0.2:
            values = list(self.rng.sample(range(100, 9999), table.rows))
        table.columns.append(_Column(name, words_of, "INTEGER" if whole else "TEXT", key=True, values=values))

    def _add(self, table: _Table, thing: str, trait: Trait, key: bool = False) -> None:
        spoken = f"{thing} {trait.name}" if self.prefixed and self.rng.random() < 0.7 else trait.name
        name = self.identifier(spoken)
        if name.lower() in {column.name.lower() for column in table.columns}:
            return
        kind, values = self._values(trait, table.rows, unique=key or trait.name in ("name", "title"))
        if not key and self.rng.random() < 0.06:
            values = [None if self.rng.random() < 0.2 else value for value in values]
        table.columns.append(
            _Column(name, self.called(trait.name) if spoken == trait.name else spoken, kind, key, None, values)
        )

    def _values(self, trait: Trait, rows: int, unique: bool) -> tuple[str, list[object]]:
        rng = self.rng
        if trait.fill in ("whole", "year"):
            low, high = int(trait.low), int(trait.high)
            if trait.fill == "whole" and high - low > 300 and rng.random() < 0.5:
                step = 10 ** (len(str(high - low)) - 2)
                return "INTEGER", [low + rng.randrange(max(1, (high - low) // step)) * step for _ in range(rows)]
            return "INTEGER", [rng.randint(low, high) for _ in range(rows)]
        if trait.fill == "real":
            places = rng.choice((1, 1, 2))
            return rng.choice(("REAL", "REAL", "NUMERIC(8,2)", "FLOAT")), [
                round(rng.uniform(trait.low, trait.high), places) for _ in range(rows)
            ]
        if trait.fill == "date":
            long = rng.random() < 0.8
            drawn = [(rng.randint(1990, 2024), rng.randint(1, 12), rng.randint(1, 28)) for _ in range(rows)]
            return rng.choice(("DATE", "TEXT")), [
                f"{y}-{m:02}-{d:02}" if long else f"{m:02}/{d:02}/{y}" for y, m, d in drawn
            ]
        if trait.fill == "flag":
            pair: tuple[object, object] = rng.choice(((0, 1), ("T", "F"), ("Yes", "No"), ("Y", "N"), ("true", "false")))
            return "INTEGER" if pair == (0, 1) else "TEXT", [rng.choice(pair) for _ in range(rows)]
        if trait.fill == "code":
            width, letters = rng.randint(3, 5), rng.random() < 0.5
            return "TEXT", [
                ("".join(rng.choice("ABCDEFGHKLMNPRSTUWX") for _ in range(2)) if letters else "")
                + str(rng.randint(10**width, 10 ** (width + 1) - 1))
                for _ in range(rows)
            ]
        if trait.fill == "choice":
            pool: list[str] = list(CHOICES.get(trait.source, ())) or [
                words.text_value(rng, rng.choice(("word", "word", "invented", "phrase"))) for _ in range(6)
            ]
            few = rng.sample(pool, min(len(pool), rng.randint(2, 5)))
            return rng.choice(("TEXT", "TEXT", "VARCHAR(30)")), self._cased([rng.choice(few) for _ in range(rows)])
        source = trait.source
        if unique:
            found: dict[object, None] = {}
            for number in range(20 * rows):
                named = words.text_value(rng, source)
                found[self._cased([named if number < 10 * rows else f"{named} {number}"])[0]] = None
                if len(found) == rows:
                    return "TEXT", list(found)
        some = [words.text_value(rng, source) for _ in range(rng.randint(2, max(3, rows)))]
        return rng.choice(("TEXT", "TEXT", "VARCHAR(50)")), self._cased([rng.choice(some) for _ in range(rows)])

    def _cased(self, values: list[str]) -> list[object]:
        return [value.lower() if self.lowered else value for value in values]

    def _refer(self, table: _Table, parent: _Table, role: str = "") -> None:
        key = parent.key
        if key is None or not key.values:
            return
        thing = words.singular(parent.words)
        draw = self.rng.random()
        if key.words.endswith(thing) or key.words.startswith(thing):
            spoken = key.words
        elif key.words in ("name", "title"):
            spoken = thing if draw < 0.4 else f"{thing} {key.words}"
        else:
            spoken = thing if draw < 0.12 else f"{thing} {key.words}"
        name = self.identifier(f"{role} {spoken}".strip())
        if self.id_word == "ID" and name.lower().endswith("id"):
            name = name[:-2] + "ID"
        if name.lower() in {column.name.lower() for column in table.columns}:
            return
        used = self.rng.sample(key.values, max(1, len(key.values) - self.rng.randint(0, len(key.values) // 2)))
        table.columns.append(
            _Column(
                name,
                spoken,
                key.type,
                False,
                (parent.name, key.name),
                [self.rng.choice(used) for _ in range(table.rows)],
            )
        )

    def _linking(self, made: list[_Table]) -> _Table | None:
        """A table whose rows connect those of two others."""
        keyed = [table for table in made if table.key is not None]
        if len(keyed) < 2:
            return None
        first, second = self.rng.sample(keyed, 2)
        records = THINGS["record"].split()
        other = self.rng.choice((words.singular(second.words), self.rng.choice(records)))
        thing = f"{words.singular(first.words)} {other}"
        if self.rng.random() < 0.4:
            thing = self.rng.choice(records)
        spoken = many(thing) if self.plural else thing
        name = self.identifier(spoken)
        if name.lower() in {table.name.lower() for table in made} or name.lower() in words.RESERVED:
            return None
        table = _Table(name, spoken, [], self.rng.randint(8, 24))
        if self.rng.random() < 0.4:
            self._add_key(table, thing)
        self._refer(table, first)
        self._refer(table, second)
        for trait in self.rng.sample(TRAITS["record"], self.rng.choice((0, 0, 1, 2))):
            self._add(table, thing, trait)
        return table


def make(seed: str, path: Path) -> tuple[Database, Schema]:
    """The database of a seed, written to `path`, and its schema with all foreign keys, declared or not.

    The full names of tables and columns are the words that questions use.
    """
    rng = random.Random(seed)
    maker = _Maker(rng)
    tables = maker.tables()
    if rng.random() < 0.3:
        rng.shuffle(tables)
    with closing(sqlite3.connect(":memory:")) as connection:
        for table in tables:
            connection.execute(_create(table, maker.declared))
            slots = ", ".join("?" * len(table.columns))
            rows = zip(*(column.values for column in table.columns), strict=True)
            connection.executemany(f"INSERT INTO {quoted(table.name)} VALUES ({slots})", rows)
        connection.commit()
        path.write_bytes(connection.serialize())
    schema = read_sqlite_schema(path, path.stem)
    spoken = {(table.name, column.name): column.words for table in tables for column in table.columns}
    told = [
        dataclasses.replace(
            table,
            full_name=source.words,
            columns=tuple(dataclasses.replace(c, full_name=spoken[table.name, c.name]) for c in table.columns),
        )
        for table, source in zip(schema.tables, tables, strict=True)
    ]
    shown = dataclasses.replace(schema, tables=tuple(told))
    keys = [ForeignKey(t.name, c.name, *c.refers) for t in tables for c in t.columns if c.refers is not None]
    return Database(path.stem, path, shown), dataclasses.replace(shown, foreign_keys=tuple(keys))


def _create(table: _Table, declared: bool) -> str:
    lines = [f"{quoted(c.name)} {c.type}{' PRIMARY KEY' if c.key else ''}" for c in table.columns]
    if declared:
        for column in table.columns:
            if column.refers is not None:
                target, key = column.refers
                lines.append(f"FOREIGN KEY ({quoted(column.name)}) REFERENCES {quoted(target)}({quoted(key)})")
    return f"CREATE TABLE {quoted(table.name)} ({', '.join(lines)})"
