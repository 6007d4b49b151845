"""What a SELECT has named so far: columns that wait for their FROM, tables that are bound, columns that may follow.

A SELECT list names columns before its FROM says where they come from. They are kept as `pending`, and FROM may only
bind tables that leave every pending name with exactly one owner: no unknown and no ambiguous column is ever complete.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

MOST_SOURCES = 7  # of one FROM
DUE, NAMED = "due", "named"


@dataclass(frozen=True)
class Source:
    """A table, or a subquery in FROM: its columns in lower case and how many `*` stands for."""

    name: str
    columns: frozenset[str]
    width: int


class Scope(NamedTuple):
    """One SELECT on its way. Everything in lower case."""

    need: int = 0  # result columns that it must have; 0: any number
    wanted: frozenset[str] = frozenset()  # names that its result columns must have
    pending: frozenset[tuple[str, str]] = frozenset()  # (qualifier or "", column or "*") named before FROM
    stars: tuple[str, ...] = ()  # qualifier of each star, "" for a bare one
    width: int = 0  # result columns beside the stars
    item: str = ""  # the column that the result column under way consists of
    subject: str = ""  # NAMED: the expression under way names something; DUE: what a condition begins with still has to
    outputs: tuple[str, ...] = ()  # names of the result columns, as far as they have one
    first: tuple[str, ...] = ()  # in a set operation: the names of its first member, which ORDER BY may use
    qualifier: str = ""  # read, its column yet to come
    ctes: tuple[Source, ...] = ()  # tables that WITH has made
    sources: tuple[tuple[str, Source], ...] = ()  # (alias, source) of FROM
    merged: frozenset[tuple[str, int]] = frozenset()  # (column that USING makes one, how many sources have it)
    natural: bool = False  # the table under way comes by NATURAL JOIN
    table: Source | None = None  # named in FROM, its alias yet to come
    open: bool = True  # the columns that are named still wait for their FROM
    aggregates: bool = True  # may stand here
    aggregated: bool = False  # one stands in the SELECT list
    grouped: bool = False
    late: bool = False  # in HAVING or ORDER BY
    compound: bool = False  # a member of a set operation behind the first
    terms: int = 0  # operators and commas so far

    def aliases(self) -> frozenset[str]:
        """Names of what FROM has bound."""
        return frozenset(alias for alias, _ in self.sources)

    def bare_columns(self) -> frozenset[str]:
        """Columns that need no qualifier, because one source alone has them."""
        once = _once(tuple(source for _, source in self.sources))
        if not self.merged:
            return once
        return once | {c for c, count in self.merged if count == sum(c in source.columns for _, source in self.sources)}

    def known_columns(self) -> frozenset[str]:
        """Columns that some source has."""
        return _any(tuple(source for _, source in self.sources))

    def unbound(self) -> bool:
        """Whether a name that is read now waits for FROM."""
        return self.open and not self.sources

    def shared(self) -> frozenset[str]:
        """Columns that the last source has and that are one column before it."""
        before = self._replace(sources=self.sources[:-1])
        return before.bare_columns() & self.sources[-1][1].columns

    def with_merged(self, columns: Iterable[str]) -> frozenset[tuple[str, int]]:
        """What is merged once these columns are."""
        kept = {pair for pair in self.merged if pair[0] not in columns}
        return frozenset(kept | {(c, sum(c in source.columns for _, source in self.sources)) for c in columns})

    def total(self) -> int:
        """How many result columns the SELECT has, stars counted in full; FROM is complete."""
        bound = dict(self.sources)
        count = self.width
        for star in self.stars:
            count += bound[star].width if star else sum(source.width for _, source in self.sources)
            count -= 0 if star else sum(times - 1 for _, times in self.merged)
        return count

    def unmet(self) -> list[tuple[str, str]]:
        """Pending names that no source gives yet."""
        bound = dict(self.sources)
        known = self.known_columns()
        return [(q, c) for q, c in self.pending if (q not in bound if q else c not in known and c != "*")]


@lru_cache(maxsize=1 << 14)
def _once(sources: tuple[Source, ...]) -> frozenset[str]:
    seen: set[str] = set()
    twice: set[str] = set()
    for source in sources:
        twice |= seen & source.columns
        seen |= source.columns
    return frozenset(seen - twice)


@lru_cache(maxsize=1 << 14)
def _any(sources: tuple[Source, ...]) -> frozenset[str]:
    return frozenset().union(*(source.columns for source in sources))


def suits(source: Source, alias: str, scope: Scope) -> bool:
    """Whether `source AS alias` gives what is pending under that alias and leaves no bare column with two owners."""
    if alias in scope.aliases():
        return False
    known = scope.known_columns()
    if scope.natural and not source.columns & known <= scope.bare_columns():
        return False
    for qualifier, column in scope.pending:
        if qualifier == alias and alias and column != "*" and column not in source.columns:
            return False
        if not qualifier and column in source.columns and column in known and not scope.natural:
            return False
    return True


def reachable(scope: Scope, tables: tuple[Source, ...], derivable: frozenset[str]) -> bool:
    """Whether some tables, joined to what is bound, give every pending name but a subquery's own one owner."""
    bound = dict(scope.sources)
    bare = frozenset(c for q, c in scope.pending if not q and c != "*" and c not in derivable)
    waiting: dict[str, set[str]] = {}
    for qualifier, column in scope.pending:
        if qualifier and qualifier not in bound and column not in derivable:
            waiting.setdefault(qualifier, set()).update({column} - {"*"})
    given = bare & scope.known_columns()
    left = MOST_SOURCES - len(scope.sources)
    return _cover(bare, given, tuple(sorted((frozenset(w) for w in waiting.values()), key=sorted)), tables, left)


@lru_cache(maxsize=1 << 15)
def _cover(
    bare: frozenset[str],
    given: frozenset[str],
    waiting: tuple[frozenset[str], ...],
    tables: tuple[Source, ...],
    left: int,
) -> bool:
    """Whether at most `left` tables, one for each of `waiting` and any others, let each bare column come once."""
    wanted: Iterable[str]
    if waiting:
        wanted, rest = waiting[0], waiting[1:]
    elif missing := sorted(bare - given):
        wanted, rest = missing[:1], ()
    else:
        return True
    if len(waiting) > left or not left:
        return False
    seen: set[frozenset[str]] = set()
    for table in tables:
        if table.columns.issuperset(wanted) and not given & table.columns:
            found = given | (bare & table.columns)
            if found not in seen and _cover(bare, found, rest, tables, left - 1):
                return True
            seen.add(found)
    return False
