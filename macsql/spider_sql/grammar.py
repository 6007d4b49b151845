"""Spider's own small SQL grammar: what its evaluator makes of a query, quirks included.

The grammar reads a part of SQL and not always as SQL means it: what is left over at the end is ignored, a column on the
right of a comparison swallows what follows it, ORDER BY has one direction, LIMIT has no number. Scores of `spider-em`
depend on each of these readings, so they are kept. The productions:

    query      = [(] select from [where] [group by [having]] [order by] [limit] [;] [)] [;] [set-operator query]
    select     = SELECT [DISTINCT] {[aggregate] unit [,]}
    from       = FROM {[(] (query | [JOIN] table [AS alias]) [ON conditions] [)]}
    conditions = unit [NOT] operator value [AND value] {[AND | OR] ...}
    unit       = [(] column [arithmetic column] [)]
    column     = [(] [aggregate (] [DISTINCT] name [)] [)]
"""

from macsql.spider_sql.query import (
    ColumnUnit,
    Condition,
    Conditions,
    Connector,
    Ordering,
    Query,
    SelectItem,
    ValueUnit,
)
from macsql.spider_sql.schema import SpiderSchema
from macsql.spider_sql.tokens import NotInGrammarError, tokenize

CLAUSES = frozenset({"select", "from", "where", "group", "order", "limit", "intersect", "union", "except"})
JOIN_WORDS = frozenset({"join", "on", "as"})
OPERATORS = frozenset({"not", "between", "=", ">", "<", ">=", "<=", "!=", "in", "like", "is", "exists"})
AGGREGATES = frozenset({"none", "max", "min", "count", "sum", "avg"})
ARITHMETIC = frozenset({"none", "-", "+", "*", "/"})
SET_OPERATORS = frozenset({"intersect", "except", "union"})
STAR = "*"
DIRECTIONS = frozenset({"asc", "desc"})
_SUBQUERY = frozenset({"select"})
_ENDS = CLAUSES | {")", ";"}
_ENDS_CONDITIONS = _ENDS | JOIN_WORDS
_ENDS_COLUMN_VALUE = CLAUSES | JOIN_WORDS | {",", ")", "and"}
MAX_DEPTH = 50  # queries within queries; far beyond any benchmark, far below Python's own limit


def parse(schema: SpiderSchema, sql: str) -> Query:
    """Read `sql` against the schema. Raises NotInGrammarError, and nothing else, where the grammar does not take it."""
    tokens = tokenize(sql)
    aliases: dict[str, str] = {}
    for at, token in enumerate(tokens):
        if token == "as":  # one map for the whole text: later aliases replace earlier ones
            if at + 1 == len(tokens):
                raise NotInGrammarError("the text ends after AS")
            aliases[tokens[at + 1]] = tokens[at - 1]
    for table in schema.tables:
        if table in aliases:
            raise NotInGrammarError(f"the alias {table} is the name of a table")
    return _Parser(schema, tokens, aliases | {table: table for table in schema.tables}).query()


