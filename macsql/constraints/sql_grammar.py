"""The SELECT of SQLite as far as gold queries and models use it, with every name bound to one schema.

What the grammar completes prepares without an unknown or ambiguous name. It leaves out WITH, USING, NATURAL joins,
windows with frames and row values.
"""

import string
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from macsql.constraints.automaton import TEXT, Automaton, Rules, Symbols, Words
from macsql.constraints.names import NameSet, plain
from macsql.constraints.scopes import MOST_SOURCES, Scope, Source, reachable, suits
from macsql.database.schema import Schema

Env = tuple[Scope, ...]
Alternatives = Iterable[tuple[Symbols, Env]]

MOST_TERMS = 60  # operators, commas and brackets of one SELECT: a model that goes round in circles is stopped
MOST_NESTED = 8  # SELECTs inside one another
MOST_DIGITS = 20
MOST_KEPT = 20_000  # answers to which names may stand where

COMPARISONS = ("=", "==", "!=", "<>", "<", "<=", ">", ">=")
SUMS = ("+", "-", "*", "/", "%", "||")
WINDOWS = ("rank", "dense_rank", "row_number")
AGGREGATES = ("sum", "avg", "min", "max", "total", "group_concat")
FUNCTIONS = {  # name -> numbers of arguments
    **dict.fromkeys(("abs", "length", "lower", "upper", "typeof"), (1,)),
    **dict.fromkeys(("round", "trim", "ltrim", "rtrim", "date", "datetime", "time", "julianday"), (1, 2)),
    **dict.fromkeys(("substr", "substring"), (2, 3)),
    **dict.fromkeys(("instr", "ifnull", "nullif"), (2,)),
    **dict.fromkeys(("strftime", "coalesce"), (2, 3)),
    "replace": (3,),
}
TYPES = ("integer", "int", "real", "float", "text", "numeric", "double", "decimal", "date", "varchar", "char")
CONSTANTS = ("null", "true", "false", "current_timestamp", "current_date", "current_time")
DERIVED = frozenset(f"derived_fieldalias{n}" for n in range(4))  # what text2sql-data calls a subquery's columns


def put(env: Env, **changes: Any) -> Env:
    """What is known with other values in the innermost SELECT."""
    return (*env[:-1], env[-1]._replace(**changes))


class Number:
    """A whole or decimal number; where it would be the place of a result column, one that is there."""

    def begins(self, env: Env, text: str) -> bool:
        """Digits with at most one point, and as many as anybody needs."""
        whole, point, rest = text.partition(".")
        if env[-1].item == "#":
            return text.isdigit() and 1 <= int(text) <= env[-1].total()
        return whole.isdigit() and len(text) <= MOST_DIGITS and (not point or not rest or rest.isdigit())

    def holds(self, env: Env, text: str) -> bool:
        """The same, not ending with its point."""
        return text[-1] != "." and self.begins(env, text)

    def after(self, env: Env, text: str) -> Env:  # noqa: ARG002
        """It is no column."""
        return put(env, item="")


class Name:
    """One of the names that may stand here; `known` says which, `after` what follows from it."""

    def __init__(
        self,
        sets: Callable[[frozenset[str]], NameSet],
        known: Callable[[Env], frozenset[str]],
        after: Callable[[Env, str], Env],
    ) -> None:
        self._sets, self._known, self._after = sets, known, after
        self._here: dict[Env, NameSet] = {}

    def begins(self, env: Env, text: str) -> bool:
        """Whether one of them begins so."""
        return self._names(env).begins(text)

    def holds(self, env: Env, text: str) -> bool:
        """Whether it is one of them."""
        return self._names(env).read(text) is not None

    def after(self, env: Env, text: str) -> Env:
        """What is known behind it."""
        name = self._names(env).read(text)
        assert name is not None
        return self._after(env, name)

    def _names(self, env: Env) -> NameSet:
        found = self._here.get(env)
        if found is None:
            if len(self._here) > MOST_KEPT:
                self._here.clear()
            found = self._here[env] = self._sets(self._known(env))
        return found


