"""A gold query written plainly: the schema's own names, and no alias that nothing needs.

    SELECT CITYalias0.CITY_NAME FROM CITY AS CITYalias0 WHERE CITYalias0.STATE_NAME = 'ohio'
    SELECT city_name FROM city WHERE state_name = 'ohio'

A column stands bare where its SELECT offers it once; otherwise its table stands before it, as it always does for a
column of the query around. A table that needs another name (it occurs twice, or a query inside hides it) is T1, T2 ...
All else stays the text that it was, values to the letter. Whether the query still gives its rows is for the caller to
see: `same_rows`.
"""

from collections import Counter
from itertools import pairwise

from sqlglot import exp
from sqlglot.tokens import Token, TokenType

from macsql.database.outcome import Outcome
from macsql.database.schema import Schema, identifier
from macsql.database.sql_tree import FromItem, Resolved, SelectScope, SqlUnreadableError, Use, resolve

_ROUNDS = 4  # a name that is written anew may be an output that the query around it names
_QUOTED = (TokenType.STRING, TokenType.IDENTIFIER)
_CLAUSE = (TokenType.WHERE, TokenType.HAVING, TokenType.ON)
_ENDS = (
    *(TokenType.R_PAREN, TokenType.GROUP_BY, TokenType.ORDER_BY, TokenType.LIMIT, TokenType.HAVING, TokenType.WHERE),
    *(TokenType.UNION, TokenType.INTERSECT, TokenType.EXCEPT),
)


class NotPlainError(ValueError):
    """A query that stays as it was published; the message says why."""


def plainly(sql: str, schema: Schema) -> str:
    """A query -> the same query in plain words of its schema; what is plain comes back as it is.

    Raises NotPlainError where it would become longer, or a name in it cannot be told; SqlUnreadableError as `resolve`.
    """
    text = sql
    for _ in range(_ROUNDS):
        try:
            before, text = text, _Plain(resolve(text, schema)).text()
        except RecursionError as error:
            raise SqlUnreadableError("is nested too deep") from error
        if text == before:
            break
    else:
        raise NotPlainError("its names do not settle")
    if len(text) > len(sql):
        raise NotPlainError("it would be longer")
    return text


def same_rows(one: Outcome, other: Outcome, gold: Resolved) -> bool:
    """Whether two outcomes hold the same rows, types too; in the same order where `gold` as a whole has an ORDER BY."""
    if not (one.ok and other.ok):
        return False
    first, second = [repr(row) for row in one.rows], [repr(row) for row in other.rows]
    if gold.tree.unnest().args.get("order"):
        return first == second
    return Counter(first) == Counter(second)


