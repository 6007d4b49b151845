"""An index of a database's short texts, so that those which a question names are found without reading it again.

It is built once per database and process, in memory, and only reads. Numbers are not in it: a question that says 3
rarely means the value 3 of a column. Digits that are stored as text (a zip code) are.
"""

import re
import sqlite3
import unicodedata
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from macsql.database.opening import Stamp, connect, locate
from macsql.database.schema import Database, Table, quoted, words
from macsql.errors import UserError

MAX_LENGTH = 100  # characters; longer text is prose, which no question quotes
MAX_BYTES = 4 * MAX_LENGTH  # of a text of that length in UTF-8
MAX_ROWS = 100_000  # of a larger table only its first rows are read, as for value examples
MAX_CELLS = 1_200_000  # of all tables together; fewer rows of the large tables are read where there are more
MAX_NEAR = 10_000  # distinct values; in a column with more of them, one letter off is somebody else
MAX_HELD = 2_000_000  # values of all databases that are kept at once
NEAR_LETTERS = 6  # letters of a text from which on one of them may be wrong

_BETWEEN_WORDS = re.compile(r"[\W_]+")
_ASCII_SIGNS = re.compile(r"[^a-z0-9\n]*[^a-z0-9\n ][^a-z0-9\n]*|  +")  # all but one space between two words
_NUMBERS = re.compile("INT|REAL|FLOA|DOUB|NUM|DEC|BOOL")  # declared types of columns that hold hardly any text


@dataclass(frozen=True)
class ColumnTexts:
    """The distinct short texts of a column."""

    table: str
    column: str
    written: dict[str, str]  # key of a text (`keys_of`) -> the text without spaces around it
    others: dict[str, tuple[str, ...]]  # the same for texts that share their key with others: "Texas" and "TEXAS"

    def of(self, key: str) -> tuple[str, ...]:
        """The texts with this key."""
        return self.others[key] if key in self.others else (self.written[key],) if key in self.written else ()


@dataclass(frozen=True)
class ValueIndex:
    """The short texts of a database, by column."""

    columns: tuple[ColumnTexts, ...] = ()
    names: frozenset[str] = frozenset()  # words of the schema's own names
    partly: tuple[str, ...] = ()  # tables of which only the first rows were read

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys of all columns."""
        return frozenset().union(*(column.written for column in self.columns))

    @cached_property
    def near(self) -> "NearKeys":
        """The keys that may be misspelt."""
        found = NearKeys()
        small = [column.written for column in self.columns if len(column.written) <= MAX_NEAR]
        for key in sorted(set().union(*small)):
            found.add(key)
        return found


@dataclass
class NearKeys:
    """Keys by their halves: with one letter wrong, missing, added, or two swapped, one half is still the same."""

    heads: dict[tuple[int, str], list[str]] = field(default_factory=dict)  # (length of a key, its start) -> keys
    tails: dict[tuple[int, str], list[str]] = field(default_factory=dict)

    def add(self, key: str) -> None:
        """Take a key in, if it is long enough and has no digits: another digit is another thing."""
        if may_be_misspelt(key):
            half = (len(key) - 1) // 2
            self.heads.setdefault((len(key), key[:half]), []).append(key)
            self.tails.setdefault((len(key), key[-half:]), []).append(key)

    def like(self, key: str) -> list[str]:
        """Keys that are one edit away (optimal string alignment), in order; never the key itself."""
        if not may_be_misspelt(key):
            return []
        from rapidfuzz.distance import OSA

        found: set[str] = set()
        for length in (len(key) - 1, len(key), len(key) + 1):
            half = (length - 1) // 2
            found.update(self.heads.get((length, key[:half]), ()))
            found.update(self.tails.get((length, key[-half:]), ()))
        return sorted(other for other in found if other != key and OSA.distance(key, other, score_cutoff=1) == 1)


def may_be_misspelt(key: str) -> bool:
    """Whether a key is long enough, and without digits, so that one other letter still means the same."""
    letters = sum(map(str.isalpha, key))
    return letters >= NEAR_LETTERS and letters + key.count(" ") == len(key)


def fold(text: str) -> str:
    """Text without upper case and accents, each character by itself."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())  # "𝒩" is "N" only then
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def keys_of(texts: Sequence[str]) -> list[str]:
    """Each text by its words: folded, one space between them, nothing for signs."""
    joined = "\n".join(texts)
    if joined.count("\n") == len(texts) - 1 and joined.isascii():  # a loop would cost more than all else
        return [key.strip() for key in _ASCII_SIGNS.sub(" ", joined.lower()).split("\n")]
    plain = [place for place, text in enumerate(texts) if text.isascii() and "\n" not in text]
    keys = dict(zip(plain, keys_of([texts[place] for place in plain]), strict=True)) if plain else {}
    return [keys[n] if n in keys else _BETWEEN_WORDS.sub(" ", fold(text)).strip() for n, text in enumerate(texts)]


