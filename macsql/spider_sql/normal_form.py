"""SQL of any habit brought into Spider's grammar, as a step of its own with a name: never applied silently.

`spider-em` scores what its grammar cannot read as wrong: backticks, INNER JOIN, comma joins, aliases without AS or of
columns, `<>`, `a=5`, IN (1, 2) and more. This step rewrites what can be said within the grammar, and only so that the
rows stay the same; what cannot is returned unchanged with the reason. A score that used it must say so.
"""

import re
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from macsql.spider_sql.conditions import UnwritableError
from macsql.spider_sql.grammar import parse
from macsql.spider_sql.names import resolve_names
from macsql.spider_sql.schema import SpiderSchema
from macsql.spider_sql.tokens import NotInGrammarError
from macsql.spider_sql.writer import write

_SPLIT_OPERATOR = re.compile(r"""("[^"]*"|'[^']*'|`[^`]*`|\[[^]]*])|([<>!]) +=""")

_QUERY = re.compile(r"(?:[\s(]|--[^\n]*\n|/\*[^*]*\*/)*(?:select|with)\b", re.IGNORECASE)

_UNARY_PLUS = re.compile(
    r"(?:[=<>(,+*/-]|\b(?:select|distinct|where|and|or|on|by|not|between|like))\s*\+", re.IGNORECASE
)


@dataclass(frozen=True)
class NormalForm:
    """`sql` to score; where it is not `changed`, `reason` says why: already readable, or what stands in the way."""

    sql: str
    changed: bool
    reason: str


def to_spider_grammar(sql: str, schema: SpiderSchema | None) -> NormalForm:
    """Rewrite one query of SQLite's dialect in Spider's grammar. Never raises, whatever the text.

    With a schema, a text that the grammar already reads comes back as it is, names are looked up as SQLite does it,
    and a changed text is certain to be readable. Without one, what only a schema can tell is left alone.
    """
    if schema is not None and not _obstacle(schema, sql):
        return NormalForm(sql, False, "already in the grammar")
    try:
        text = write(_resolved(sql, schema))
    except UnwritableError as reason:
        return NormalForm(sql, False, str(reason))
    except RecursionError:
        return NormalForm(sql, False, "nested too deep")
    obstacle = _obstacle(schema, text) if schema is not None else ""
    if obstacle:
        return NormalForm(sql, False, f"not readable when rewritten: {obstacle}")
    return NormalForm(text, text != sql, "" if text != sql else "already in the grammar")


def _obstacle(schema: SpiderSchema, sql: str) -> str:
    """Why the grammar does not read a prediction; empty where it does."""
    try:
        parse(schema, sql.replace("value", "1"))  # as the official script changes every prediction
    except NotInGrammarError as reason:
        return str(reason)
    return ""


def _resolved(sql: str, schema: SpiderSchema | None) -> exp.Query:
    if not _QUERY.match(sql):
        raise UnwritableError("not one SELECT")  # sqlglot would log a warning for each command it does not know
    repaired = _SPLIT_OPERATOR.sub(lambda match: match[1] or f"{match[2]}=", sql)
    if _UNARY_PLUS.search(repaired):
        raise UnwritableError("a plus sign before an operand")  # it changes how SQLite compares, and sqlglot drops it
    try:
        trees = [tree for tree in sqlglot.parse(repaired, dialect="sqlite") if tree is not None]
    except SqlglotError as error:
        raise UnwritableError("not readable as SQL") from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise UnwritableError("not one SELECT")
    resolve_names(trees[0], schema, repaired)
    return trees[0]