class _Plain:
    """One query and the changes to its tokens."""

    def __init__(self, query: Resolved) -> None:
        self.query = query
        self.tokens: list[Token] = list(query.tokens)
        while self.tokens and self.tokens[-1].token_type is TokenType.SEMICOLON:
            self.tokens.pop()
        self.at = {token.start: place for place, token in enumerate(self.tokens)}
        self.written: dict[int, str] = {}  # place of a token -> what stands there now
        self.dropped: set[int] = set()
        self.scopes = {id(scope.select): scope for scope in query.scopes}
        self.outputs = {
            id(select): {item.alias.lower() for item in select.expressions if isinstance(item, exp.Alias)}
            for select in (scope.select for scope in query.scopes)
        }
        self.items = [(item, scope) for scope in query.scopes for item in scope.from_items]
        self.uses = {id(use.node): use for use in query.uses}
        self.lookups = [use for use in query.uses if isinstance(use.node, exp.Column)]
        self.correlated: set[int] = set()  # ids of SELECTs that name a column of a query around them
        self.hidden: set[int] = set()  # ids of FROM items that a query inside hides by a table of the same name
        for use in self.lookups:
            self._look_out(use)
        self.aliases = self._aliases()

    def _look_out(self, use: Use) -> None:
        """Note what a column of the query around means for the queries between."""
        select = use.node.find_ancestor(exp.Select)
        while select is not None and select is not use.scope.select:
            self.correlated.add(id(select))
            scope = self.scopes.get(id(select))
            names = {_base(item).lower() for item in scope.from_items} if scope else set()
            self.hidden |= {id(item.node) for item in use.owners if _base(item).lower() in names}
            select = select.find_ancestor(exp.Select)

    def _around(self, select: exp.Expr) -> list[SelectScope]:
        """The scopes of the queries around a SELECT, the nearest first."""
        found, outer = [], select.find_ancestor(exp.Select)
        while outer is not None:
            if id(outer) in self.scopes:
                found.append(self.scopes[id(outer)])
            outer = outer.find_ancestor(exp.Select)
        return found

    def _aliases(self) -> dict[int, str]:
        """Id of a FROM item's node -> T1, T2 ..., for those that need a name of their own."""
        needed = {id(use.owners[0].node) for use in self.lookups if self._qualified(use)}
        aliases: dict[int, str] = {}
        for scope in self.query.scopes:
            around = [item for outer in self._around(scope.select) for item in outer.from_items]
            number = sum(id(item.node) in aliases for item in around)
            names = Counter(_base(item).lower() for item in scope.from_items)
            for item in scope.from_items:
                base = _base(item)
                twice = names[base.lower()] > 1 if base else id(item.node) in needed
                if twice or id(item.node) in self.hidden:
                    number += 1
                    aliases[id(item.node)] = f"T{number}"
        return aliases

    def _qualified(self, use: Use) -> bool:
        """Whether a column needs its table before it."""
        name, select = use.name.lower(), use.scope.select
        if len(use.owners) > 1:
            return False  # shared by a USING or a NATURAL join
        here = use.node.find_ancestor(exp.Select)
        if here is not None and here is not select:
            return True
        if name in self.outputs[id(select)] and not _is_output(use.node):
            return bool(use.node.args.get("table"))  # bare, it may be the output
        if sum(name in item.columns for item in use.scope.from_items) > 1:
            return True
        around = self._around(select) if id(select) in self.correlated else []
        return any(name in item.columns for scope in around for item in scope.from_items)

    def _name(self, item: FromItem) -> str:
        """What stands before a column of a FROM item."""
        return self.aliases.get(id(item.node)) or (identifier(item.table.name) if item.table else _base(item))

    def text(self) -> str:
        """The query's text with all changes."""
        for item, _ in self.items:
            self._from_item(item)
        for use in self.query.uses:
            self._use(use)
        for column in self.query.tree.find_all(exp.Column):
            self._other(column)
        for scope in self.query.scopes:
            for output in scope.select.expressions:
                if isinstance(output, exp.Alias) and not self._output_used(output):
                    self._drop_alias(output.args["alias"])
        self._parentheses()
        return self._joined()

    def _place(self, node: exp.Expr) -> int:
        if "start" not in node.meta or node.meta["start"] not in self.at:
            raise NotPlainError("a name in it cannot be told")
        return self.at[node.meta["start"]]

    def _from_item(self, item: FromItem) -> None:
        if item.open or item.node.args.get("db"):
            raise NotPlainError("it reads what is not a table of the schema")
        alias, new = item.node.args.get("alias"), self.aliases.get(id(item.node))
        old = alias.this if alias is not None else None
        if alias is not None and alias.args.get("columns"):
            raise NotPlainError("it names the columns of a table anew")
        if isinstance(item.node, exp.Table):
            place = self._place(item.node.this)
            name = identifier(item.table.name) if item.table else self._raw(place)
            self.written[place] = f"{name} AS {new}" if new else name
            if old is not None:
                self._drop_alias(old)
        elif old is not None and new:
            self.written[self._place(old)] = new
        elif old is not None:
            self._drop_alias(old)
        elif new:
            raise NotPlainError("a query in its FROM has no name")

    def _drop_alias(self, alias: exp.Expr) -> None:
        place = self._place(alias)
        self.dropped.add(place)
        if self.tokens[place - 1].token_type is TokenType.ALIAS:
            self.dropped.add(place - 1)

    def _use(self, use: Use) -> None:
        if isinstance(use.node, exp.Identifier):  # of a USING
            self.written[self._place(use.node)] = identifier(use.name)
        elif isinstance(use.node, exp.Column):
            self._write(use.node, self._name(use.owners[0]) if self._qualified(use) else "", identifier(use.name))

    def _write(self, column: exp.Column, qualifier: str, name: str) -> None:
        place = self._place(column.this)
        if column.args.get("db"):
            raise NotPlainError("it names a database")
        if column.args.get("table"):
            self.dropped |= {self._place(column.args["table"]), place - 1}
        self.written[place] = f"{qualifier}.{name}" if qualifier else name

    def _other(self, column: exp.Column) -> None:
        """A column that is none of a table's: a star, an output, text in double quotes."""
        if id(column) in self.uses or not column.args.get("table"):
            return
        scope = self.scopes.get(id(column.find_ancestor(exp.Select)))
        owners = [item for item in scope.from_items if item.alias.lower() == column.table.lower()] if scope else []
        if not isinstance(column.this, exp.Star) or scope is None or len(owners) != 1:
            raise NotPlainError("a name in it cannot be told")
        alone = len(scope.from_items) == 1
        if not alone and not self._name(owners[0]):
            raise NotPlainError("a query in its FROM has no name")
        self._write(column, "" if alone else self._name(owners[0]), "*")

    def _output_used(self, output: exp.Alias) -> bool:
        name = output.alias.lower()
        named = (node for node in self.query.tree.find_all(exp.Column) if node is not output.this)
        return any(node.name.lower() == name for node in named) or any(
            isinstance(use.node, exp.Identifier) and use.name.lower() == name for use in self.query.uses
        )

    def _parentheses(self) -> None:
        """Drop pairs round a whole condition, and those that stand twice."""
        opened: list[int] = []
        kinds = [token.token_type for token in self.tokens]
        for place, kind in enumerate(kinds):
            if kind is TokenType.L_PAREN:
                opened.append(place)
            elif kind is TokenType.R_PAREN and opened:
                first = opened.pop()
                if first and self._idle(kinds, first, place):
                    self.dropped |= {first, place}

    def _idle(self, kinds: list[TokenType], first: int, last: int) -> bool:
        """Whether the parentheses at two places tell a reader nothing."""
        inside: set[TokenType] = set()  # not deeper than this pair
        depth = 0
        for kind in kinds[first + 1 : last]:
            depth -= kind is TokenType.R_PAREN
            if depth == 0:
                inside.add(kind)
            depth += kind is TokenType.L_PAREN
        if inside & {TokenType.SELECT, TokenType.WITH, TokenType.COMMA, TokenType.VALUES}:
            return False
        before, after = kinds[first - 1], kinds[last + 1] if last + 1 < len(kinds) else TokenType.R_PAREN
        if before in _CLAUSE and after in _ENDS:
            return True
        joined = (TokenType.AND, TokenType.OR)
        return before in (*_CLAUSE, *joined) and after in (*_ENDS, *joined) and TokenType.OR not in inside

    def _raw(self, place: int) -> str:
        token = self.tokens[place]
        raw = self.query.sql[token.start : token.end + 1]
        return raw if token.token_type in _QUOTED else " ".join(raw.split())

    def _joined(self) -> str:
        """What is left, with one space where there was any, and none inside parentheses or before a comma."""
        functions = {node.meta["start"] for node in self.query.tree.find_all(exp.Func) if "start" in node.meta}
        text, last = "", -1
        for place, token in enumerate(self.tokens):
            if place in self.dropped:
                continue
            if last >= 0:
                before, kind = self.tokens[last], token.token_type
                gap = any(after.start > one.end + 1 for one, after in pairwise(self.tokens[last : place + 1]))
                now = self.written.get(place, self._raw(place))
                gap = gap or (_word(text[-1]) and _word(now[0]))
                tight = before.token_type in (TokenType.L_PAREN, TokenType.DOT) or kind in (
                    TokenType.R_PAREN,
                    TokenType.COMMA,
                    TokenType.DOT,
                )
                call = kind is TokenType.L_PAREN and before.start in functions
                text += " " if gap and not tight and not call else ""
            text += self.written.get(place, self._raw(place))
            last = place
        return text


def _base(item: FromItem) -> str:
    """The name of a table or of a WITH's query; empty for a query in a FROM."""
    if item.table is not None:
        return item.table.name
    return str(item.node.name) if isinstance(item.node, exp.Table) else ""


def _word(sign: str) -> bool:
    """Whether two such signs side by side would be read as one name, number or value."""
    return sign.isalnum() or sign in "_$'\"`"


def _is_output(node: exp.Expr) -> bool:
    """Whether a column is an output itself, where no name of another output can be meant."""
    while node.parent is not None and not isinstance(node.parent, exp.Select):
        node = node.parent
    return node.arg_key == "expressions"
