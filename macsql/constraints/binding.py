"""Which names of one schema, and which of a query's own, may stand at a place of the query."""

import string
from collections.abc import Iterable
from functools import partial

from macsql.constraints.names import NameSet, lower, plain
from macsql.constraints.scopes import MOST_SOURCES, NAMED, Scope, Source, reachable, suits
from macsql.constraints.terminals import Env, Name, NewWord, put
from macsql.constraints.vocabulary import DERIVED, DERIVED_TABLE
from macsql.database.schema import Schema

SHORTEST = 3  # letters that an alias takes from the front of a table's name


class Binding:
    """The names of a schema as the grammar's tokens, each with what follows from it."""

    def __init__(self, schema: Schema) -> None:
        self.tables = tuple(
            Source(lower(plain(table.name)), frozenset(lower(plain(c.name)) for c in table.columns), len(table.columns))
            for table in schema.tables
        )
        self.by_name = {table.name: table for table in self.tables}
        self.columns = frozenset().union(*(table.columns for table in self.tables))
        named = [table.name for table in schema.tables] + [c.name for table in schema.tables for c in table.columns]
        self.spelt = {lower(plain(name)): plain(name) for name in [*DERIVED, *named]}
        self._fresh = frozenset(_aliases(self.by_name)) - frozenset(self.by_name)
        self._sets: dict[tuple[frozenset[str], bool], NameSet] = {}
        self._words: dict[object, frozenset[str]] = {}
        bare, quoted = self.set_of, partial(self.set_of, quoted=True)
        self.bare = Name(lambda env: bare(self.bare_names(env)), self.named_bare)
        self.qualifier = Name(lambda env: bare(self.qualifiers(env)), lambda env, name: put(env, qualifier=name))
        self.star_of = Name(lambda env: bare(self.qualifiers(env)), self.starred)
        self.qualified = Name(lambda env: quoted(self.qualified_names(env)), self.named_qualified)
        self.table = Name(lambda env: quoted(self.table_names(env)), self.named_table)
        self.alias = Name(lambda env: bare(self.alias_names(env)), self.bind)
        self.sole_alias = Name(lambda env: bare(self.sole_aliases(env)), self.bind)
        spelt = {name: name for name in self._fresh}
        self.usual_alias = NewWord(self.may_name, self.taken, self.bind, NameSet(self._fresh, spelt))
        self.any_alias = NewWord(self.may_name, self.taken, self.bind)
        self.output = Name(lambda env: bare(frozenset(env[-1].first) - {""}), lambda env, name: env)  # noqa: ARG005
        self.shared = Name(lambda env: bare(env[-1].shared()), self.merge)
        self.more_shared = Name(
            lambda env: bare(env[-1].shared() - {column for column, _ in env[-1].merged}), self.merge
        )
        self.cte = NewWord(lambda env: True, self.taken, lambda env, name: put(env, qualifier=name))  # noqa: ARG005

    def set_of(self, names: frozenset[str], quoted: bool = False) -> NameSet:
        """The ways to write these names, made once. `quoted`: any of them may stand in double quotes."""
        key = (names, quoted)
        if key not in self._sets:
            self._sets[key] = NameSet(names, self.spelt, quoted)
        return self._sets[key]

    def known(self, scope: Scope) -> tuple[Source, ...]:
        """The tables that FROM may name: the schema's, and those of WITH."""
        return self.tables + scope.ctes

    def reaches(self, scope: Scope) -> bool:
        """Whether FROM can still give every pending name its owner."""
        return reachable(scope, self.known(scope), DERIVED)

    def speaks(self, env: Env) -> bool:
        """Whether any column may be named."""
        return bool(self.bare.names(env).names or self.qualifier.names(env).names)

    def bare_names(self, env: Env) -> frozenset[str]:
        """Columns that may be named without their table."""
        scope = env[-1]
        if scope.unbound():
            key = (scope.pending, scope.ctes)
            if key not in self._words:
                every = self.columns.union(*(table.columns for table in scope.ctes))
                self._words[key] = frozenset(
                    c for c in every if self.reaches(scope._replace(pending=scope.pending | {("", c)}))
                )
            return self._words[key]
        names = scope.bare_columns()
        if scope.late:
            return names | (frozenset(scope.outputs) - {""}) if scope.aggregates else names
        known = scope.known_columns()
        for outer in reversed(env[:-1]):
            if not outer.open:
                names |= outer.bare_columns() - known
                known |= outer.known_columns()
        return names

    def named_bare(self, env: Env, name: str) -> Env:
        """A column without its table: pending before FROM."""
        scope = env[-1]
        env = put(env, subject=NAMED)
        return put(env, pending=scope.pending | {("", name)}, item=name) if scope.unbound() else env

    def qualifiers(self, env: Env) -> frozenset[str]:
        """Names that may stand before a point."""
        scope = env[-1]
        if scope.unbound():
            waiting = frozenset(q for q, _ in scope.pending if q)
            if len(waiting) >= MOST_SOURCES:
                return waiting
            tables = frozenset(table.name for table in self.known(scope))
            owned = frozenset(name for name in tables - waiting if self.qualified_names(put(env, qualifier=name)))
            return waiting | owned | (self._fresh if self.qualified_names(put(env, qualifier="\0")) else frozenset())
        outer = () if scope.late else tuple(one for one in env[:-1] if not one.open)
        return frozenset(a for one in (scope, *outer) for a, source in one.sources if a and source.columns)

    def qualified_names(self, env: Env) -> frozenset[str]:
        """Columns behind a qualifier."""
        scope = env[-1]
        alias = scope.qualifier
        if scope.unbound():
            key = (scope.pending, alias, scope.ctes)
            if key not in self._words:
                named = {table.name: table for table in self.known(scope)}
                own = named[alias].columns if alias in named else self.columns
                if alias not in named:
                    own = own.union(*(table.columns for table in scope.ctes))
                    own |= DERIVED if alias.startswith(DERIVED_TABLE) else frozenset()
                self._words[key] = frozenset(
                    c for c in own if self.reaches(scope._replace(pending=scope.pending | {(alias, c)}))
                )
            return self._words[key]
        for one in reversed(env):
            bound = dict(one.sources)
            if alias in bound:
                return bound[alias].columns
        return frozenset()

    def named_qualified(self, env: Env, name: str) -> Env:
        """A column with its table: pending before FROM."""
        scope = env[-1]
        env = put(env, qualifier="", subject=NAMED)
        return put(env, pending=scope.pending | {(scope.qualifier, name)}, item=name) if scope.unbound() else env

    def starred(self, env: Env, name: str) -> Env:
        """`name.*` in a SELECT list."""
        scope = env[-1]
        return put(env, pending=scope.pending | {(name, "*")}, stars=(*scope.stars, name), item="")

    def table_names(self, env: Env) -> frozenset[str]:
        """Tables that FROM may bind under some alias."""
        scope = env[-1]
        return frozenset(t.name for t in self.known(scope) if self.binds(t, scope))

    def named_table(self, env: Env, name: str) -> Env:
        """A table in FROM, its alias yet to come."""
        scope = env[-1]
        source = self.by_name.get(name) or next(table for table in scope.ctes if table.name == name)
        return put(env, table=source)

    def binds(self, source: Source, scope: Scope) -> bool:
        """Whether FROM may bind a source under some alias."""
        return bool(self._named(source, scope)) or self._free(source, scope)

    def alias_names(self, env: Env) -> frozenset[str]:
        """Aliases that wait for the table, or the subquery, that was just read, or its own name."""
        scope = env[-1]
        assert scope.table is not None
        return self._named(scope.table, scope) - {""}

    def sole_aliases(self, env: Env) -> frozenset[str]:
        """Those of them that need no AS: not of a table that stands first and has none of the columns named so far."""
        scope = env[-1]
        strange = scope.table is not None and self._waiting(scope.table, scope)[2]
        return frozenset() if strange else self.alias_names(env)

    def may_name(self, env: Env) -> bool:
        """Whether it may have a name that nothing waits for."""
        scope = env[-1]
        return scope.table is not None and self._free(scope.table, scope)

    def taken(self, env: Env, name: str) -> bool:
        """Whether a name means something else already."""
        scope = env[-1]
        tables = name in self.by_name or any(table.name == name for table in scope.ctes)
        return tables or name in scope.aliases() or any(q == name for q, _ in scope.pending)

    def bind(self, env: Env, alias: str) -> Env:
        """The table that was just read has this alias."""
        scope = env[-1]
        assert scope.table is not None
        return put(env, sources=(*scope.sources, (alias, scope.table)), table=None)

    def merge(self, env: Env, column: str) -> Env:
        """The last table shares a column with those before it: it is one column from here on."""
        return put(env, merged=env[-1].with_merged({column}))

    def _named(self, source: Source, scope: Scope) -> frozenset[str]:
        waiting, due, strange = self._waiting(source, scope)
        if due in waiting or strange:
            return frozenset({due}) if self._fits(source, scope, due) else frozenset()
        return frozenset(alias for alias in {*waiting, source.name} if self._fits(source, scope, alias))

    def _free(self, source: Source, scope: Scope) -> bool:
        waiting, due, strange = self._waiting(source, scope)
        return due not in waiting and not strange and self._fits(source, scope, "\0")

    def _waiting(self, source: Source, scope: Scope) -> tuple[set[str], str, bool]:
        """Aliases that wait; the one that is due; whether a table that stands first and alone has no named column.

        The first table is T1, the second T2: whoever names them so keeps to it.
        """
        unmet = scope.unmet()
        waiting = {q for q, _ in unmet if q}
        bare = {c for q, c in unmet if not q}
        first = bool(bare) and not scope.sources and not waiting and bool(source.name)
        return waiting, f"t{len(scope.sources) + 1}", first and not bare & source.columns

    def _fits(self, source: Source, scope: Scope, alias: str) -> bool:
        bound = scope._replace(sources=(*scope.sources, (alias, source)))
        return suits(source, alias, scope) and self.reaches(bound) and _wide_enough(bound)


def _wide_enough(scope: Scope) -> bool:
    """Whether a star does not stand for more columns than there may be."""
    if not scope.need or not scope.stars:
        return True
    bound = dict(scope.sources)
    return all(star in bound for star in scope.stars if star) is False or scope.total() <= scope.need


def _aliases(tables: Iterable[str]) -> Iterable[str]:
    """The aliases that queries are written with.

    T1, t, a; text2sql-data's CITYAlias0; and of `order_items` oi, ord, items, order_itemsData.
    """
    for letter in string.ascii_lowercase:
        yield letter
        yield from (f"{letter}{digit}" for digit in range(10))
    for name in (*tables, DERIVED_TABLE):
        yield from (f"{name}alias{digit}" for digit in range(6))
    for name in tables:
        words = [word for word in name.replace("-", "_").replace(" ", "_").split("_") if word]
        yield "".join(word[0] for word in words)
        for word in {*words, name}:
            yield from (word[:count] for count in range(SHORTEST, len(word) + 1) if word[count - 1] != "_")
        yield from (f"{short}{more}" for short in (name, name[:3]) for more in ("data", "info", "details"))
