"""A query as a request in words, where words carry all of it; a query of which they would lose a part is not told.

What the words mean, read from left to right:

    and, or          bind as in SQL: and before or; there are no brackets
    A with B         rows of two tables, joined over the one link between them
    the X of T ...   a query inside another one; all that follows belongs to it, so it stands at the end
    "..." and '...'  a name and a value in which a word could be taken for one of these
"""

import re

from sqlglot import exp

from macsql.database.schema import Schema, words
from macsql.database.sql_tree import FromItem, Resolved, Use, resolve

_AGGREGATES: dict[type[exp.Expr], str] = {exp.Avg: "average", exp.Sum: "total", exp.Max: "highest", exp.Min: "lowest"}
_COMPARISONS: dict[type[exp.Expr], tuple[str, str]] = {  # as it stands, and under NOT
    exp.EQ: ("is", "is not"),
    exp.NEQ: ("is not", "is"),
    exp.GT: ("is more than", "is not more than"),
    exp.GTE: ("is at least", "is not at least"),
    exp.LT: ("is less than", "is not less than"),
    exp.LTE: ("is at most", "is not at most"),
    exp.Is: ("is", "is not"),
}
_ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "plus", exp.Sub: "minus", exp.Mul: "times", exp.Div: "divided by"}
_SET_WORDS: dict[type[exp.Expr], str] = {
    exp.Union: "together with the",
    exp.Intersect: "which is also the",
    exp.Except: "leaving out the",
}
_CLAUSES = ("group", "where", "having", "order", "limit")
_TOLD = {"expressions", "from_", "joins", "distinct", *_CLAUSES}  # of a SELECT
_DEEPEST = 2  # queries inside one another
_MISLEADING = re.compile(
    r"[\",]|^'|^\s|\s$|^$|\b(?:and|or|is|where|with|for each|in|but|plus|minus|times|divided)\b"
    r"|^(?:not|more|less|at|like|between|among|one of|the|missing|null)\b|^[-+]?\.?\d[\d.]*(?:e[-+]?\d+)?$",
    re.IGNORECASE,
)


class UntellableError(ValueError):
    """A query that no words here carry wholly; the message says which part they would lose."""


def in_words(sql: str, schema: Schema) -> str:
    """A query as a request in words.

    Raises UntellableError where words would lose a part of it, and sql_tree.SqlUnreadableError where it cannot be read
    against the schema.
    """
    resolved = resolve(sql, schema)
    if any(token.text.upper() == "NULLS" for token in resolved.tokens):
        raise UntellableError("says where missing values stand")
    try:
        return f"Find the {_Wording(resolved).query(resolved.tree)}."
    except RecursionError as error:
        raise UntellableError("is nested too deep") from error