class _Parser:
    """Recursive descent with one place to look at: `position`. `scope` holds the plain tables of the current FROM."""

    def __init__(self, schema: SpiderSchema, tokens: list[str], aliases: dict[str, str]) -> None:
        self.schema = schema
        self.tokens = tokens
        self.aliases = aliases
        self.position = 0
        self.end = len(tokens)
        self.scope: list[str] = []
        self.depth = 0

    @property
    def token(self) -> str:
        if self.position >= self.end:
            raise NotInGrammarError("the text ends too early")
        return self.tokens[self.position]

    def among(self, words: frozenset[str]) -> bool:
        return self.position < self.end and self.tokens[self.position] in words

    def skip(self, word: str) -> bool:
        found = self.position < self.end and self.tokens[self.position] == word
        self.position += found
        return found

    def take(self) -> str:
        token = self.token
        self.position += 1
        return token

    def require(self, word: str) -> None:
        if self.token != word:
            raise NotInGrammarError(f"expected {word!r}, found {self.token!r}")
        self.position += 1

    def query(self) -> Query:
        if self.depth == MAX_DEPTH:
            raise NotInGrammarError(f"more than {MAX_DEPTH} queries in one another")
        outer, self.depth = self.scope, self.depth + 1
        start = self.position
        block = self.skip("(")
        select_at = self.position
        try:
            self.position = self.tokens.index("from", start, self.end) + 1
        except ValueError:
            raise NotInGrammarError("no FROM") from None
        self.scope = []
        tables, on = self.from_()
        behind_from, self.position = self.position, select_at
        distinct, select = self.select()
        self.position = behind_from
        where = self.conditions() if self.skip("where") else ()
        group = self.group()
        having = self.conditions() if self.skip("having") else ()
        order = self.order()
        limit = self.skip("limit")
        if limit:
            self.take()  # its number, or anything else, is not looked at
        while self.skip(";"):
            pass
        if block:
            self.require(")")
        while self.skip(";"):
            pass
        operator = self.take() if self.among(SET_OPERATORS) else ""
        operand = self.query() if operator else None
        self.scope, self.depth = outer, self.depth - 1
        return Query(distinct, select, tables, on, where, group, having, order, limit, operator, operand)

    def from_(self) -> tuple[tuple[str | Query, ...], Conditions]:
        tables: list[str | Query] = []
        on: tuple[Condition | Connector, ...] = ()
        while self.position < self.end:
            block = self.skip("(")
            if self.among(_SUBQUERY):
                tables.append(self.query())
            else:
                self.skip("join")
                tables.append(self.table())
            if self.skip("on"):
                conditions = self.conditions()
                on = (*on, "and", *conditions) if on else conditions
            if block:
                self.require(")")
            if self.among(_ENDS):
                break
        return tuple(tables), on

    def table(self) -> str:
        name = self.take()
        table = self.aliases.get(name)
        if table not in self.schema.tables:
            raise NotInGrammarError(f"{name!r} is not a table")
        self.scope.append(table)
        if self.skip("as"):
            self.position += 1
        return table

    def select(self) -> tuple[bool, tuple[SelectItem, ...]]:
        self.require("select")
        distinct = self.skip("distinct")
        items: list[SelectItem] = []
        while self.position < self.end and not self.among(CLAUSES):
            aggregate = self.take() if self.among(AGGREGATES) else "none"
            items.append(SelectItem(aggregate, self.unit()))
            self.skip(",")
        return distinct, tuple(items)

    def unit(self) -> ValueUnit:
        block = self.skip("(")
        left = self.column()
        operator = self.take() if self.among(ARITHMETIC) else ""
        unit = ValueUnit(operator or "none", left, self.column() if operator else None)
        if block:
            self.require(")")
        return unit

    def column(self) -> ColumnUnit:
        block = self.skip("(")
        if self.token in AGGREGATES:
            aggregate = self.take()
            self.require("(")
            distinct = self.skip("distinct")
            name = self.name()
            self.require(")")  # of the aggregate: one opened before it stays open
            return ColumnUnit(aggregate, name, distinct)
        distinct = self.skip("distinct")
        name = self.name()
        if block:
            self.require(")")
        return ColumnUnit("none", name, distinct)

    def name(self) -> str:
        token = self.take()
        if token == STAR:
            return STAR
        if "." in token:
            qualifier, _, column = token.partition(".")
            found = f"{self.aliases.get(qualifier, '')}.{column}"
            if token.count(".") == 1 and found in self.schema.columns:  # whether the table is in FROM or not
                return found
        else:
            for table in self.scope:
                if token in self.schema.tables[table]:
                    return f"{table}.{token}"
        raise NotInGrammarError(f"{token!r} is not a column here")

    def conditions(self) -> Conditions:
        found: list[Condition | Connector] = []
        while self.position < self.end:
            unit = self.unit()
            negated = self.skip("not")
            operator = self.take()
            if operator not in OPERATORS:
                raise NotInGrammarError(f"{operator!r} is not a comparison")
            value, second = self.value(), None
            if operator == "between":
                self.require("and")
                second = self.value()
            found.append(Condition(negated, operator, unit, value, second))
            if self.among(_ENDS_CONDITIONS):
                break
            if self.skip("and"):
                found.append("and")
            elif self.skip("or"):
                found.append("or")
        return tuple(found)

    def value(self) -> "str | float | ColumnUnit | Query":
        start = self.position
        block = self.skip("(")
        value: str | float | ColumnUnit | Query
        if self.token == "select":
            value = self.query()
        elif '"' in self.token:
            value = self.take()
        else:
            try:
                value = float(self.token)
                self.position += 1
            except ValueError:
                value = self.column_value(start)
        if block:
            self.require(")")
        return value

    def column_value(self, start: int) -> ColumnUnit:
        """A column on the right of a comparison, read from `start`; what follows it up to the next stop is lost."""
        stop, end = self.position, self.end
        while stop < end and self.tokens[stop] not in _ENDS_COLUMN_VALUE:
            stop += 1
        self.position, self.end = start, stop
        found = self.column()
        self.position, self.end = stop, end
        return found

    def group(self) -> tuple[ColumnUnit, ...]:
        found: list[ColumnUnit] = []
        if self.skip("group"):
            self.require("by")
            while self.position < self.end and not self.among(_ENDS):
                found.append(self.column())
                if not self.skip(","):
                    break
        return tuple(found)

    def order(self) -> Ordering | None:
        if not self.skip("order"):
            return None
        self.require("by")
        direction, units = "asc", []
        while self.position < self.end and not self.among(_ENDS):
            units.append(self.unit())
            if self.among(DIRECTIONS):
                direction = self.take()
            if not self.skip(","):
                break
        return Ordering(direction, tuple(units))
