"""A nested query taken apart: the queries inside it, innermost first, and each of them asked in words."""

from collections.abc import Iterator

from sqlglot import exp
from sqlglot.tokens import Token, TokenType

from macsql.database.schema import Schema, words
from macsql.database.sql_tree import Resolved, resolve

_SET_OPERATORS = (TokenType.UNION, TokenType.INTERSECT, TokenType.EXCEPT)
_TRAILING = (TokenType.ORDER_BY, TokenType.LIMIT, TokenType.SEMICOLON)
_AGGREGATES: dict[type[exp.Expr], str] = {exp.Avg: "average", exp.Sum: "total", exp.Max: "highest", exp.Min: "lowest"}
_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "is",
    exp.NEQ: "is not",
    exp.GT: "is more than",
    exp.GTE: "is at least",
    exp.LT: "is less than",
    exp.LTE: "is at most",
    exp.Is: "is",
}
_ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "plus", exp.Sub: "minus", exp.Mul: "times", exp.Div: "divided by"}


# --- taking apart ----------------------------------------------------------------------------------------------------


def pieces(query: Resolved) -> tuple[str, ...]:
    """The queries that a query is built of, innermost first, as the text has them; without the query itself.

    These are subqueries, the bodies of a WITH and the members of a set operation. A piece that reads a WITH's table
    carries the definitions before it. Whether a piece runs alone (a correlated one does not) is for the caller to see.
    """
    found = dict.fromkeys(_pieces(query.sql, query.tokens))
    whole = query.sql.strip().rstrip(";").strip()
    return tuple(piece for piece in found if piece != whole)


def _pieces(sql: str, tokens: list[Token], prefix: str = "", names: tuple[str, ...] = ()) -> Iterator[str]:
    """The pieces of one query's tokens, its members last."""
    if tokens and tokens[0].token_type is TokenType.WITH:
        definitions = list(_definitions(tokens))
        first = definitions[0][1] if definitions else 0
        for name, _, end, inner in definitions:
            yield from _pieces(sql, inner, prefix, names)
            yield from _whole(sql, inner, prefix, names)
            prefix, names = f"WITH {sql[tokens[first].start : tokens[end].end + 1]} ", (*names, name)
        tokens = tokens[definitions[-1][2] + 1 :] if definitions else tokens
    members = list(_members(tokens))
    for member in members:
        depth, opened = 0, 0
        for index, token in enumerate(member):
            if token.token_type is TokenType.L_PAREN:
                depth += 1
                if depth == 1:
                    opened = index + 1
            elif token.token_type is TokenType.R_PAREN:
                depth -= 1
                if depth == 0:
                    yield from _nested(sql, member[opened:index], prefix, names)
        if len(members) > 1:
            yield from _whole(sql, member, prefix, names)


def _nested(sql: str, inner: list[Token], prefix: str, names: tuple[str, ...]) -> Iterator[str]:
    """The pieces inside a pair of brackets, whether they hold a query or an expression."""
    yield from _pieces(sql, inner, prefix, names)
    if inner and inner[0].token_type in (TokenType.SELECT, TokenType.WITH):
        yield from _whole(sql, inner, prefix, names)


def _whole(sql: str, tokens: list[Token], prefix: str, names: tuple[str, ...]) -> Iterator[str]:
    """The text of a query, with the definitions of the WITH tables that it reads."""
    if tokens:
        reads = {token.text.lower() for token in tokens}
        yield (prefix if reads & set(names) else "") + sql[tokens[0].start : tokens[-1].end + 1]


def _members(tokens: list[Token]) -> Iterator[list[Token]]:
    """The members of a set operation; the order and limit behind the last one belong to the whole."""
    depth, start, end = 0, 0, len(tokens)
    borders = []
    for index, token in enumerate(tokens):
        depth += (token.token_type is TokenType.L_PAREN) - (token.token_type is TokenType.R_PAREN)
        if depth == 0 and token.token_type in _SET_OPERATORS:
            borders.append(index)
            end = len(tokens)
        elif depth == 0 and token.token_type in _TRAILING:
            end = min(end, index)
    for border in borders:
        yield tokens[start:border]
        start = border + 1
        if start < len(tokens) and tokens[start].token_type is TokenType.ALL:
            start += 1
    yield tokens[start : end if borders else len(tokens)]


def _definitions(tokens: list[Token]) -> Iterator[tuple[str, int, int, list[Token]]]:
    """Name, first and last token, and body of every definition of a leading WITH."""
    index = 2 if len(tokens) > 1 and tokens[1].token_type is TokenType.RECURSIVE else 1
    while index < len(tokens):
        start, depth, opened = index, 0, index
        while index < len(tokens):
            kind = tokens[index].token_type
            if kind is TokenType.L_PAREN:
                depth += 1
                if depth == 1:
                    opened = index + 1
            elif kind is TokenType.R_PAREN:
                depth -= 1
                if depth == 0 and tokens[opened].token_type in (TokenType.SELECT, TokenType.WITH, TokenType.VALUES):
                    break
            index += 1
        if index >= len(tokens):
            return
        yield tokens[start].text.lower(), start, index, tokens[opened:index]
        if index + 1 >= len(tokens) or tokens[index + 1].token_type is not TokenType.COMMA:
            return
        index += 2


# --- in words --------------------------------------------------------------------------------------------------------


def in_words(sql: str, schema: Schema) -> str:
    """A query as a request in words. Raises sql_tree.SqlUnreadableError where it cannot be read against the schema."""
    resolved = resolve(sql, schema)
    return f"Find the {_Wording(resolved).query(resolved.tree)}."


