"""The words that random databases are made of: things, what is said of them, and lists of values (words.yaml)."""

import random
import string
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast

import yaml

Fill = Literal["text", "whole", "real", "year", "date", "flag", "code", "choice"]


@dataclass(frozen=True)
class Trait:
    """Something that is said of a thing: a column to be."""

    name: str  # in words
    fill: Fill
    source: str = ""  # text: a list of `values`; choice: its values, or a list's name
    low: float = 0
    high: float = 0


def _split(values: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in values.split(","))


def _trait(text: str) -> Trait:
    """`name = fill source`, or `name = fill low high`."""
    name, _, spec = text.partition("=")
    fill, _, source = spec.strip().partition(" ")
    kind = cast("Fill", fill)
    if fill in ("whole", "real", "year"):
        low, high = map(float, source.split())
        return Trait(name.strip(), kind, "", low, high)
    return Trait(name.strip(), kind, source.strip())


_WORDS: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "words.yaml").read_text(encoding="utf-8"))
TRAITS = {kind: [_trait(part) for part in text.split("|")] for kind, text in _WORDS["traits"].items()}
THINGS: dict[str, str] = _WORDS["things"]
CHOICES = {name: _split(values) for name, values in _WORDS["choices"].items()}
SYNONYMS = {name: _split(values) for name, values in _WORDS["synonyms"].items()}
SHORT: dict[str, str] = _WORDS["short"]
SYLLABLES: list[str] = _WORDS["syllables"].split()
ENDINGS: list[str] = _WORDS["endings"].split()
RESERVED = frozenset(_WORDS["reserved"].split())


@lru_cache(maxsize=1)
def common() -> tuple[str, ...]:
    """About a thousand common English words."""
    from faker.providers.lorem.en_US import Provider

    return tuple(
        sorted({word.lower() for word in Provider.word_list if word.isascii() and word.isalpha() and len(word) > 2})
    )


@lru_cache(maxsize=1)
def _lists() -> dict[str, tuple[str, ...]]:
    """Lists of values by name."""
    from faker.providers.address.en_US import Provider as Address
    from faker.providers.job import Provider as Job
    from faker.providers.person.en_US import Provider as Person

    def known(words: object) -> tuple[str, ...]:
        return tuple(sorted({str(word) for word in words if str(word).isascii()}))  # type: ignore[attr-defined]

    return {
        "first": known(Person.first_names),
        "last": known(Person.last_names),
        "country": tuple(word for word in known(Address.countries) if len(word) < 20),
        "state": known(Address.states),
        "job": tuple(word for word in known(Job.jobs) if len(word) < 25 and "," not in word),
        "prefix": known(Address.city_prefixes),
        "suffix": known(Address.city_suffixes),
        "street": known(Address.street_suffixes),
        "skill": _split(_WORDS["lists"]["skill"]),
        "nature": _split(_WORDS["lists"]["nature"]),
    }


def invented(rng: random.Random) -> str:
    """A word that no list has: two to four syllables."""
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(2, 4)))


@lru_cache(maxsize=1)
def wide() -> tuple[str, ...]:
    """Tens of thousands of words of many languages: names of people and places, jobs, words of sentences."""
    import importlib
    import pkgutil

    found: set[str] = set()
    for kind in ("address", "job", "lorem", "person"):
        package = importlib.import_module(f"faker.providers.{kind}")
        for locale in pkgutil.iter_modules(package.__path__):
            provider = importlib.import_module(f"faker.providers.{kind}.{locale.name}").Provider
            lists = [value for _, value in sorted(vars(provider).items()) if isinstance(value, (tuple, list, dict))]
            parts = (part for values in lists for value in values if isinstance(value, str) for part in value.split())
            found.update(part.lower() for part in parts if part.isascii() and part.isalpha() and 3 <= len(part) <= 10)
    return tuple(sorted(found))


def rare(rng: random.Random) -> str:
    """A word that a training hardly meets twice: of many languages, with another ending, of syllables or of letters."""
    draw = rng.random()
    if draw < 0.45:
        return rng.choice(wide())
    if draw < 0.75:
        return rng.choice(common()) + rng.choice(ENDINGS)
    if draw < 0.9:
        return invented(rng)
    return "".join(rng.choice(string.ascii_lowercase) for _ in range(rng.randint(2, 4)))


def text_value(rng: random.Random, source: str) -> str:
    """A value from one of the lists, or made from several of them."""
    lists = _lists()

    def pick(name: str) -> str:
        return rng.choice(lists[name])

    def word() -> str:
        return (rng.choice(common()) if rng.random() < 0.6 else rare(rng)).capitalize()

    match source:
        case "person":
            return f"{pick('first')} {pick('last')}" if rng.random() < 0.8 else pick("first")
        case "city":
            draw = rng.random()
            return (
                f"{pick('last')}{pick('suffix')}"
                if draw < 0.4
                else f"{pick('prefix')} {pick('last')}"
                if draw < 0.6
                else invented(rng).capitalize()
            )
        case "company":
            return rng.choice(
                (
                    f"{pick('last')} {rng.choice(('Inc', 'Ltd', 'Group', 'and Sons', 'LLC'))}",
                    f"{word()} {word()}",
                    word(),
                )
            )
        case "place":
            return rng.choice(
                (
                    f"{word()} {rng.choice(('Hall', 'Park', 'Center', 'House', 'Point', 'Hill', 'Square'))}",
                    f"{pick('last')} {word()}",
                    word(),
                )
            )
        case "product":
            return rng.choice(
                (word(), f"{word()} {rng.randint(1, 99)}", f"{word()} {word()}", f"{word().lower()} {word().lower()}")
            )
        case "event":
            return rng.choice(
                (f"{word()} {rng.choice(('Cup', 'Open', 'Day', 'Festival', 'Summit', 'Prix'))}", f"{word()} {word()}")
            )
        case "title":
            return " ".join(word() for _ in range(rng.randint(1, 4)))
        case "phrase":
            return " ".join(word().lower() for _ in range(rng.randint(1, 4)))
        case "street":
            return f"{rng.randint(1, 999)} {pick('last')} {pick('street')}"
        case "email":
            return f"{pick('first').lower()}@{invented(rng)}.com"
        case "url":
            return f"www.{invented(rng)}.com"
        case "phone":
            return f"{rng.randint(100, 999)}-{rng.randint(100, 999)}-{rng.randint(1000, 9999)}"
        case "clock":
            return f"{rng.randint(0, 23):02}:{rng.choice((0, 15, 30, 45)):02}"
        case "nature":
            return rng.choice(
                (pick("nature"), pick("nature").capitalize(), f"{word()} {pick('nature').capitalize()}", invented(rng))
            )
        case "word":
            return word().lower()
        case "invented":
            return invented(rng)
    return pick(source)


def singular(spoken: str) -> str:
    """A table's words for one row."""
    from macsql.grammar.plurals import one

    return one(spoken)
