"""A syntax tree written in Spider's grammar, or the reason why it cannot be."""

from sqlglot import exp

from macsql.spider_sql.conditions import Predicate, UnwritableError, alternatives, described, plain
from macsql.spider_sql.joins import place_conditions
from macsql.spider_sql.names import written_name

_AGGREGATES: dict[type[exp.Expr], str] = {
    exp.Count: "count",
    exp.Max: "max",
    exp.Min: "min",
    exp.Sum: "sum",
    exp.Avg: "avg",
}
_ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}
_SET_OPERATORS: dict[type[exp.Expr], str] = {
    exp.Union: "UNION",
    exp.Except: "EXCEPT",
    exp.Intersect: "INTERSECT",
}
_KNOWN: dict[type[exp.Expr], set[str]] = {
    exp.Select: {"expressions", "from_", "joins", "where", "group", "having", "order", "limit", "offset", "distinct"},
    exp.Table: {"this", "alias"},
    exp.Subquery: {"this"},
    exp.Join: {"this", "on", "kind"},
    exp.Group: {"expressions"},
    exp.Union: {"this", "expression", "distinct", "order", "limit", "offset"},
    exp.Except: {"this", "expression", "distinct", "order", "limit", "offset"},
    exp.Intersect: {"this", "expression", "distinct", "order", "limit", "offset"},
}


def write(tree: exp.Expr) -> str:
    """The text of a query whose names are resolved. Raises UnwritableError with the reason."""
    return _query(tree)


def _check(node: exp.Expr) -> None:
    """No clause may be lost only because nothing here reads it."""
    for name, value in node.args.items():
        if value and name not in _KNOWN[type(node)]:
            words = {"with_": "WITH", "side": f"{value} JOIN", "method": f"{value} JOIN"}
            raise UnwritableError(words.get(name, name.upper()))


def _query(node: exp.Expr) -> str:
    while isinstance(node, exp.Subquery):
        _check(node)
        node = node.this
    if isinstance(node, exp.Select):
        return _select(node)
    _check(node)
    if not node.args.get("distinct"):
        raise UnwritableError(f"{_SET_OPERATORS[type(node)]} ALL")
    left, right = node.this.unnest(), node.expression.unnest()
    if isinstance(right, exp.SetOperation):
        raise UnwritableError("a set operation in brackets")
    if any(side.args.get(name) for side in (left, right) for name in ("order", "limit")):
        raise UnwritableError("ORDER BY or LIMIT before a set operation")
    return " ".join([_query(left), _SET_OPERATORS[type(node)], _query(right), *_tail(node)])


def _select(node: exp.Select) -> str:
    _check(node)
    distinct = node.args.get("distinct")
    if distinct and distinct.args.get("on"):
        raise UnwritableError("DISTINCT ON")
    joins, where = place_conditions(node)
    parts = ["SELECT DISTINCT" if distinct else "SELECT", " , ".join(map(_item, node.expressions))]
    parts += ["FROM", _table(node.args["from_"].this)]
    for join, on in joins:
        _check(join)
        parts += ["JOIN", _table(join.this), *_conditions("ON", on)]
    parts += _conditions("WHERE", where)
    if node.args.get("group"):
        _check(node.args["group"])
        parts += ["GROUP BY", " , ".join(map(_unit, node.args["group"].expressions))]
    if node.args.get("having"):
        if not node.args.get("group"):
            raise UnwritableError("HAVING without GROUP BY")
        parts += _conditions("HAVING", [node.args["having"].this])
    return " ".join([*parts, *_tail(node)])


def _tail(node: exp.Expr) -> list[str]:
    parts = []
    if node.args.get("order"):
        parts += ["ORDER BY", " , ".join(map(_ordered, node.args["order"].expressions))]
    for name, word in (("limit", "LIMIT"), ("offset", "OFFSET")):
        if not node.args.get(name):
            continue
        number = node.args[name].expression
        if not (isinstance(number, exp.Literal) and number.name.isdigit()):
            raise UnwritableError(f"{word} with more than a number")
        if (name, number.name) != ("offset", "0"):
            parts += [word, number.name]
    return parts


def _ordered(node: exp.Expr) -> str:
    descending = node.args.get("desc")
    if bool(node.args.get("nulls_first")) == bool(descending):
        raise UnwritableError("NULLS FIRST or NULLS LAST")
    return _unit(node.this) + (" DESC" if descending else "" if descending is None else " ASC")


