"""SELECT from its WITH to its LIMIT: the rules that know what a query has named so far, or change it."""

from macsql.constraints.binding import Binding
from macsql.constraints.expressions import MOST_NESTED, MOST_TERMS, inner
from macsql.constraints.scopes import MOST_SOURCES, Scope, Source
from macsql.constraints.terminals import Alternatives, Env, put
from macsql.constraints.vocabulary import DERIVED, MEMBERS

MOST_CTES = 6  # tables that WITH makes


class Selects:
    """Rules, whose names begin with capitals."""

    def __init__(self, names: Binding) -> None:
        self.names = names

    def Whole(self, env: Env) -> Alternatives:  # noqa: N802
        """A query, with or without WITH before it."""
        yield ("Query",), env
        yield ("with", "Cte", "Ctes", "Query"), env

    def Cte(self, env: Env) -> Alternatives:  # noqa: N802
        """A name and the query that it stands for."""
        yield (self.names.cte, "CteQuery"), env

    def CteQuery(self, env: Env) -> Alternatives:  # noqa: N802
        """The query behind the name of its table."""
        yield ("as", "(", "Query", "CteDone", ")"), inner(env)

    def CteDone(self, env: Env) -> Alternatives:  # noqa: N802
        """The end of a query in WITH: a table that later queries may name."""
        outer = env[-2]
        names, width = _columns(env[-1])
        table = Source(outer.qualifier, names, width)
        yield (), (*env[:-2], outer._replace(ctes=(*outer.ctes, table), qualifier=""))

    def Ctes(self, env: Env) -> Alternatives:  # noqa: N802
        """More tables of WITH."""
        yield (), env
        if len(env[-1].ctes) < MOST_CTES:
            yield (",", "Cte", "Ctes"), env

    def Item(self, env: Env) -> Alternatives:  # noqa: N802
        """A result column, or a star."""
        scope = env[-1]._replace(item="", subject="")
        env = (*env[:-1], scope)
        yield ("Left", "Named"), env
        if not scope.need or scope.compound:
            yield ("*",), put(env, stars=(*scope.stars, ""))
            yield (self.names.star_of, ".", "*"), env

    def Unnamed(self, env: Env) -> Alternatives:  # noqa: N802
        """A name may do without AS behind what is more than a column."""
        if not env[-1].item:
            yield (), env

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
        yield (self.names.table, "Alias"), env
        if len(env) < MOST_NESTED:
            wanted = frozenset(c for _, c in env[-1].unmet() if c in DERIVED)
            yield ("(", "Query", "Derived", ")", "Alias"), inner(env, wanted=wanted)

    def Derived(self, env: Env) -> Alternatives:  # noqa: N802
        """The end of a subquery in FROM: its result columns are the columns of a table without a name."""
        outer = env[-2]
        source = Source("", *_columns(env[-1]))
        if self.names.binds(source, outer):
            yield (), (*env[:-2], outer._replace(table=source))

    def Alias(self, env: Env) -> Alternatives:  # noqa: N802
        """AS and a name, or nothing."""
        table = env[-1].table
        assert table is not None
        yield ("as", self.names.alias), env
        new = self.names.usual_alias if table.name else self.names.any_alias
        yield ("as", new), env
        yield (self.names.sole_alias,), env
        yield (new,), env
        nameless = not table.name and "" not in env[-1].aliases() and self.names.may_name(env)
        if nameless or table.name in self.names.alias_names(env):
            yield (), self.names.bind(env, table.name)

    def Joins(self, env: Env) -> Alternatives:  # noqa: N802
        """More tables."""
        yield (), env
        if len(env[-1].sources) < MOST_SOURCES:
            yield (",", "Source", "Joins"), env
            yield ("Join", "Source", "On", "Joins"), env
            if env[-1].sources:
                yield ("natural", "join", "Source", "Natural", "Joins"), put(env, natural=True)

    def On(self, env: Env) -> Alternatives:  # noqa: N802
        """What rows of two tables are joined by: a condition, columns that both have, or nothing."""
        yield ("on", "Cond"), env
        yield (), env
        if env[-1].shared():
            yield ("using", "(", self.names.shared, "MoreShared", ")"), env

    def Natural(self, env: Env) -> Alternatives:  # noqa: N802
        """All columns that both tables have are one."""
        scope = env[-1]
        yield (), put(env, natural=False, merged=scope.with_merged(scope.shared()))

    def Bound(self, env: Env) -> Alternatives:  # noqa: N802
        """FROM is complete: every pending name has its owner, and a star does not make the result too wide."""
        scope = env[-1]
        if not scope.unmet() and (not scope.need or scope.total() == scope.need):
            yield (), put(env, pending=frozenset(), open=False, aggregates=False, subject="")

    def Where(self, env: Env) -> Alternatives:  # noqa: N802
        """WHERE, where there is something to speak of."""
        yield (), env
        if self.names.speaks(env):
            yield ("where", "Cond"), env

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
        yield (), put(env, item="#", subject="")

    def Tail(self, env: Env) -> Alternatives:  # noqa: N802
        """Set operations, then ORDER BY and LIMIT."""
        scope = env[-1]
        names = scope.first if scope.compound else scope.outputs
        member = Scope(need=scope.total(), compound=True, first=names, ctes=scope.ctes, terms=scope.terms)
        if scope.terms < MOST_TERMS:
            yield (MEMBERS,), (*env[:-1], member._replace(terms=scope.terms + 5))
        yield ("Limit",), env
        if scope.sources and (not scope.compound or set(names) - {""}):
            allowed = scope.grouped or scope.aggregated
            ordered = put(env, aggregates=allowed, late=True)
            yield ("order", "by", "Ordering", "MoreOrderings", "Limit"), ordered

    def Ordering(self, env: Env) -> Alternatives:  # noqa: N802
        """What the rows are ordered by: in a set operation a result column."""
        if env[-1].compound:
            yield (self.names.output, "Direction"), env
        else:
            yield ("Ordinal", "Left", "ExprTail", "Direction"), env


def _columns(scope: Scope) -> tuple[frozenset[str], int]:
    """The names of a finished query's result columns, and how many it has."""
    names = frozenset(scope.first if scope.compound else scope.outputs) - {""}
    for star in scope.stars:
        names |= dict(scope.sources)[star].columns if star else scope.known_columns()
    return names, scope.total()
