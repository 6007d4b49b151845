"""Boolean expressions as Spider's grammar can write them: comparisons joined by AND and OR, without brackets or NOT.

Every rewrite here keeps the rows that a WHERE, ON or HAVING lets through, NULLs included.
"""

from itertools import product
from typing import NamedTuple, TypeAlias

from sqlglot import exp

MAX_ALTERNATIVES = 32  # taking brackets apart multiplies


class UnwritableError(ValueError):
    """SQL that Spider's grammar has no words for; the text is the reason."""


class Predicate(NamedTuple):
    """`left operator values`: two values for BETWEEN, none for IS NOT NULL, one otherwise."""

    left: exp.Expr
    operator: str  # as written: "=", "not in", ...
    values: tuple[exp.Expr, ...]


Alternatives: TypeAlias = list[list[Predicate]]  # OR of ANDs; an empty AND is true, an empty OR is false

_OPERATORS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "!=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.Like: "like",
    exp.NullSafeEQ: "is",
}
_NEGATED = {"=": "!=", "!=": "=", ">": "<=", ">=": "<", "<": ">=", "<=": ">", "like": "not like"}
_MIRRORED = {"=": "=", "!=": "!=", ">": "<", ">=": "<=", "<": ">", "<=": ">="}
_CONSTANT = (exp.Literal, exp.Boolean, exp.Neg)


def plain(node: exp.Expr) -> exp.Expr:
    """The expression inside brackets."""
    while isinstance(node, exp.Paren):
        node = node.this
    return node


def conjuncts(node: exp.Expr) -> list[exp.Expr]:
    """What AND joins at the top of an expression."""
    node = plain(node)
    return conjuncts(node.this) + conjuncts(node.expression) if isinstance(node, exp.And) else [node]


def alternatives(node: exp.Expr) -> Alternatives:
    """A condition as OR of ANDs of comparisons, in the order of its text. Raises UnwritableError where it has none."""
    found = _alternatives(node, negate=False)
    if len(found) > MAX_ALTERNATIVES:
        raise UnwritableError("too many alternatives")
    return [_without_implied(together) for together in found]


def _alternatives(node: exp.Expr, negate: bool) -> Alternatives:
    node = plain(node)
    if isinstance(node, exp.Not):
        return _alternatives(node.this, not negate)
    if isinstance(node, exp.And | exp.Or):
        left, right = _alternatives(node.this, negate), _alternatives(node.expression, negate)
        if isinstance(node, exp.Or) != negate:
            found = [*left, *right]
        else:
            found = [[*one, *other] for one, other in product(left, right)]
        if len(found) > MAX_ALTERNATIVES:
            raise UnwritableError("too many alternatives")
        return found
    if _is_true(node):
        return [] if negate else [[]]
    return _predicate(node, negate)


def _is_true(node: exp.Expr) -> bool:
    """TRUE, 1, 1 = 1: what programs write to have something before the first AND."""
    if isinstance(node, exp.EQ):
        return isinstance(node.this, exp.Literal) and node.this == node.expression
    return (isinstance(node, exp.Boolean) and bool(node.this)) or (isinstance(node, exp.Literal) and node.name == "1")


def _predicate(node: exp.Expr, negate: bool) -> Alternatives:
    if isinstance(node, exp.In):
        return _membership(node, negate)
    if isinstance(node, exp.Between):
        return [[Predicate(node.this, "not between" if negate else "between", (node.args["low"], node.args["high"]))]]
    if isinstance(node, exp.Is) and isinstance(plain(node.expression), exp.Null):
        if not negate:
            raise UnwritableError("IS NULL")
        return [[Predicate(plain(node.this), "is not null", ())]]
    operator = _OPERATORS.get(type(node))
    if operator is None:
        raise UnwritableError(f"a condition with {described(node)}")
    left, right = plain(node.this), plain(node.expression)
    if bool(node.args.get("negate")) != negate:
        if operator not in _NEGATED:
            raise UnwritableError("IS NOT")
        operator = _NEGATED[operator]
    turn = isinstance(left, (*_CONSTANT, exp.Subquery)) or isinstance(right, exp.AggFunc)
    if turn and operator in _MIRRORED and not isinstance(right, _CONSTANT):
        left, right, operator = right, left, _MIRRORED[operator]
    return [[Predicate(left, operator, (right,))]]


def _membership(node: exp.In, negate: bool) -> Alternatives:
    query = node.args.get("query")
    if query is not None:
        return [[Predicate(node.this, "not in" if negate else "in", (query,))]]
    values = node.expressions
    if not values or (len(values) > 1 and not all(isinstance(value, _CONSTANT) for value in values)):
        raise UnwritableError("IN with something else than constants or a query")  # IN ignores a column's affinity
    if len(values) == 1:
        return [[Predicate(node.this, "not in" if negate else "in", (values[0],))]]
    if negate:
        return [[Predicate(node.this, "!=", (value,)) for value in values]]
    return [[Predicate(node.this, "=", (value,))] for value in values]


def _without_implied(together: list[Predicate]) -> list[Predicate]:
    """Without `x IS NOT NULL` beside another comparison of x, which no NULL passes either."""
    passed = ("is", "not in")  # NULL NOT IN (nothing) is true
    compared = [one.left for one in together if one.values and one.operator not in passed]
    return [one for one in together if one.values or one.left not in compared]


def described(node: exp.Expr) -> str:
    """A construct in the words of SQL, for reasons."""
    if isinstance(node, exp.Anonymous):
        return f"the function {node.name}"
    return node.key.upper()
