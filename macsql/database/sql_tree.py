"""What a gold query names: its syntax tree with every table, column, alias and star resolved against a schema.

The tree is sqlglot's, read in SQLite's dialect; names are then looked up as SQLite does it. All nodes that
carry a name know where in the text they stand, so that a query can be changed in one place (corruption.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from sqlglot import Dialect, exp
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token

from macsql.database.schema import Schema, Table

_ROW_NUMBERS = {"rowid", "oid", "_rowid_"}  # every SQLite table has them, no schema names them


class SqlUnreadableError(ValueError):
    """A query that does not parse, or that names what the schema does not have. `reason` is the kind, for counting."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


@dataclass(frozen=True)
class FromItem:
    """One item of a FROM clause. `table` is None for a subquery or a CTE, whose outputs are then `columns`."""

    alias: str
    node: exp.Expr
    table: Table | None
    columns: dict[str, str]  # lower-cased name -> name as the schema has it
    open: bool = False  # a table-valued function: any column may be there


@dataclass(frozen=True)
class SelectScope:
    """One SELECT and what its FROM clause offers."""

    select: exp.Select
    from_items: tuple[FromItem, ...]


@dataclass(frozen=True)
class Use:
    """A column of the schema, where the query names it. `owners`: more than one only in USING and NATURAL joins."""

    node: exp.Expr  # exp.Column, or the exp.Identifier of a USING
    scope: SelectScope
    owners: tuple[FromItem, ...]
    name: str  # as the schema has it


@dataclass
class Resolved:
    """A query and everything it names, in the order of its text."""

    sql: str
    schema: Schema
    tree: exp.Query
    tokens: list[Token]
    scopes: list[SelectScope] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    strings: list[exp.Column] = field(default_factory=list)  # "text" in double quotes that is no column: a literal
    starred: list[FromItem] = field(default_factory=list)

    @cached_property
    def tables(self) -> tuple[str, ...]:
        """Names of the schema's tables that the query reads, each once."""
        named = [origin for scope in self.scopes for origin in scope.from_items if origin.table is not None]
        return tuple(dict.fromkeys(s.table.name for s in sorted(named, key=lambda s: position(s.node)) if s.table))

    @cached_property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """(table, column) pairs that the query needs, each once; a star stands for all columns of its tables."""
        pairs: dict[tuple[str, str], None] = {}
        for use in sorted(self.uses, key=lambda use: position(use.node)):
            for owner in use.owners:
                if owner.table is not None:
                    pairs[owner.table.name, use.name] = None
        for origin in self.starred:
            if origin.table is not None:
                pairs.update({(origin.table.name, column.name): None for column in origin.table.columns})
        return tuple(pairs)


def position(node: exp.Expr) -> int:
    """Where in the text the first name of a node stands."""
    return min((found.meta["start"] for found in node.walk() if "start" in found.meta), default=0)


def span(identifier: exp.Expr) -> tuple[int, int]:
    """Start and end (exclusive) of a name, literal or function name in the text of its query."""
    return identifier.meta["start"], identifier.meta["end"] + 1


def parse(sql: str) -> tuple[exp.Query, list[Token]]:
    """Tree and tokens of a query. Raises SqlUnreadableError for anything but one readable SELECT, compound or WITH."""
    dialect = Dialect.get_or_raise("sqlite")
    try:
        tokens = dialect.tokenize(sql)
        trees = [tree for tree in dialect.parser().parse(tokens, sql) if not isinstance(tree, exp.Semicolon | None)]
    except (SqlglotError, RecursionError) as error:
        raise SqlUnreadableError("does not parse") from error
    if len(trees) != 1 or not isinstance(tree := trees[0], exp.Query):
        raise SqlUnreadableError("is not one SELECT")
    return tree, tokens


def resolve(sql: str, schema: Schema) -> Resolved:
    """Read a query against its schema. Raises SqlUnreadableError with the reason."""
    tree, tokens = parse(sql)
    resolved = Resolved(sql, schema, tree, tokens)
    try:
        _Resolver(resolved).query(tree, (), {})
    except RecursionError as error:
        raise SqlUnreadableError("is nested too deep") from error
    return resolved


