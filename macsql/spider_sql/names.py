"""Names made fit for Spider's grammar: aliases unique in the whole text, nothing quoted, nothing to be looked up.

The grammar knows no alias of a column and no number of one (`ORDER BY 2`), reads `"x"` as a literal, finds an
unqualified column only in the FROM of its own query, and has one list of table aliases for the whole text.
"""

import re
from dataclasses import dataclass, field

from sqlglot import exp

from macsql.spider_sql.conditions import UnwritableError
from macsql.spider_sql.grammar import AGGREGATES
from macsql.spider_sql.schema import SpiderSchema

# SQLite's keywords that need quotes as a name; it takes all others as they are.
_RESERVED = re.compile(
    """add|all|alter|and|as|autoincrement|between|case|check|collate|commit|constraint|create|default|deferrable|delete|
    distinct|drop|else|escape|except|exists|foreign|from|group|having|in|index|insert|intersect|into|is|isnull|join|
    limit|not|nothing|notnull|null|on|or|order|primary|references|returning|select|set|table|then|to|transaction|union|
    unique|update|using|values|when|where|current_date|current_time|current_timestamp""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclass
class FromItem:
    """A table or subquery in FROM. `name` qualifies its columns; `columns` (lower case) is None where unknown."""

    number: int
    alias: str  # lower case, as the text calls it
    name: str
    columns: tuple[str, ...] | None
    table: bool = True


@dataclass
class Scope:
    """A SELECT's own names, and the scope around it."""

    sources: list[FromItem]
    outer: "Scope | None"
    items: list[exp.Expr] = field(default_factory=list)
    aliases: dict[str, exp.Expr] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)  # columns that USING or NATURAL merged


def resolve_names(tree: exp.Query, schema: SpiderSchema | None, sql: str) -> None:
    """Rewrite a tree that sqlglot read from `sql`, in place.

    Afterwards tables carry their final aliases, columns their final qualifiers, and both `meta["source"]`, the number
    of the table. Raises UnwritableError with the reason where a name has no place in the grammar.
    """
    _Names(schema, sql).query(tree, None)