def _table(node: exp.Expr) -> str:
    _check(node)
    if isinstance(node, exp.Subquery):
        return f"( {_query(node.this)} )"
    return written_name(node.name) + (f" AS {written_name(node.alias)}" if node.alias else "")


def _item(node: exp.Expr) -> str:
    """An item of the SELECT list: only here an aggregate may hold arithmetic, or need brackets to be part of it."""
    node = plain(node)
    if isinstance(node, exp.Star):
        if any(node.args.values()):
            raise UnwritableError("a star with exceptions")
        return "*"
    if type(node) in _ARITHMETIC and _aggregate(node.this):
        return f"( {_unit(node)} )"
    found = _aggregate(node)
    return f"{found[0]} ( {_distinct(found)}{_unit(found[2])} )" if found else _unit(node)


def _unit(node: exp.Expr) -> str:
    """A column, or two joined by one arithmetic operator."""
    node = plain(node)
    operator = _ARITHMETIC.get(type(node))
    return f"{_column(node.this)} {operator} {_column(node.expression)}" if operator else _column(node)


def _column(node: exp.Expr) -> str:
    node = plain(node)
    found = _aggregate(node)
    if found:
        return f"{found[0]} ( {_distinct(found)}{_column(found[2])} )"
    if isinstance(node, exp.Star):
        return "*"
    if not isinstance(node, exp.Column) or node.args.get("db"):
        raise UnwritableError(f"{described(node)} in place of a column")
    if node.meta.get("literal"):
        raise UnwritableError(f'"{node.name}" may be a column or a literal: only the schema can tell')
    name = written_name(node.name)
    return f"{written_name(node.table)}.{name}" if node.table else name


def _aggregate(node: exp.Expr) -> tuple[str, bool, exp.Expr] | None:
    """Name, DISTINCT and argument of one of the five aggregates."""
    node = plain(node)
    if isinstance(node, exp.Cast) and isinstance(node.this, exp.Count) and node.to.is_type(*exp.DataType.INTEGER_TYPES):
        node = node.this  # it is an integer already
    name = _AGGREGATES.get(type(node))
    if name is None or node.expressions:
        return None
    distinct = isinstance(node.this, exp.Distinct)
    if distinct and len(node.this.expressions) != 1:
        raise UnwritableError("an aggregate of several columns")
    argument = plain(node.this.expressions[0] if distinct else node.this)
    if name == "count" and isinstance(argument, exp.Literal) and not distinct:
        argument = exp.Star()  # no literal is NULL: count(1) counts rows
    return name, distinct, argument


def _distinct(found: tuple[str, bool, exp.Expr]) -> str:
    return "DISTINCT " if found[1] else ""


def _conditions(word: str, conditions: list[exp.Expr]) -> list[str]:
    """A clause, or none where its condition is always true."""
    found = alternatives(exp.and_(*conditions)) if conditions else [[]]
    if not found:
        raise UnwritableError("a condition that is never true")
    if [] in found:
        return []
    return [word, " OR ".join(" AND ".join(map(_predicate, one)) for one in found)]


def _predicate(one: Predicate) -> str:
    if not one.values:
        raise UnwritableError("IS NOT NULL")
    return " ".join([_unit(one.left), one.operator.upper(), " AND ".join(map(_value, one.values))])


def _value(node: exp.Expr) -> str:
    node = plain(node)
    if isinstance(node, exp.Query):
        return f"( {_query(node)} )"
    if isinstance(node, exp.Boolean):
        return str(int(node.this))
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal) and not node.this.is_string:
        return f"-{node.this.name}"
    if isinstance(node, exp.Literal):
        return _literal(node.name, "'") if node.is_string else node.name
    if isinstance(node, exp.Column) and node.meta.get("literal"):
        return _literal(node.name, '"')  # no schema: SQLite decides whether it is a column
    if isinstance(node, exp.Column) or (type(node) in _ARITHMETIC and isinstance(plain(node.this), exp.Column)):
        return _unit(node)
    raise UnwritableError(f"a comparison with {described(node)}")


def _literal(text: str, quote: str) -> str:
    if "'" in text or '"' in text:
        raise UnwritableError("a quote inside a literal")
    return f"{quote}{text}{quote}"