class _Wording:
    def __init__(self, resolved: Resolved) -> None:
        self.names: dict[int, str] = {}
        for use in resolved.uses:
            table = use.owners[0].table
            columns = table.columns if table is not None else ()
            full = next((c.full_name for c in columns if c.name == use.name), "")
            self.names[id(use.node)] = full or words(use.name)
        self.strings = {id(node) for node in resolved.strings}
        self.tables: dict[int, str] = {}
        for origin in (origin for scope in resolved.scopes for origin in scope.from_items):
            full = origin.table.full_name if origin.table is not None else ""
            name = origin.table.name if origin.table is not None else origin.alias
            self.tables[id(origin.node)] = full or words(name)

    def query(self, node: exp.Expr, depth: int = 0) -> str:
        """A query as what it finds: "average age of singer where country is France"."""
        if depth > 2:
            return "answer of an earlier step"
        if isinstance(node, exp.Subquery):
            return self.query(node.this, depth)
        if isinstance(node, exp.SetOperation):
            joined = {exp.Union: "together with the", exp.Intersect: "which is also the", exp.Except: "leaving out the"}
            left, right = self.query(node.this, depth), self.query(node.expression, depth)
            return f"{left}, {joined[type(node)]} {right}"
        if not isinstance(node, exp.Select):
            return node.sql(dialect="sqlite")
        tables = self._tables(node)
        parts = [" and ".join(self.item(item, tables, depth) for item in node.expressions)]
        if tables and not parts[0].endswith(tables):
            parts.append(f"of {tables}")
        if group := node.args.get("group"):
            parts.append(f"for each {' and '.join(self.item(item, tables, depth) for item in group.expressions)}")
        if where := node.args.get("where"):
            parts.append(f"where {self.condition(where.this, tables, depth)}")
        if having := node.args.get("having"):
            parts.append(f"with {self.condition(having.this, tables, depth)}")
        order, limit = node.args.get("order"), node.args.get("limit")
        if order:
            parts.append(self._order(order, limit, tables, depth))
        elif limit:
            parts.append(f"but only {limit.expression.sql()}")
        return " ".join(parts)

    def _tables(self, select: exp.Select) -> str:
        items = [select.args["from_"].this] if select.args.get("from_") else []
        items += [join.this for join in select.args.get("joins") or ()]
        return " with ".join(self.tables.get(id(item), words(item.alias_or_name)) for item in items)

    def _order(self, order: exp.Expr, limit: exp.Expr | None, tables: str, depth: int) -> str:
        keys = order.expressions
        by = " and ".join(self.item(key.this, tables, depth) for key in keys)
        down = bool(keys[0].args.get("desc"))
        if limit is None:
            return f"in {'descending' if down else 'ascending'} order of {by}"
        number = limit.expression.sql()
        return f"with the {'' if number == '1' else number + ' '}{'highest' if down else 'lowest'} {by}"

    def item(self, node: exp.Expr, tables: str, depth: int) -> str:
        """An expression as a noun."""
        if isinstance(node, exp.Alias | exp.Paren):
            return self.item(node.this, tables, depth)
        if isinstance(node, exp.Distinct):
            return "different " + " and ".join(self.item(one, tables, depth) for one in node.expressions)
        if isinstance(node, exp.Count):
            counted = node.this
            return f"number of {tables if isinstance(counted, exp.Star) else self.item(counted, tables, depth)}"
        if type(node) in _AGGREGATES:
            return f"{_AGGREGATES[type(node)]} {self.item(node.this, tables, depth)}"
        if type(node) in _ARITHMETIC:
            left, right = self.item(node.this, tables, depth), self.item(node.expression, tables, depth)
            return f"{left} {_ARITHMETIC[type(node)]} {right}"
        if isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star)):
            return "whole record"
        if isinstance(node, exp.Column):
            return node.name if id(node) in self.strings else self.names.get(id(node), words(node.name))
        if isinstance(node, exp.Literal):
            return str(node.this)
        if isinstance(node, exp.Query):
            return f"the {self.query(node, depth + 1)}"
        return node.sql(dialect="sqlite")

    def condition(self, node: exp.Expr, tables: str, depth: int) -> str:
        """A condition as a clause: "age is more than 20"."""
        if isinstance(node, exp.And | exp.Or):
            word = "and" if isinstance(node, exp.And) else "or"
            return f"{self.condition(node.this, tables, depth)} {word} {self.condition(node.expression, tables, depth)}"
        if isinstance(node, exp.Paren):
            return self.condition(node.this, tables, depth)
        if isinstance(node, exp.Not):
            said = self.condition(node.this, tables, depth)
            return said.replace(" is ", " is not ", 1) if " is " in said else f"not {said}"
        if type(node) in _COMPARISONS:
            left = self.item(node.this, tables, depth)
            right = "missing" if isinstance(node.expression, exp.Null) else self.item(node.expression, tables, depth)
            return f"{left} {_COMPARISONS[type(node)]} {right}"
        if isinstance(node, exp.Like):
            return f"{self.item(node.this, tables, depth)} is like {self.item(node.expression, tables, depth)}"
        if isinstance(node, exp.Between):
            low, high = (self.item(node.args[key], tables, depth) for key in ("low", "high"))
            return f"{self.item(node.this, tables, depth)} is between {low} and {high}"
        if isinstance(node, exp.In):
            left = self.item(node.this, tables, depth)
            if query := node.args.get("query"):
                return f"{left} is among {self.item(query, tables, depth)}"
            return f"{left} is one of {', '.join(self.item(one, tables, depth) for one in node.expressions)}"
        if isinstance(node, exp.Exists):
            return f"there is a {self.query(node.this, depth + 1)}"
        return self.item(node, tables, depth)