class _Names:
    def __init__(self, schema: SpiderSchema | None, sql: str) -> None:
        self.schema = schema
        self.sql = sql
        self.sources = 0
        self.aliases = 0

    def query(self, node: exp.Expr, outer: Scope | None) -> list[Scope]:
        """Resolve a query; returns the scopes of the SELECTs that its set operations join, left to right."""
        if isinstance(node, exp.Subquery):
            return self.query(node.this, outer)
        if isinstance(node, exp.SetOperation):
            scopes = self.query(node.this, outer) + self.query(node.expression, outer)
            for ordered in node.args["order"].expressions if node.args.get("order") else ():
                self.compound_order(ordered, scopes)
            return scopes
        if not isinstance(node, exp.Select):
            raise UnwritableError("no SELECT")
        if not node.args.get("from_"):
            raise UnwritableError("no FROM")
        return [self.select(node, outer)]

    def select(self, node: exp.Select, outer: Scope | None) -> Scope:
        joins = self.flatten(node)
        first = node.args["from_"].this
        scope = Scope([self.source(item, outer) for item in (first, *(join.this for join in joins))], outer)
        for at, join in enumerate(joins, start=1):
            self.join(join, scope, at)
        node.set("expressions", [new for item in node.expressions for new in self.item(item, scope)])
        scope.items = [item.this if isinstance(item, exp.Alias) else item for item in node.expressions]
        aliased = [item for item in reversed(node.expressions) if isinstance(item, exp.Alias)]
        scope.aliases = {item.alias.lower(): item.this for item in aliased}  # of two alike the first counts
        node.set("expressions", scope.items)
        for join in joins:
            if join.args.get("on"):
                self.visit(join.args["on"], scope, aliases=False)
        if node.args.get("where"):
            self.visit(node.args["where"].this, scope)
        for term in node.args["group"].expressions if node.args.get("group") else ():
            self.term(term, scope, alias_first=False)
        if node.args.get("having"):
            self.visit(node.args["having"].this, scope)
        for ordered in node.args["order"].expressions if node.args.get("order") else ():
            self.term(ordered.this, scope, alias_first=True)
        return scope

    def flatten(self, node: exp.Select) -> list[exp.Join]:
        """Take FROM (a JOIN b) and FROM (a) out of their brackets."""
        joins: list[exp.Join] = []

        def unpack(item: exp.Expr) -> exp.Expr:
            while isinstance(item, exp.Subquery) and isinstance(item.this, exp.Table) and not item.alias:
                item = item.this
            return item

        first = unpack(node.args["from_"].this)
        for join in [*(first.args.get("joins") or ()), *(node.args.get("joins") or ())]:
            table = unpack(join.this)
            if table.args.get("joins"):
                raise UnwritableError("a join in brackets behind JOIN")
            join.set("this", table)
            joins.append(join)
        if isinstance(first, exp.Table):
            first.set("joins", None)
        node.args["from_"].set("this", first)
        node.set("joins", joins)
        return joins

    def source(self, item: exp.Expr, outer: Scope | None) -> FromItem:
        self.sources += 1
        item.meta["source"] = self.sources
        number = self.sources
        if isinstance(item, exp.Subquery):
            scopes = self.query(item.this, outer)
            columns = self.outputs(scopes[0])
            alias = item.alias.lower()
            item.set("alias", None)  # whoever names one of its columns is refused below
            return FromItem(number, alias, "", columns, table=False)
        if not isinstance(item, exp.Table) or not isinstance(item.this, exp.Identifier):
            raise UnwritableError("something in FROM that is not a table")
        if item.args.get("catalog") or (item.args.get("db") and item.args["db"].name.lower() != "main"):
            raise UnwritableError("a table of another database")
        item.set("db", None)
        table = item.name.lower()
        if self.schema and table not in self.schema.tables:
            raise UnwritableError(f"no table {item.name}")
        columns = self.schema.tables[table] if self.schema else None
        alias = item.alias.lower()
        if alias == table:
            item.set("alias", None)
        elif alias:
            item.set("alias", exp.TableAlias(this=exp.to_identifier(self.new_alias())))
        return FromItem(number, alias or table, item.alias or item.name, columns)

    def new_alias(self) -> str:
        self.aliases += 1
        taken = self.schema.tables if self.schema else ()
        return f"T{self.aliases}" if f"t{self.aliases}" not in taken else self.new_alias()

    def outputs(self, scope: Scope) -> tuple[str, ...] | None:
        names: list[str] = []
        aliases = {id(item): name for name, item in scope.aliases.items()}
        for item in scope.items:
            if isinstance(item, exp.Star):
                for source in scope.sources:
                    if source.columns is None:
                        return None
                    names += source.columns
            else:
                names.append(aliases.get(id(item), item.name.lower()))
        return tuple(names)

    def join(self, join: exp.Join, scope: Scope, at: int) -> None:
        """Write USING and NATURAL as ON."""
        right, left = scope.sources[at], scope.sources[:at]
        names = [identifier.name.lower() for identifier in join.args.get("using") or ()]
        natural = join.args.get("method") == "NATURAL"
        if not names and not natural:
            return
        if any(source.columns is None for source in scope.sources):
            raise UnwritableError("USING or NATURAL JOIN of tables without a known schema")
        if natural:
            names = [name for name in right.columns or () if any(name in (one.columns or ()) for one in left)]
        conditions = []
        for name in names:
            owner = next((source for source in left if name in (source.columns or ())), None)
            if owner is None:
                raise UnwritableError(f"no column {name} to join on")
            conditions.append(exp.EQ(this=_column(owner, name), expression=_column(right, name)))
        scope.shared |= set(names)
        join.set("using", None)
        join.set("method", None)
        if conditions:
            join.set("on", exp.and_(*conditions, copy=False))

    def item(self, item: exp.Expr, scope: Scope) -> list[exp.Expr]:
        """The items that one of the SELECT list becomes: a qualified star may become several."""
        if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
            if scope.shared:
                raise UnwritableError("a star over USING or NATURAL JOIN")
            if isinstance(item, exp.Star) or len(scope.sources) == 1:
                return [exp.Star()]
            source = next((one for one in scope.sources if one.alias == item.table.lower()), None)
            if source is None or source.columns is None or not source.table:
                raise UnwritableError(f"{item.table}.* cannot be spelt out")
            return [_column(source, name) for name in source.columns]
        holder = item if isinstance(item, exp.Alias) else exp.Paren(this=item)
        self.visit(holder.this, scope, aliases=False)
        return [holder if isinstance(item, exp.Alias) else holder.this]

    def term(self, term: exp.Expr, scope: Scope, alias_first: bool) -> None:
        """A term of GROUP BY or ORDER BY: a number or an alias stands for an item of the SELECT list."""
        if isinstance(term, exp.Literal) and not term.is_string:
            at = int(term.name) - 1 if term.name.isdigit() else -1
            if not 0 <= at < len(scope.items) or isinstance(scope.items[at], exp.Star):
                raise UnwritableError(f"no item number {term.name} in SELECT")
            term.replace(scope.items[at].copy())
        elif alias_first and isinstance(term, exp.Column) and not term.table and term.name.lower() in scope.aliases:
            term.replace(scope.aliases[term.name.lower()].copy())
        else:
            self.visit(term, scope)

    def compound_order(self, ordered: exp.Expr, scopes: list[Scope]) -> None:
        """ORDER BY behind a set operation: a term may come from any of the SELECTs, the leftmost first."""
        original = ordered.this.copy()
        for scope in scopes:
            try:
                return self.term(ordered.this, scope, alias_first=True)
            except UnwritableError:
                ordered.set("this", original.copy())
        raise UnwritableError("ORDER BY behind a set operation by what no SELECT returns")

    def visit(self, node: exp.Expr, scope: Scope, aliases: bool = True) -> None:
        if isinstance(node, exp.Query):
            self.query(node, scope)
        elif isinstance(node, exp.Column):
            self.column(node, scope, aliases)
        else:
            for child in list(node.iter_expressions()):
                self.visit(child, scope, aliases)

    def column(self, node: exp.Column, scope: Scope, aliases: bool) -> None:
        if "source" in node.meta:
            return  # written here, for USING
        name, qualifier = node.name.lower(), node.table.lower()
        source = self.find(name, qualifier, scope)
        if source is not None:
            if not source.table:
                raise UnwritableError("a column of a subquery in FROM")
            if qualifier or name in AGGREGATES or name in scope.shared or source not in scope.sources:
                node.set("table", exp.to_identifier(source.name))
            node.meta["source"] = source.number
        elif not qualifier and aliases and name in scope.aliases:
            if self.schema is None:
                raise UnwritableError(f"{node.name} may be a column or an alias: only the schema can tell")
            node.replace(scope.aliases[name].copy())
        elif not qualifier and node.this.args.get("quoted") and self.sql[node.this.meta["start"]] == '"':
            if self.schema:
                node.replace(exp.Literal.string(node.name))
            else:
                node.meta["literal"] = True  # it stays in its quotes, to be read as SQLite reads it
        elif qualifier or self.schema:
            raise UnwritableError(f"no column {node.sql(dialect='sqlite')}")

    def find(self, name: str, qualifier: str, scope: Scope | None) -> FromItem | None:
        while scope is not None:
            if qualifier:
                found = [one for one in scope.sources if one.alias == qualifier]
                found = [one for one in found if one.columns is None or name in one.columns]
            else:
                found = [one for one in scope.sources if name in (one.columns or ())]
            if len(found) > 1 and name not in scope.shared:
                raise UnwritableError(f"the column {name} is ambiguous")
            if found:
                return found[0]
            scope = scope.outer
        return None


def _column(source: FromItem, name: str) -> exp.Column:
    column = exp.column(name, table=source.name)
    column.meta["source"] = source.number
    return column


def written_name(name: str) -> str:
    """A name without quotes. Raises UnwritableError where it needs them.

    The official script changes the letters `value` in a prediction, but not `VALUE`, which SQL takes for the same.
    """
    if not re.fullmatch(r"[^\W\d]\w*", name) or _RESERVED.fullmatch(name):
        raise UnwritableError(f"the name {name!r} needs quotes")
    return name.replace("value", "VALUE")