class NewName:
    """A name that the query gives to a result column: a word, or anything in quotes."""

    def begins(self, env: Env, text: str) -> bool:  # noqa: ARG002
        """Letters, digits and underscores up to 40; no word that SQL keeps for itself is refused while it grows."""
        if text[0] in '`"':
            inner = text[1:-1] if len(text) > 1 and text[-1] == text[0] else text[1:]
            return text[0] not in inner and "\n" not in inner and len(text) <= 40
        return text.replace("_", "a").isalnum() and not text[0].isdigit() and text.isascii() and len(text) <= 40

    def holds(self, env: Env, text: str) -> bool:  # noqa: ARG002
        """Whether it is whole and no word that SQL keeps for itself."""
        from macsql.database.schema import identifier

        if text[0] in '`"':
            return len(text) > 2 and text[-1] == text[0]
        return identifier(text) == text

    def after(self, env: Env, text: str) -> Env:
        """The result column has this name."""
        return put(env, item=text.strip('`"').lower())


class SqlGrammar:
    """The grammar over one schema; `automaton` reads it."""

    def __init__(self, schema: Schema) -> None:
        self.tables = tuple(
            Source(
                plain(table.name.lower()), frozenset(plain(c.name.lower()) for c in table.columns), len(table.columns)
            )
            for table in schema.tables
        )
        self.by_name = {table.name: table for table in self.tables}
        self.columns = frozenset().union(*(table.columns for table in self.tables))
        self.fresh = frozenset(_aliases(self.by_name))
        named = [table.name for table in schema.tables] + [c.name for table in schema.tables for c in table.columns]
        self.spelt = {plain(name.lower()): plain(name) for name in named}
        self._sets: dict[frozenset[str], NameSet] = {}
        self._reachable: dict[tuple[object, ...], bool] = {}
        self._bare_words: dict[object, frozenset[str]] = {}
        number, new = Number(), NewName()
        self.bare = Name(self.set_of, self.bare_names, self.named_bare)
        self.qualifier = Name(self.set_of, self.qualifiers, lambda env, name: put(env, qualifier=name))
        self.star_of = Name(self.set_of, self.qualifiers, self.starred)
        self.qualified = Name(self.set_of, self.qualified_names, self.named_qualified)
        self.table = Name(self.set_of, self.table_names, lambda env, name: put(env, table=self.by_name[name]))
        self.alias = Name(self.set_of, self.alias_names, self.bind)
        self.output = Name(self.set_of, lambda env: frozenset(env[-1].first) - {""}, lambda env, name: env)  # noqa: ARG005
        self.number, self.new = number, new
        after_not: dict[str, tuple[Symbols, ...]] = {
            "like": (("Sum",),),
            "between": (("Sum", "and", "Sum"),),
            "in": (("(", "Among", ")"),),
        }
        tests = after_not | dict.fromkeys(COMPARISONS, (("Sum",),)) | {"is": (("Negation", "null"),)}
        tests["not"] = ((Words(after_not),),)
        self.calls = Words(_calls())
        aggregates: dict[str, tuple[Symbols, ...]] = dict.fromkeys(
            AGGREGATES, (("Inside", "(", "Distinct", "Expr", ")", "Aggregated"),)
        )
        aggregates["count"] = (*aggregates["sum"], ("Inside", "(", "*", ")", "Aggregated"))
        aggregates["group_concat"] += (("Inside", "(", "Expr", ",", TEXT, ")", "Aggregated"),)
        aggregates |= dict.fromkeys(WINDOWS, (("(", ")", "over", "(", "Window", ")"),))
        self.aggregates = Words(aggregates)
        self.signs = Words(dict.fromkeys(SUMS, (("Factor", "MoreSum"),)) | {"||": (("Sum",),)})
        self.conjunctions = Words(dict.fromkeys(("and", "or"), (("Cond",),)))
        member: Symbols = ("Core", "Tail")
        self.members = Words({"union": (member, ("all", *member)), "intersect": (member,), "except": (member,)})
        rules = {name: getattr(self, name) for name in dir(self) if name[0].isupper()}
        fixed: dict[str, tuple[Symbols, ...]] = {
            "Query": (("Core", "Tail"),),
            "Core": (("select", "Distinct", "Item", "Items", "From", "Where", "Group"),),
            "Distinct": (("distinct",), ()),
            "Named": (("as", new, "Done"), ("Done",)),
            "Where": (("where", "Cond"), ()),
            "HavingPart": (("HavingOn", "having", "Cond"), ()),
            "Join": (("join",), ("inner", "join"), ("left", "join"), ("left", "outer", "join")),
            "Exprs": (("Ordinal", "Sum", "MoreExprs"),),
            "MoreExprs": ((",", "Exprs"), ()),
            "Limit": (("limit", number, "Offset"), ()),
            "Offset": (("offset", number), (",", number), ()),
            "Direction": (("asc",), ("desc",), ()),
            "MoreOrderings": ((",", "Ordering", "MoreOrderings"), ()),
            "Negation": (("not",), ()),
            "Cond": (("Negation", "Predicate", "MoreCond"),),
            "Test": ((Words(tests),),),
            "Expr": (("Left", "ExprTail"), (TEXT, "NoName", "MoreText")),
            "ExprTail": ((), ("NoName", "Test", "MoreCond")),
            "Sum": (("Left",), (TEXT, "NoName", "MoreText")),
            "Left": (("Factor", "MoreSum"), ("-", "NoName", "Factor", "MoreSum")),
            "MoreText": (("||", "Sum"), ()),
            "Whens": (("when", "Cond", "then", "Sum", "MoreWhens"),),
            "MoreWhens": (("when", "Cond", "then", "Sum", "MoreWhens"), ()),
            "Whens2": (("when", "Sum", "then", "Sum", "MoreWhens2"),),
            "MoreWhens2": (("when", "Sum", "then", "Sum", "MoreWhens2"), ()),
            "Else": (("else", "Sum"), ()),
            "Type": tuple((kind,) for kind in TYPES),
            "Value": ((number,), ("-", number), (TEXT,), ("null",)),
            "MoreValues": ((",", "Value", "MoreValues"), ()),
            "MoreArguments": ((",", "Expr", "MoreArguments"), ()),
            "Window": (("Partition", "order", "by", "Sum", "Direction"),),
            "Partition": (("partition", "by", "Sum"), ()),
        }
        rules |= {name: partial(_same, alternatives) for name, alternatives in fixed.items()}
        every: Rules = rules
        self.automaton = Automaton(every, ("Query", "Semicolon"), (Scope(),))

    # --- names ------------------------------------------------------------------------------------------------------

    def set_of(self, names: frozenset[str]) -> NameSet:
        """The ways to write these names, made once."""
        if names not in self._sets:
            self._sets[names] = NameSet(names, self.spelt)
        return self._sets[names]

    def reaches(self, scope: Scope) -> bool:
        """Whether FROM can still give every pending name its owner."""
        return reachable(scope, self.tables, DERIVED)

    def bare_names(self, env: Env) -> frozenset[str]:
        """Columns that may be named without their table."""
        scope = env[-1]
        if scope.open and not scope.sources:
            key = scope.pending
            if key not in self._bare_words:
                self._bare_words[key] = frozenset(
                    c for c in self.columns if self.reaches(scope._replace(pending=scope.pending | {("", c)}))
                )
            return self._bare_words[key]
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
        if not (scope.open and not scope.sources):
            return env
        return put(env, pending=scope.pending | {("", name)}, item=name)

    def qualifiers(self, env: Env) -> frozenset[str]:
        """Names that may stand before a point."""
        scope = env[-1]
        if scope.open and not scope.sources:
            waiting = {q for q, _ in scope.pending if q}
            if len(waiting) >= MOST_SOURCES:
                return frozenset(waiting)
            return self.fresh | frozenset(self.by_name)
        names = scope.aliases() - {""}
        if not scope.late:
            for outer in env[:-1]:
                names |= outer.aliases() - {""} if not outer.open else frozenset()
        return names

    def qualified_names(self, env: Env) -> frozenset[str]:
        """Columns behind a qualifier."""
        scope = env[-1]
        alias = scope.qualifier
        if scope.open and not scope.sources:
            key = (scope.pending, alias)
            if key not in self._bare_words:
                own = self.by_name[alias].columns if alias in self.by_name else self.columns | DERIVED
                self._bare_words[key] = frozenset(
                    c for c in own if self.reaches(scope._replace(pending=scope.pending | {(alias, c)}))
                )
            return self._bare_words[key]
        for one in reversed(env):
            bound = dict(one.sources)
            if alias in bound:
                return bound[alias].columns
        return frozenset()

    def named_qualified(self, env: Env, name: str) -> Env:
        """A column with its table: pending before FROM."""
        scope = env[-1]
        if not (scope.open and not scope.sources):
            return put(env, qualifier="")
        return put(env, pending=scope.pending | {(scope.qualifier, name)}, item=name, qualifier="")

    def starred(self, env: Env, name: str) -> Env:
        """`name.*` in a SELECT list."""
        scope = env[-1]
        return put(env, pending=scope.pending | {(name, "*")}, stars=(*scope.stars, name), item="")

    def table_names(self, env: Env) -> frozenset[str]:
        """Tables that FROM may bind under some alias."""
        scope = env[-1]
        return frozenset(t.name for t in self.tables if self.aliases_of(t, scope))

    def aliases_of(self, source: Source, scope: Scope) -> frozenset[str]:
        """Aliases under which FROM may bind a source."""

        def fits(alias: str) -> bool:
            bound = scope._replace(sources=(*scope.sources, (alias, source)))
            return suits(source, alias, scope) and self.reaches(bound) and self.wide_enough(bound)

        waiting = {q for q, _ in scope.unmet() if q}
        due = f"t{len(scope.sources) + 1}"
        if due in waiting:  # the first table is T1, the second T2: whoever names them so keeps to it
            return frozenset({due}) if fits(due) else frozenset()
        bare = {c for q, c in scope.unmet() if not q}
        if bare and not scope.sources and not waiting and source.name and not bare & source.columns:
            # a table that stands first and alone has one of the columns at least
            return frozenset({due}) if fits(due) else frozenset()
        names = frozenset(alias for alias in {*waiting, source.name} if fits(alias))
        return names | (self.fresh - waiting - scope.aliases()) if fits("\0") else names

    def wide_enough(self, scope: Scope) -> bool:
        """Whether a star does not stand for more columns than there may be."""
        if not scope.need or not scope.stars:
            return True
        bound = dict(scope.sources)
        return all(star in bound for star in scope.stars if star) is False or scope.total() <= scope.need

    def alias_names(self, env: Env) -> frozenset[str]:
        """Aliases for the table, or the subquery, that was just read."""
        scope = env[-1]
        assert scope.table is not None
        names = self.aliases_of(scope.table, scope)
        return names if scope.table.name else names - {""}

    def bind(self, env: Env, alias: str) -> Env:
        """The table that was just read has this alias."""
        scope = env[-1]
        assert scope.table is not None
        return put(env, sources=(*scope.sources, (alias, scope.table)), table=None)

    # --- rules that know or change something ------------------------------------------------------------------------

    def Item(self, env: Env) -> Alternatives:  # noqa: N802 -- rules have capitals
        """A result column, or a star."""
        scope = env[-1]._replace(item="")
        env = (*env[:-1], scope)
        yield ("Sum", "Named"), env
        if not scope.need or scope.compound:
            yield ("*",), put(env, stars=(*scope.stars, ""))
            yield (self.star_of, ".", "*"), env

    def Done(self, env: Env) -> Alternatives:  # noqa: N802
        """A result column is complete."""
        scope = env[-1]
        yield (), put(env, width=scope.width + 1, outputs=(*scope.outputs, scope.item), item="")

    def Items(self, env: Env) -> Alternatives:  # noqa: N802
        """More result columns."""
        scope = env[-1]
        if scope.terms < MOST_TERMS and (not scope.need or scope.width < scope.need):
            yield (",", "Item", "Items"), put(env, terms=scope.terms + 1)
        if (not scope.need or scope.stars or scope.width == scope.need) and scope.wanted <= {*scope.outputs}:
            yield (), env

    def From(self, env: Env) -> Alternatives:  # noqa: N802
        """FROM, which gives every pending name its owner; none is needed where nothing asks for a table."""
        scope = env[-1]
        yield ("from", "Source", "Joins", "Bound"), env
        if not scope.pending and not scope.stars and not scope.aggregated:
            yield ("Bound",), env

    def Source(self, env: Env) -> Alternatives:  # noqa: N802
        """A table or a subquery, with or without an alias."""
        yield (self.table, "Alias"), env
        if len(env) < MOST_NESTED:
            scope = env[-1]
            wanted = frozenset(c for _, c in scope.unmet() if c in DERIVED)
            yield ("(", "Query", "Derived", ")", "Alias"), (*env, Scope(wanted=wanted))

    def Derived(self, env: Env) -> Alternatives:  # noqa: N802
        """The end of a subquery in FROM: its result columns are the columns of a table without a name."""
        inner, outer = env[-1], env[-2]
        names = frozenset(inner.first if inner.compound else inner.outputs) - {""}
        for star in inner.stars:
            names |= dict(inner.sources)[star].columns if star else inner.known_columns()
        source = Source("", names, inner.total())
        if self.aliases_of(source, outer):
            yield (), (*env[:-2], outer._replace(table=source))

    def Alias(self, env: Env) -> Alternatives:  # noqa: N802
        """AS and a name, or nothing."""
        table = env[-1].table
        assert table is not None
        yield ("as", self.alias), env
        if not table.name:
            yield (self.alias,), env
        if table.name in self.aliases_of(table, env[-1]):
            yield (), self.bind(env, table.name)

    def Joins(self, env: Env) -> Alternatives:  # noqa: N802
        """More tables."""
        yield (), env
        if len(env[-1].sources) < MOST_SOURCES:
            yield (",", "Source", "Joins"), env
            yield ("Join", "Source", "on", "Cond", "Joins"), env
            yield ("Join", "Source", "Join", "Source", "on", "Cond", "Joins"), env

    def Bound(self, env: Env) -> Alternatives:  # noqa: N802
        """FROM is complete: every pending name has its owner, and a star does not make the result too wide."""
        scope = env[-1]
        if not scope.unmet() and (not scope.need or scope.total() == scope.need):
            yield (), put(env, pending=frozenset(), open=False, aggregates=False)

    def Group(self, env: Env) -> Alternatives:  # noqa: N802
        """GROUP BY and HAVING."""
        yield (), env
        if env[-1].sources:
            yield ("group", "by", "Exprs", "HavingPart"), put(env, grouped=True)
            if env[-1].aggregated:
                yield ("HavingOn", "having", "Cond"), env

    def HavingOn(self, env: Env) -> Alternatives:  # noqa: N802
        """From here on aggregates may stand again."""
        yield (), put(env, aggregates=True, late=True)

    def Ordinal(self, env: Env) -> Alternatives:  # noqa: N802
        """A number alone would be the place of a result column."""
        yield (), put(env, item="#")

    def Tail(self, env: Env) -> Alternatives:  # noqa: N802
        """Set operations, then ORDER BY and LIMIT."""
        scope = env[-1]
        total = scope.total()
        first = scope.first if scope.compound else scope.outputs
        member = Scope(need=total, compound=True, first=first, terms=scope.terms)
        if scope.terms < MOST_TERMS:
            yield (self.members,), (*env[:-1], member._replace(terms=scope.terms + 5))
        yield ("Limit",), env
        if scope.sources and (not scope.compound or set(first) - {""}):
            allowed = scope.grouped or scope.aggregated
            ordered = put(env, aggregates=allowed, late=True)
            yield ("order", "by", "Ordering", "MoreOrderings", "Limit"), ordered

    def Ordering(self, env: Env) -> Alternatives:  # noqa: N802
        """What the rows are ordered by: in a set operation a result column."""
        if env[-1].compound:
            yield (self.output, "Direction"), env
        else:
            yield ("Ordinal", "Sum", "Direction"), env

    def Semicolon(self, env: Env) -> Alternatives:  # noqa: N802
        """The end, with or without its sign."""
        yield (), env
        yield (";",), env

    def Close(self, env: Env) -> Alternatives:  # noqa: N802
        """The end of a subquery in an expression."""
        yield (), put(env[:-1], item="")

    def Term(self, env: Env) -> Alternatives:  # noqa: N802
        """One more operator or bracket, as long as there may be more."""
        if env[-1].terms < MOST_TERMS:
            yield (), put(env, terms=env[-1].terms + 1, item="")

    def NoName(self, env: Env) -> Alternatives:  # noqa: N802
        """The result column under way is more than a column."""
        yield (), put(env, item="") if env[-1].item else env

    def MoreCond(self, env: Env) -> Alternatives:  # noqa: N802
        """AND, OR."""
        yield (), env
        if env[-1].terms < MOST_TERMS:
            more = put(env, terms=env[-1].terms + 1)
            yield (self.conjunctions,), more

    def Predicate(self, env: Env) -> Alternatives:  # noqa: N802
        """A comparison, conditions in brackets, EXISTS."""
        yield ("Left", "Test"), env
        yield ("(", "Term", "Cond", ")"), env
        if len(env) < MOST_NESTED:
            yield ("exists", "(", "Query", "Close", ")"), (*env, Scope())

    def Among(self, env: Env) -> Alternatives:  # noqa: N802
        """What IN looks through."""
        yield ("Value", "MoreValues"), env
        if len(env) < MOST_NESTED:
            yield ("Query", "Close"), (*env, Scope(need=1))

    def MoreSum(self, env: Env) -> Alternatives:  # noqa: N802
        """Operators."""
        yield (), env
        if env[-1].terms < MOST_TERMS:
            more = put(env, terms=env[-1].terms + 1, item="")
            yield (self.signs,), more

    def Factor(self, env: Env) -> Alternatives:  # noqa: N802
        """A value, a column, a function, something in brackets."""
        scope = env[-1]
        unnamed = put(env, item="") if scope.item else env
        yield (self.number,), env
        yield (self.bare,), unnamed
        yield (self.qualifier, ".", self.qualified), unnamed
        if scope.terms >= MOST_TERMS:
            return
        unnamed = put(unnamed, terms=scope.terms + 1)
        yield ("(", "Sum", "NoName", ")"), unnamed
        if len(env) < MOST_NESTED:
            yield ("(", "Query", "Close", ")"), (*unnamed, Scope(need=1))
        yield (self.calls, "NoName"), unnamed
        if scope.aggregates and (scope.open or scope.late):
            yield (self.aggregates, "NoName"), unnamed

    def Inside(self, env: Env) -> Alternatives:  # noqa: N802
        """No aggregate function stands inside of another."""
        yield (), put(env, aggregates=False, aggregated=True)

    def Aggregated(self, env: Env) -> Alternatives:  # noqa: N802
        """Behind an aggregate function there may be another one."""
        yield (), put(env, aggregates=True, item="")


def _same(alternatives: tuple[Symbols, ...], env: Env) -> Alternatives:
    return [(symbols, env) for symbols in alternatives]


def _calls() -> dict[str, tuple[Symbols, ...]]:
    """What begins with a word in an expression: constants, CASE, CAST and functions."""
    found: dict[str, tuple[Symbols, ...]] = dict.fromkeys(CONSTANTS, ((),))
    for name, counts in FUNCTIONS.items():
        found[name] = tuple(("(", "Expr", *(",", "Expr") * (count - 1), ")") for count in counts)
    found["case"] = (("Whens", "Else", "end"), ("Sum", "Whens2", "Else", "end"))
    found["cast"] = (("(", "Expr", "as", "Type", ")"),)
    found["iif"] = (("(", "Cond", ",", "Expr", ",", "Expr", ")"),)
    return found


def _aliases(tables: Iterable[str]) -> Iterable[str]:
    """The aliases that queries are written with: T1, t, a, and text2sql-data's CITYalias0."""
    for letter in string.ascii_lowercase:
        yield letter
        yield from (f"{letter}{digit}" for digit in range(10))
    for name in (*tables, "derived_table"):
        yield from (f"{name}alias{digit}" for digit in range(6))
