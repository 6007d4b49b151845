"""A gold query as something to break: its names, values and tokens, each with its place in the text."""

import random
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.tokens import Token

from macsql.agents.schema_text import Values
from macsql.database.sql_tree import FromItem, Resolved, Use

_COMPARED = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like, exp.In, exp.Between)


@dataclass
class GoldQuery:
    """The query to break, and the dice."""

    query: Resolved
    values: Values
    dice: random.Random

    @property
    def sql(self) -> str:
        """The query's text."""
        return self.query.sql

    @property
    def tokens(self) -> list[Token]:
        """The query's tokens."""
        return self.query.tokens

    def columns(self) -> list[tuple[Use, FromItem]]:
        """Columns of the schema's tables, where they are named as such; USING and NATURAL are left alone."""
        return [
            (use, use.owners[0])
            for use in self.query.uses
            if isinstance(use.node, exp.Column) and len(use.owners) == 1 and use.owners[0].table is not None
        ]

    def qualified(self) -> list[tuple[Use, FromItem]]:
        """Those of `columns` with an alias or table before them."""
        return [(use, origin) for use, origin in self.columns() if use.node.args.get("table")]

    def tables(self) -> list[tuple[FromItem, exp.Expr]]:
        """Tables of FROM clauses, with the identifier that names each."""
        from_items = [origin for scope in self.query.scopes for origin in scope.from_items]
        return [(origin, origin.node.this) for origin in from_items if origin.table is not None]

    def literals(self) -> list[exp.Expr]:
        """Values that the query compares with, text and numbers, in single or double quotes."""
        literals = [node for node in self.query.tree.find_all(exp.Literal) if "start" in node.meta]
        found: list[exp.Expr] = [node for node in literals if isinstance(node.parent, _COMPARED)]
        found += [column.this for column in self.query.strings if isinstance(column.parent, _COMPARED)]
        return sorted(found, key=lambda node: node.meta["start"])
