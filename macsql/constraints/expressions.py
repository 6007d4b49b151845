"""Conditions and values: the rules that know what a query has named so far, or change it."""

from macsql.constraints.automaton import TEXT
from macsql.constraints.binding import Binding
from macsql.constraints.scopes import DUE, NAMED, Scope
from macsql.constraints.terminals import Alternatives, Env, Number, put
from macsql.constraints.vocabulary import AGGREGATED, CALLS, CONJUNCTIONS, SIGNS, TESTS

MOST_TERMS = 60  # operators, commas and brackets of one SELECT: a model that goes round in circles is stopped
CALL = 1  # terms that a function counts for
MOST_NESTED = 8  # SELECTs inside one another


def inner(env: Env, need: int = 0, wanted: frozenset[str] = frozenset()) -> Env:
    """What is known where a SELECT begins inside of another."""
    return (*env, Scope(need=need, wanted=wanted, ctes=env[-1].ctes))


class Expressions:
    """Rules, whose names begin with capitals."""

    def __init__(self, names: Binding, number: Number) -> None:
        self.names, self.number = names, number

    def Close(self, env: Env) -> Alternatives:  # noqa: N802
        """The end of a subquery in an expression."""
        yield (), put(env[:-1], item="", subject=NAMED)

    def Term(self, env: Env) -> Alternatives:  # noqa: N802
        """One more operator or bracket, as long as there may be more."""
        if env[-1].terms < MOST_TERMS:
            yield (), put(env, terms=env[-1].terms + 1, item="")

    def NoName(self, env: Env) -> Alternatives:  # noqa: N802
        """The result column under way is more than a column."""
        yield (), put(env, item="") if env[-1].item else env

    def Cond(self, env: Env) -> Alternatives:  # noqa: N802
        """A condition. It begins with something of the database: 1 = 1 and FALSE IN (2) say nothing about it."""
        yield ("Negation", "Predicate", "MoreCond"), put(env, subject=DUE if self.names.speaks(env) else NAMED)

    def MoreCond(self, env: Env) -> Alternatives:  # noqa: N802
        """AND, OR."""
        yield (), env
        if env[-1].terms < MOST_TERMS:
            yield (CONJUNCTIONS,), put(env, terms=env[-1].terms + 1)

    def Predicate(self, env: Env) -> Alternatives:  # noqa: N802
        """A comparison, conditions in brackets, EXISTS."""
        yield ("Left", "Test"), env
        yield ("(", "Term", "Cond", ")"), env
        if len(env) < MOST_NESTED:
            yield ("exists", "(", "Query", "Close", ")"), inner(env)

    def Test(self, env: Env) -> Alternatives:  # noqa: N802
        """What a value that names something is compared with."""
        if env[-1].subject == NAMED:
            yield (TESTS,), env

    def Text(self, env: Env) -> Alternatives:  # noqa: N802
        """A text in quotes."""
        if _room(env[-1]):
            yield (TEXT, "NoName", "MoreSum"), env

    def Among(self, env: Env) -> Alternatives:  # noqa: N802
        """What IN looks through."""
        yield ("Value", "MoreValues"), env
        if len(env) < MOST_NESTED:
            yield ("Query", "Close"), inner(env, need=1)

    def MoreSum(self, env: Env) -> Alternatives:  # noqa: N802
        """Operators."""
        yield (), env
        if env[-1].terms < MOST_TERMS:
            yield (SIGNS,), put(env, terms=env[-1].terms + 1, item="")

    def Factor(self, env: Env) -> Alternatives:  # noqa: N802
        """A value, a column, a function, something in brackets."""
        scope = env[-1]
        unnamed = put(env, item="") if scope.item else env
        if _room(scope):
            yield (self.number,), env
        yield (self.names.bare,), unnamed
        yield (self.names.qualifier, ".", self.names.qualified), unnamed
        if scope.terms >= MOST_TERMS:
            return
        unnamed = put(unnamed, terms=scope.terms + 1)
        yield ("(", "Expr", "NoName", ")"), unnamed
        if len(env) < MOST_NESTED:
            yield ("(", "Query", "Close", ")"), inner(unnamed, need=1)
        if _room(scope, CALL):
            yield (CALLS, "NoName"), put(unnamed, terms=scope.terms + CALL)
        if scope.aggregates and (scope.open or scope.late):
            yield (AGGREGATED, "NoName"), unnamed

    def Inside(self, env: Env) -> Alternatives:  # noqa: N802
        """No aggregate function stands inside of another."""
        yield (), put(env, aggregates=False, aggregated=True, subject="")

    def Aggregated(self, env: Env) -> Alternatives:  # noqa: N802
        """Behind an aggregate function there may be another one."""
        yield (), put(env, aggregates=True, item="", subject=NAMED)


def _room(scope: Scope, terms: int = 0) -> bool:
    """Whether a literal may stand: what a condition begins with needs one more operator then, and a name behind it."""
    return scope.subject != DUE or scope.terms + terms < MOST_TERMS