class _Wording:
    """One query's words. `last` says throughout: nothing of the sentence comes behind this part."""

    def __init__(self, resolved: Resolved) -> None:
        self.schema = resolved.schema
        self.strings = {id(node) for node in resolved.strings}
        self.origins: dict[int, FromItem] = {
            id(item.node): item for scope in resolved.scopes for item in scope.from_items
        }
        columns = [column for table in self.schema.tables for column in table.columns]
        self.said = {(column.full_name or words(column.name)).lower() for column in columns}
        self.owners: dict[int, tuple[FromItem, str]] = {}
        self.names: dict[int, str] = {}
        for use in resolved.uses:
            self.owners[id(use.node)] = use.owners[0], use.name
            self.names[id(use.node)] = _column_words(use.owners[0], use.name)
            if isinstance(use.node, exp.Column) and use.node.parent_select is not use.scope.select:
                raise UntellableError("reads a column of the query around it")
        self.apart = {id(use.node): told for use in resolved.uses if (told := self._told_apart(use))}
        self.names |= self.apart

    def _ends(self, node: exp.Expr) -> list[tuple[FromItem, str]]:
        """The two columns of an equality; [] for anything else."""
        if not isinstance(node, exp.EQ) or not {id(node.this), id(node.expression)} <= self.owners.keys():
            return []
        return [self.owners[id(node.this)], self.owners[id(node.expression)]]

    def _told_apart(self, use: Use) -> str:
        """The words of a column with its table before them, where another table has a column of the same words.

        Empty where there is none, and where the two hold the same values because the tables are joined over them.
        """
        owner, name = use.owners[0], self.names[id(use.node)]
        on = [join.args["on"] for join in use.scope.select.args.get("joins") or () if join.args.get("on")]
        equal = [{(id(item.node), column.lower()) for item, column in self._ends(node)} for node in on]
        for other in use.scope.from_items:
            twins = [c for c in other.columns.values() if other not in use.owners and _column_words(other, c) == name]
            if any({(id(owner.node), use.name.lower()), (id(other.node), twin.lower())} not in equal for twin in twins):
                apart = f"{_table_words(owner)} {name}"
                if apart.lower() in self.said:
                    raise UntellableError("names a column that two of its tables have")
                return apart
        return ""

    # --- queries ---

    def query(self, node: exp.Expr, depth: int = 0, last: bool = True, member: bool = False) -> str:
        """A query as what it finds: "average age of singer where country is France"."""
        if depth > _DEEPEST:
            raise UntellableError("is nested too deep")
        if isinstance(node, exp.Subquery) and not _others(node, {"this", "alias"}):
            return self.query(node.this, depth, last, member)
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, depth, last)
        if not isinstance(node, exp.Select) or _others(node, _TOLD):
            raise UntellableError(f"has {', '.join(_others(node, _TOLD)) or 'no SELECT'}")
        if depth and not last:
            raise UntellableError("has a query in the middle of another one")
        clauses = [key for key in _CLAUSES if node.args.get(key)]
        tables = self._tables(node)
        said = [self.item(item, tables, depth, False) for item in node.expressions]
        found = " and ".join(said)
        if node.args.get("distinct") and (node.args.get("limit") or not (depth or member)):
            if _others(node.args["distinct"], set()):
                raise UntellableError("is distinct on some columns")
            found = f"different {'combinations of ' if len(said) > 1 else ''}{found}"
        parts = [found]
        if tables and not _counts_rows(node.expressions[-1]):
            parts.append(f"of {tables}")
        for key in clauses:
            own = key == clauses[-1] and last
            if key == "group":
                parts.append(self._group(node.args[key], tables, depth, own))
            elif key in ("where", "having"):
                word = "where" if key == "where" else "with"
                parts.append(f"{word} {self.condition(node.args[key].this, tables, depth, own)}")
            elif key == "order":
                parts.append(self._order(node.args[key], node.args.get("limit"), tables, depth, last))
            elif not node.args.get("order"):
                parts.append(f"but only {_number(node.args[key])}")
        return " ".join(parts)

    def _set_operation(self, node: exp.SetOperation, depth: int, last: bool) -> str:
        if depth or _others(node, {"this", "expression", "distinct"}):
            raise UntellableError("orders or limits a set operation, or has one inside another query")
        if isinstance(node, exp.Union) and not node.args.get("distinct"):
            raise UntellableError("keeps rows that are the same")
        if isinstance(node.expression.unnest(), exp.SetOperation):
            raise UntellableError("has brackets among set operations")
        left = self.query(node.this, depth, False, member=True)
        return f"{left}, {_SET_WORDS[type(node)]} {self.query(node.expression, depth, last, member=True)}"

    def _tables(self, select: exp.Select) -> str:
        joins: list[exp.Expr] = list(select.args.get("joins") or ())
        nodes = [select.args["from_"].this, *(join.this for join in joins)] if select.args.get("from_") else []
        items = [self.origins[id(node)] for node in nodes if id(node) in self.origins]
        if len(items) < len(nodes) or any(item.table is None for item in items):
            raise UntellableError("reads what is not a table of the schema")
        if len({item.table.name for item in items if item.table}) < len(items):
            raise UntellableError("reads a table twice")
        for place, join in enumerate(joins, start=1):
            self._check_join(join, items[:place], items[place], select)
        return " with ".join(_clear(_table_words(item)) for item in items)

    def _check_join(self, join: exp.Expr, before: list[FromItem], item: FromItem, select: exp.Select) -> None:
        """Raise unless a join follows the one link between its table and those before it."""
        if _others(join, {"this", "on", "using", "kind", "method"}) or join.args.get("kind") not in (
            None,
            "",
            "INNER",
            "CROSS",
        ):
            raise UntellableError("has a join that keeps rows without a partner")
        shared = [
            {(id(other.node), name), (id(item.node), name)}
            for other in before
            for name in item.columns.keys() & other.columns.keys()
        ]
        links = [link for other in before for link in self._links(other, item)] or shared
        if join.args.get("using") or join.args.get("method") == "NATURAL":
            if len(links) != 1 or len(shared) != 1 or links != shared:
                raise UntellableError("has a join over more than one column")
            return
        where = select.args.get("where")
        told = [join.args["on"]] if join.args.get("on") else list(where.this.flatten()) if where else []
        ends = [{(id(end.node), column.lower()) for end, column in self._ends(node)} for node in told]
        if len(links) != 1 or links[0] not in ends:
            raise UntellableError("has a join that does not follow the one link between its tables")

    def _links(self, one: FromItem, other: FromItem) -> list[set[tuple[int, str]]]:
        """The foreign keys between two tables, each as the pair of its ends."""
        pairs = []
        for key in self.schema.foreign_keys:
            for a, b in ((one, other), (other, one)):
                if a.table and b.table and (key.table, key.ref_table) == (a.table.name, b.table.name):
                    pairs.append({(id(a.node), key.column.lower()), (id(b.node), key.ref_column.lower())})
        return pairs

    def _group(self, group: exp.Expr, tables: str, depth: int, last: bool) -> str:
        if _others(group, {"expressions"}) or any(isinstance(key, exp.Literal) for key in group.expressions):
            raise UntellableError("groups by something else than columns")
        return f"for each {self._list(group.expressions, tables, depth, last)}"

    def _order(self, order: exp.Expr, limit: exp.Expr | None, tables: str, depth: int, last: bool) -> str:
        keys = order.expressions
        if any(isinstance(key.this, exp.Literal) for key in keys):
            raise UntellableError("orders by the number of a column")
        down = {bool(key.args.get("desc")) for key in keys}
        if len(down) > 1:
            raise UntellableError("orders up and down")
        by = self._list([key.this for key in keys], tables, depth, last)
        if limit is None:
            return f"in {'descending' if True in down else 'ascending'} order of {by}"
        number = _number(limit)
        return f"with the {'' if number == '1' else number + ' '}{'highest' if True in down else 'lowest'} {by}"

    # --- parts of queries ---

    def _list(self, nodes: list[exp.Expr], tables: str, depth: int, last: bool, between: str = " and ") -> str:
        said = [self.item(node, tables, depth, False) for node in nodes[:-1]]
        return between.join([*said, self.item(nodes[-1], tables, depth, last)])

    def item(self, node: exp.Expr, tables: str, depth: int, last: bool) -> str:
        """An expression as a noun."""
        if isinstance(node, exp.Alias) or (isinstance(node, exp.Paren) and not isinstance(node.this, exp.Condition)):
            return self.item(node.this, tables, depth, last)
        if isinstance(node, exp.Paren) and type(node.this) in _ARITHMETIC:
            return self.item(node.this, tables, depth, last)
        if _counts_rows(node):
            return f"number of {tables}"
        if isinstance(node, exp.Count) or type(node) in _AGGREGATES:
            return f"{_AGGREGATES.get(type(node), 'number of')} {self._counted(node)}"
        if type(node) in _ARITHMETIC:
            if any(isinstance(side.unalias(), exp.Paren) for side in (node.this, node.expression)):
                raise UntellableError("has brackets in a calculation")
            left, right = (
                self.item(node.this, tables, depth, False),
                self.item(node.expression, tables, depth, last),
            )
            return f"{left} {_ARITHMETIC[type(node)]} {right}"
        if isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star)):
            select = node.find_ancestor(exp.Select)
            joins = (select.args.get("joins") or ()) if select else ()
            if joins and (isinstance(node, exp.Column) or any(not join.args.get("on") for join in joins)):
                raise UntellableError("takes a part of the whole record")
            return "whole record"
        if isinstance(node, exp.Column):
            return self._column(node)
        if isinstance(node, exp.Literal):
            return self._value(str(node.this)) if node.is_string else str(node.this)
        if isinstance(node, exp.Null):
            raise UntellableError("uses NULL as a value")
        if isinstance(node, exp.Query):
            return f"the {self.query(node, depth + 1, last)}"
        return self._as_sql(node)

    def _counted(self, node: exp.Expr) -> str:
        """What an aggregate is taken of: one column, or what SQL alone can say of it."""
        counted = node.this
        if node.expressions or _others(node, {"this", "expressions", "big_int"}):
            raise UntellableError("has a function of several values")
        distinct = "different " if isinstance(counted, exp.Distinct) else ""
        if isinstance(counted, exp.Distinct):
            if len(counted.expressions) != 1:
                raise UntellableError("counts combinations")
            counted = counted.expressions[0]
        if isinstance(counted, exp.Paren):
            counted = counted.unnest()
        if isinstance(counted, exp.Binary | exp.Literal | exp.Query | exp.Star | exp.AggFunc):
            raise UntellableError("has a function of a calculation")
        return distinct + (self._column(counted) if isinstance(counted, exp.Column) else self._as_sql(counted))

    def _column(self, node: exp.Column) -> str:
        if id(node) in self.strings:
            return self._value(node.name)
        if id(node) not in self.names:
            raise UntellableError("names what is not a column of the schema")
        return _clear(self.names[id(node)])

    def _value(self, text: str) -> str:
        """A value as it stands, or in quotes where it could be taken for something else."""
        return _quoted(text, "'") if _MISLEADING.search(text) or text.lower() in self.said else text

    def _as_sql(self, node: exp.Expr) -> str:
        """What has no words stays SQL, without the names that only the query itself gives to its tables."""
        if node.find(exp.Query):
            raise UntellableError("has a query inside an expression")
        for column in node.find_all(exp.Column):
            if id(column) not in self.strings and self._column(column) and id(column) in self.apart:
                raise UntellableError("has a function of a column that two of its tables have")
        copy = node.copy()
        for column in copy.find_all(exp.Column):
            column.set("table", None)
        return copy.sql(dialect="sqlite")

    # --- conditions ---

    def condition(self, node: exp.Expr, tables: str, depth: int, last: bool, negated: bool = False) -> str:
        """A condition as a clause: "age is more than 20"."""
        node = node.unnest()
        if isinstance(node, exp.Not):
            return self.condition(node.this, tables, depth, last, not negated)
        if isinstance(node, exp.And | exp.Or):
            return self._connected(node, tables, depth, last, negated)
        if type(node) in _COMPARISONS:
            verb = _COMPARISONS[type(node)][negated]
            if isinstance(node, exp.Is):
                null = isinstance(node.expression, exp.Null)
                right = "missing" if null else self.item(node.expression, tables, depth, last)
            else:
                right = self.item(node.expression, tables, depth, last)
            return f"{self.item(node.this, tables, depth, False)} {verb} {right}"
        verb = "is not" if negated else "is"
        if isinstance(node, exp.Like) and not _others(node, {"this", "expression"}):
            pattern = self.item(node.expression, tables, depth, last)
            return f"{self.item(node.this, tables, depth, False)} {verb} like {pattern}"
        if isinstance(node, exp.Between):
            bounds = self._list([node.args["low"], node.args["high"]], tables, depth, last)
            return f"{self.item(node.this, tables, depth, False)} {verb} between {bounds}"
        if isinstance(node, exp.In) and node.args.get("query"):
            among = self.item(node.args["query"], tables, depth, last)
            return f"{self.item(node.this, tables, depth, False)} {verb} among {among}"
        if isinstance(node, exp.In) and node.expressions:
            values = self._list(node.expressions, tables, depth, last, between=", ")
            return f"{self.item(node.this, tables, depth, False)} {verb} one of {values}"
        if isinstance(node, exp.Exists):
            return f"there {verb} a {self.query(node.this, depth + 1, last)}"
        if isinstance(node, exp.Predicate | exp.Binary):
            raise UntellableError("has a comparison without words")
        return f"{'not ' if negated else ''}{self.item(node, tables, depth, last)}"

    def _connected(self, node: exp.Expr, tables: str, depth: int, last: bool, negated: bool) -> str:
        if negated:
            raise UntellableError("denies several conditions at once")
        if isinstance(node, exp.And) and any(isinstance(s.unnest(), exp.Or) for s in (node.this, node.expression)):
            raise UntellableError("has brackets among its conditions")
        left = self.condition(node.this, tables, depth, False)
        word = "and" if isinstance(node, exp.And) else "or"
        return f"{left} {word} {self.condition(node.expression, tables, depth, last)}"


def _others(node: exp.Expr, known: set[str]) -> list[str]:
    """What a node has beside the known parts."""
    return [key for key, value in node.args.items() if value and key not in known]


def _counts_rows(node: exp.Expr) -> bool:
    node = node.unalias()
    return isinstance(node, exp.Count) and isinstance(node.this, exp.Star | exp.Literal) and not node.expressions


def _number(limit: exp.Expr) -> str:
    number = limit.expression
    if _others(limit, {"expression"}) or not isinstance(number, exp.Literal) or number.is_string:
        raise UntellableError("has a limit that is not a number")
    return str(number.this)


def _table_words(item: FromItem) -> str:
    return (item.table.full_name or words(item.table.name)) if item.table is not None else item.alias


def _column_words(item: FromItem, name: str) -> str:
    columns = item.table.columns if item.table is not None else ()
    return next((c.full_name for c in columns if c.name == name and c.full_name), "") or words(name)


def _clear(name: str) -> str:
    return _quoted(name, '"') if _MISLEADING.search(name) else name


def _quoted(text: str, mark: str) -> str:
    return mark + text.replace(mark, mark * 2) + mark