class _Resolver:
    def __init__(self, resolved: Resolved) -> None:
        self.out = resolved

    def query(self, node: exp.Query, outer: tuple[SelectScope, ...], ctes: dict[str, list[str]]) -> list[str]:
        """Resolve a query inside its outer scopes; returns the names of its output columns."""
        for cte in node.ctes:
            name, declared = cte.alias.lower(), [column.name for column in cte.args["alias"].columns]
            outputs = self.query(cte.this, (), {**ctes, name: declared or _first_names(cte.this)})
            ctes = {**ctes, name: declared or outputs}
        if isinstance(node, exp.Subquery):
            return self.query(node.this, outer, ctes)
        if isinstance(node, exp.SetOperation):
            first = len(self.out.scopes)
            outputs = self.query(node.this, outer, ctes)
            self.query(node.expression, outer, ctes)
            left = self.out.scopes[first]
            order = node.args.get("order")
            for column in order.find_all(exp.Column) if order else ():
                if column.name.lower() not in {name.lower() for name in outputs}:
                    self._column(column, (left, *outer))
            return outputs
        if isinstance(node, exp.Select):
            return self._select(node, outer, ctes)
        return []  # VALUES (...)

    def _select(self, select: exp.Select, outer: tuple[SelectScope, ...], ctes: dict[str, list[str]]) -> list[str]:
        here = len(self.out.scopes)
        self.out.scopes.append(SelectScope(select, ()))  # its place in the order; filled below
        items = [select.args["from_"].this] if select.args.get("from_") else []
        joins: list[exp.Expr] = list(select.args.get("joins") or ())
        from_items: list[FromItem] = []
        for item in [*items, *(join.this for join in joins)]:
            from_items += self._from_items(item, outer, ctes, joins)
        scope = self.out.scopes[here] = SelectScope(select, tuple(from_items))
        scopes = (scope, *outer)
        for node in _own_nodes(select):
            if isinstance(node, exp.Query):
                self.query(node, scopes, ctes)
            elif isinstance(node, exp.Column):
                self._column(node, scopes)
        for join in joins:
            for identifier in join.args.get("using") or ():
                self._shared(identifier, identifier.name, scope)
            if join.args.get("method") == "NATURAL":
                self._natural(join, scope)
        return self._outputs(select, scope)

    def _from_items(
        self, item: exp.Expr, outer: tuple[SelectScope, ...], ctes: dict[str, list[str]], joins: list[exp.Expr]
    ) -> list[FromItem]:
        if isinstance(item, exp.Subquery | exp.Paren) and isinstance(item.this, exp.Table | exp.Subquery | exp.Paren):
            joins += item.this.args.get("joins") or ()  # FROM (a JOIN b): its tables stand in the same scope
            inner = [item.this, *(join.this for join in item.this.args.get("joins") or ())]
            return [origin for one in inner for origin in self._from_items(one, outer, ctes, joins)]
        if isinstance(item, exp.Table) and isinstance(item.this, exp.Identifier):
            name = item.name.lower()
            if name in ctes:
                return [FromItem(item.alias_or_name, item, None, {c.lower(): c for c in ctes[name]})]
            table = self.out.schema.by_name.get(name)
            if table is None:
                raise SqlUnreadableError("names a table that the schema lacks", item.name)
            return [FromItem(item.alias_or_name, item, table, {c.name.lower(): c.name for c in table.columns})]
        if isinstance(item, exp.Query):
            outputs = self.query(item, outer, ctes)
            return [FromItem(item.alias_or_name, item, None, {name.lower(): name for name in outputs})]
        return [FromItem(item.alias_or_name, item, None, {}, open=True)]

    def _outputs(self, select: exp.Select, scope: SelectScope) -> list[str]:
        names: list[str] = []
        in_exists = isinstance(select.parent, exp.Exists)  # its star asks for a row, not for columns
        for item in select.expressions:
            if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
                qualifier = item.table.lower() if isinstance(item, exp.Column) else ""
                for origin in scope.from_items:
                    if not qualifier or origin.alias.lower() == qualifier:
                        names += origin.columns.values()
                        if not in_exists:
                            self.out.starred.append(origin)
            else:
                names.append(item.alias_or_name)
        return names

    def _column(self, node: exp.Column, scopes: tuple[SelectScope, ...]) -> None:
        if isinstance(node.this, exp.Star):
            return
        name, qualifier = node.name.lower(), node.table.lower()
        for scope in scopes:
            offering = [s for s in scope.from_items if not qualifier or s.alias.lower() == qualifier]
            owners = tuple(origin for origin in offering if name in origin.columns)
            if owners:
                self.out.uses.append(Use(node, scope, owners, owners[0].columns[name]))
                return
            if any(origin.open for origin in offering) or (offering and name in _ROW_NUMBERS):
                return
            if not qualifier and name in {item.alias.lower() for item in scope.select.expressions}:
                return
        if node.this.args.get("quoted") and not qualifier and self.out.sql[node.this.meta["start"]] == '"':
            self.out.strings.append(node)
            return
        raise SqlUnreadableError("names a column that the schema lacks", node.sql(dialect="sqlite"))

    def _shared(self, node: exp.Expr, name: str, scope: SelectScope) -> None:
        owners = tuple(origin for origin in scope.from_items if name.lower() in origin.columns)
        if owners:
            self.out.uses.append(Use(node, scope, owners, owners[0].columns[name.lower()]))

    def _natural(self, join: exp.Expr, scope: SelectScope) -> None:
        right = next((s for s in scope.from_items if s.node is join.this), None)
        for name in right.columns if right else ():
            if sum(name in origin.columns for origin in scope.from_items) > 1:
                self._shared(join.this, name, scope)


def _first_names(body: exp.Expr) -> list[str]:
    """Output names of a CTE's first member: what a recursive member may name before the whole is known."""
    while isinstance(body, exp.SetOperation):
        body = body.this
    return [item.alias_or_name for item in body.expressions] if isinstance(body, exp.Select) else []


def _own_nodes(select: exp.Select) -> Iterator[exp.Column | exp.Query]:
    """The columns of a SELECT outside its FROM items, and the queries nested in it, which are not entered."""
    stack: list[exp.Expr] = [select]
    while stack:
        node = stack.pop()
        elsewhere = ("from_", "with_") if node is select else ("this", "using") if isinstance(node, exp.Join) else ()
        for key, value in reversed(node.args.items()):
            if key in elsewhere:
                continue
            for child in reversed(value if isinstance(value, list) else [value]):
                if isinstance(child, exp.Column) or (isinstance(child, exp.Query) and child is not select):
                    yield child
                elif isinstance(child, exp.Expr):
                    stack.append(child)
