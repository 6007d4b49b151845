"""Value linking: which values of a database a question names, and in which columns.

Only the question (with its evidence) and the database are looked at, so it works the same in training and in use.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from macsql.database.schema import Database
from macsql.database.value_index import MAX_LENGTH, ValueIndex, fold, index_of

KINDS = ("exact", "folded", "plural", "near")  # how far a question's words are from the value, best first
MAX_PLACES = 12  # columns; a text that stands in more of them tells nothing about any
MAX_WORDS = 16  # words of a value that a question may hold
MAX_TEXT = 20_000  # characters of a question that are looked at
_LONGEST = MAX_LENGTH + 20  # characters of a question that can be one value, signs and accents included

Place = tuple[str, str]  # (table, column) as the schema writes them


@dataclass(frozen=True)
class Link:
    """Words of a question that are a value of a column."""

    table: str
    column: str
    value: str  # as the database writes it, without spaces around it, as value examples are shown
    kind: str  # of KINDS
    start: int  # characters in the question
    end: int


def linked_values(database: Database, question: str, evidence: str = "", most: int = 4) -> dict[Place, tuple[str, ...]]:
    """(table, column) -> at most `most` of its values that the question or the evidence names, the surest first.

    A column without any has no entry. Raises UserError where the file is missing or damaged.
    """
    return chosen(find_links(index_of(database), question, evidence), most) if most > 0 else {}


def chosen(links: list[Link], most: int) -> dict[Place, tuple[str, ...]]:
    """At most `most` values for each column: those closest to the question's words, and of these the longest."""
    values: dict[Place, dict[str, None]] = {}
    for link in sorted(links, key=lambda link: (KINDS.index(link.kind), link.start - link.end)):
        held = values.setdefault((link.table, link.column), {})
        if len(held) < most:
            held[link.value] = None
    return {place: tuple(held) for place, held in values.items()}


def find_links(index: ValueIndex, *texts: str) -> list[Link]:
    """The links of each text, in the order of the texts, then of the columns, then of the words.

    Of a column's values that overlap in a text only the longest is linked. Words are looked up as they are; where they
    are no value of any column, with the last one in plural or singular; and where that is none either, with one letter
    wrong, missing, added or two swapped.
    """
    return [link for text in texts if text for link in _links(index, text[:MAX_TEXT])]


def _links(index: ValueIndex, text: str) -> list[Link]:
    spans = list(_spans(index, text))
    spans.sort(key=lambda span: (span.start - span.end, span.start))  # longest first
    links = []
    for column in index.columns:
        taken: list[tuple[int, int]] = []
        found: list[Link] = []
        for span in spans:
            if any(start < span.end and span.start < end for start, end in taken):
                continue
            for key, kind in span.keys:
                values = column.of(key)
                if values:
                    taken.append((span.start, span.end))
                    written = text[span.start : span.end]
                    values = (written,) if written in values else values[:1]
                    kind = "exact" if kind == "folded" and written in values else kind
                    found += [Link(column.table, column.column, value, kind, span.start, span.end) for value in values]
                    break
        links += sorted(found, key=lambda link: link.start)
    return links


@dataclass(frozen=True)
class _Span:
    """Some words of a text that stand in the index."""

    start: int
    end: int
    keys: tuple[tuple[str, str], ...]  # (key of the index, kind)


def _spans(index: ValueIndex, text: str) -> Iterator[_Span]:
    words = list(_words(text))
    for first in range(len(words)):
        for last in range(first, min(first + MAX_WORDS, len(words))):
            start, end = words[first][1], words[last][2]
            if end - start > _LONGEST:
                break
            if first == last and not _may_be_value(index, words[first][0], text[start:end], text, start, end):
                continue
            keys = _known(index, [word for word, _, _ in words[first : last + 1]])
            if keys and sum(column.of(keys[0][0]) != () for column in index.columns) <= MAX_PLACES:
                yield _Span(start, end, keys)


def _known(index: ValueIndex, words: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The keys of the index that words stand for, all of the same kind."""
    key = " ".join(words)
    if key in index.keys:
        return ((key, "folded"),)
    if words[0] in STOP_WORDS or words[-1] in STOP_WORDS:
        return ()
    other = list(other_numbers(key))
    if len(words) == 1 and not index.names.isdisjoint((key, *other)):  # "states" is the table, no misspelt "Slates"
        return ()
    if known := [form for form in other if form in index.keys]:
        return tuple((form, "plural") for form in known)
    return tuple((form, "near") for form in index.near.like(key))


def _may_be_value(index: ValueIndex, word: str, written: str, text: str, start: int, end: int) -> bool:
    """Whether a single word may be a value.

    Not one that only carries a question, a name of the schema, a lone letter or a number of one or two digits. But
    all of them in quotes, and the words with a capital (F, May) behind the first word of a text.
    """
    if start > 0 and end < len(text) and text[start - 1] in _QUOTES and text[end] in _QUOTES:
        return True
    if word.isdigit():
        return len(word) > 2
    if len(word) > 1 and word not in STOP_WORDS and word not in index.names:
        return True
    return written[0].isupper() and start > 0 and written not in ("A", "I")


def _words(text: str) -> Iterator[tuple[str, int, int]]:
    """The words of a text, folded as the index folds values, each with its start and end in the text."""
    letters = [fold(letter) for letter in text]
    places = [place for place, letter in enumerate(letters) for _ in letter]
    for word in _WORD.finditer("".join(letters)):
        end = places[word.end() - 1] + 1
        while end < len(text) and not letters[end]:  # an accent that is a character of its own
            end += 1
        yield word[0], places[word.start()], end


def other_numbers(key: str) -> Iterator[str]:
    """The key with its last word in plural or singular; forms that are no words do no harm, as no value has them."""
    head, space, last = key.rpartition(" ")
    if len(last) < 3 or not last.isalpha():
        return
    if last in _IRREGULAR:
        yield head + space + _IRREGULAR[last]
    for ending, other in _ENDINGS:
        if last.endswith(ending) and len(last) - len(ending) > 1:
            yield head + space + last[: len(last) - len(ending)] + other


_WORD = re.compile(r"[^\W_]+")
_QUOTES = "\"'`“”‘’«»„"
_ENDINGS = (("ies", "y"), ("y", "ies"), ("men", "man"), ("man", "men"), ("es", ""), ("s", ""), ("", "s"), ("", "es"))
_ONE_AND_MANY = {"child": "children", "foot": "feet", "goose": "geese", "mouse": "mice", "person": "people"}
_IRREGULAR = _ONE_AND_MANY | {many: one for one, many in _ONE_AND_MANY.items()}

# words that carry a question and are hardly ever the value that it means
_STOP = """
    a an the of in on at to for from by with without and or not no is are was were be been being do does did has have
    had having can could will would should may might must what which who whom whose where when why how many much all
    any each every some more most less least fewer than that this these those there their its it he she they him her
    them i you we me my your our us his hers if then so but as into over under after before about between among both
    either also only just other others same such per give show list find tell return get name names named number count
    total sum average mean maximum minimum max min please first last top
"""
STOP_WORDS = frozenset(_STOP.split())
