"""Where Spider's queries keep their conditions: what links two tables in ON, what picks rows in WHERE.

All joins of the grammar are inner joins, so a condition means the same in either place.
"""

from sqlglot import exp

from macsql.spider_sql.conditions import conjuncts, plain


def place_conditions(
    select: exp.Select,
) -> tuple[list[tuple[exp.Join, list[exp.Expr]]], list[exp.Expr]]:
    """The joins of a SELECT, each with what belongs in its ON, and what belongs in WHERE.

    Links of a comma join come out of WHERE; conditions on one table alone go from ON to WHERE.
    """
    where = conjuncts(select.args["where"].this) if select.args.get("where") else []
    seen = {select.args["from_"].this.meta["source"]}
    joins: list[tuple[exp.Join, list[exp.Expr]]] = []
    for join in select.args.get("joins") or ():
        number = join.this.meta["source"]
        if join.args.get("on"):
            given = conjuncts(join.args["on"])
            on = [one for one in given if len(_sources(one)) != 1]
            where += [one for one in given if len(_sources(one)) == 1]
        else:
            on = [one for one in where if _links(one, number, seen)]
            where = [one for one in where if not _links(one, number, seen)]
        seen.add(number)
        joins.append((join, on))
    return joins, where


def _sources(condition: exp.Expr) -> set[int | None]:
    """Numbers of the tables that a condition names, queries inside it included; None for a column of unknown table."""
    return {column.meta.get("source") for column in condition.find_all(exp.Column)}


def _links(condition: exp.Expr, number: int, seen: set[int]) -> bool:
    if not isinstance(condition, exp.EQ):
        return False
    sides = [plain(condition.this), plain(condition.expression)]
    if not all(isinstance(side, exp.Column) for side in sides):
        return False
    ends = {side.meta.get("source") for side in sides}
    return len(ends) == 2 and number in ends and ends <= {*seen, number}