_HELD: "OrderedDict[tuple[Path, Stamp], ValueIndex]" = OrderedDict()  # the last ones used, by file and its state


def index_of(database: Database) -> ValueIndex:
    """The index of a database, from memory where the file is as it was. Raises UserError as `read_value_index` does."""
    path = database.path.absolute()
    known = path, locate(path)[1]
    if known not in _HELD:
        _HELD[known] = read_value_index(database)
    _HELD.move_to_end(known)
    while len(_HELD) > 1 and sum(len(index.keys) for index in _HELD.values()) > MAX_HELD:
        _HELD.popitem(last=False)
    return _HELD[known]


def read_value_index(database: Database) -> ValueIndex:
    """Read the short texts of every column, whatever type it declares; a column without any is left out.

    A table or column that the file does not have, or that SQLite cannot compute, has no texts. Raises UserError where
    the file is missing or damaged.
    """
    tables = database.schema.tables
    columns: list[ColumnTexts] = []
    partly: list[str] = []
    with closing(connect(database.path)) as connection:
        try:
            rows = [_rows(connection, table) for table in tables]
            most = _rows_to_read(tables, rows)
            for table, number in zip(tables, rows, strict=True):
                columns += _read(connection, table, most)
                if number > most:
                    partly.append(table.name)
        except sqlite3.DatabaseError as error:
            raise UserError(f"{database.path} cannot be read ({error}).") from error
    named = [name for table in tables for name in (table.name, table.full_name)]
    named += [name for table in tables for column in table.columns for name in (column.name, column.full_name)]
    return ValueIndex(tuple(columns), frozenset(" ".join(keys_of([*map(words, named)])).split()), tuple(partly))


def _rows(connection: sqlite3.Connection, table: Table) -> int:
    """Rows of a table, counted as far as they matter."""
    counted = f"SELECT COUNT(*) FROM (SELECT 1 FROM {quoted(table.name)} LIMIT {MAX_ROWS + 1})"
    try:
        return connection.execute(counted).fetchone()[0]
    except sqlite3.OperationalError:  # no such table
        return 0


def _rows_to_read(tables: Sequence[Table], rows: Sequence[int]) -> int:
    """At most how many rows of each table are read, so that all together keep to MAX_CELLS."""
    widths = [sum(not _NUMBERS.search(column.type) for column in table.columns) for table in tables]
    most = MAX_ROWS
    while most > 1 and sum(width * min(most, number) for width, number in zip(widths, rows, strict=True)) > MAX_CELLS:
        most = most * 9 // 10
    return most


def _read(connection: sqlite3.Connection, table: Table, most: int) -> list[ColumnTexts]:
    """The short texts of a table's columns, of its first `most` rows."""
    names = [column.name for column in table.columns]
    try:
        rows = _rows_of(connection, table.name, names, most)
    except sqlite3.OperationalError:  # one of them is not there, or computed by a function that SQLite does not know
        single = [replace(table, columns=(column,)) for column in table.columns] if len(names) > 1 else []
        return [texts for one in single for texts in _read(connection, one, most)]
    read = []
    for name, column in zip(names, zip(*rows, strict=True), strict=False):  # no rows, no columns
        texts = list({text.strip() for text in set(column) if text and len(text) <= MAX_LENGTH})
        if texts:
            read.append(_indexed(table.name, name, texts))
    return read


def _rows_of(connection: sqlite3.Connection, table: str, columns: Sequence[str], most: int) -> list[tuple[str | None]]:
    """Rows of the columns' texts of at most MAX_BYTES, None for anything else."""
    shown = []
    for column in columns:
        name = f"t.{quoted(column)}"  # qualified with t: SQLite takes a lone unknown "name" for a string
        # the condition asks for kind and size, which SQLite knows before it reads the text itself
        short = f"typeof({name}) = 'text' AND length(CAST({name} AS BLOB)) BETWEEN 1 AND {MAX_BYTES}"
        shown.append(f"CASE WHEN {short} THEN {name} END")
    query = f"SELECT {', '.join(shown)} FROM {quoted(table)} AS t LIMIT {most}"
    lenient = connection.text_factory
    connection.text_factory = str  # twice as fast, and refuses what is not UTF-8
    try:
        return connection.execute(query).fetchall()
    except sqlite3.OperationalError as error:
        if not str(error).startswith("Could not decode"):
            raise
    finally:
        connection.text_factory = lenient
    return connection.execute(query).fetchall()


def _indexed(table: str, column: str, texts: Sequence[str]) -> ColumnTexts:
    keys = keys_of(texts)
    written = dict(zip(keys, texts, strict=True))
    others: dict[str, tuple[str, ...]] = {}
    if len(written) < len(texts):
        for key, text in zip(keys, texts, strict=True):
            others[key] = (*others.get(key, ()), text)
        others = {key: tuple(sorted(found)) for key, found in others.items() if len(found) > 1}
    written.pop("", None)
    return ColumnTexts(table, column, written, others)
