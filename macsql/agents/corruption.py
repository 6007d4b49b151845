"""Typed faults: a gold query changed in one place, the way a weak model gets SQL wrong.

The syntax tree says what to change, the change itself is made in the text, so that the rest of the query stays as
its author wrote it. Whether a changed query fails as its type promises is for SQLite to say (refiner examples run it).
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from sqlglot import exp
from sqlglot.tokens import Token, TokenType

from macsql.agents.schema_text import Values
from macsql.agents.sql_tree import Resolved, Source, Use, span

Trigger = Literal["error", "no rows", "none"]
Edit = tuple[int, int, str]  # start, end (exclusive), text to put there

_PLAIN = re.compile(r"[A-Za-z_]\w*")
_JOIN_WORDS = {TokenType.JOIN, TokenType.LEFT, TokenType.INNER, TokenType.CROSS, TokenType.NATURAL, TokenType.OUTER}
_CLAUSES = _JOIN_WORDS | {
    TokenType.WHERE,
    TokenType.GROUP_BY,
    TokenType.HAVING,
    TokenType.ORDER_BY,
    TokenType.LIMIT,
    TokenType.UNION,
    TokenType.INTERSECT,
    TokenType.EXCEPT,
    TokenType.SEMICOLON,
}
_COMPARED = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like, exp.In, exp.Between)
_AVERAGE_OF = re.compile(r"\(\s*SELECT\s+((?:avg|max|min|sum|count)\s*\(\s*[\w.]+\s*\))[^()]*\)", re.IGNORECASE)
_FOREIGN_FUNCTIONS = {
    "count": ("cnt", "num", "counter"),
    "avg": ("average", "mean"),
    "sum": ("add", "summation"),
    "max": ("maximum", "highest"),
    "min": ("minimum", "lowest"),
    "length": ("len", "char_count"),
    "substr": ("mid", "left_part"),
    "lower": ("lcase",),
    "upper": ("ucase",),
}
_SLIPPED_WORDS = {
    "SELECT": ("SELCT", "SELECT SELECT"),
    "FROM": ("FORM", ""),
    "WHERE": ("WHRE", "WHERE WHERE", "WHERE AND"),
    "GROUP BY": ("GROUP", "GROUPBY"),
    "ORDER BY": ("ORDER", "ORDERBY"),
    "HAVING": ("HAVING BY", "HAVNG"),
    "LIMIT": ("LIMIT BY", "TOP"),
    "AND": ("AND AND", "&&"),
    "JOIN": ("JOIN ON", "JION"),
    "ON": ("ON ON", "BY"),
    "IN": ("IN IN",),
    "BETWEEN": ("BETWEEN BETWEEN",),
    "INTERSECT": ("AND",),
    "EXCEPT": ("NOT",),
    "UNION": ("OR",),
    ",": (",,", ""),
    ")": ("", "))"),
    "=": ("= =", "=="),
}


@dataclass(frozen=True)
class Corruption:
    """One way to break a query."""

    name: str
    trigger: Trigger
    weight: float  # how often it is tried before the others
    edits: Callable[["Gold"], list[Edit]]  # the places where it can be done; empty: it does not apply


@dataclass
class Gold:
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

    def columns(self) -> list[tuple[Use, Source]]:
        """Columns of the schema's tables, where they are named as such; USING and NATURAL are left alone."""
        return [
            (use, use.owners[0])
            for use in self.query.uses
            if isinstance(use.node, exp.Column) and len(use.owners) == 1 and use.owners[0].table is not None
        ]

    def qualified(self) -> list[tuple[Use, Source]]:
        """Those of `columns` with an alias or table before them."""
        return [(use, source) for use, source in self.columns() if use.node.args.get("table")]

    def tables(self) -> list[tuple[Source, exp.Expr]]:
        """Tables of FROM clauses, with the identifier that names each."""
        sources = [source for scope in self.query.scopes for source in scope.sources]
        return [(source, source.node.this) for source in sources if source.table is not None]

    def literals(self) -> list[exp.Expr]:
        """Values that the query compares with, text and numbers, in single or double quotes."""
        literals = [node for node in self.query.tree.find_all(exp.Literal) if "start" in node.meta]
        found: list[exp.Expr] = [node for node in literals if isinstance(node.parent, _COMPARED)]
        found += [column.this for column in self.query.strings if isinstance(column.parent, _COMPARED)]
        return sorted(found, key=lambda node: node.meta["start"])


def candidates(gold: Gold) -> Iterator[tuple[Corruption, str]]:
    """Broken versions of a query, at most two a type, types in a weighted random order."""
    dice = gold.dice
    order = sorted(CORRUPTIONS, key=lambda kind: dice.random() ** (1 / kind.weight), reverse=True)
    for kind in order:
        edits = kind.edits(gold)
        dice.shuffle(edits)
        for start, end, text in edits[:2]:
            broken = gold.sql[:start] + text + gold.sql[end:]
            if broken != gold.sql:
                yield kind, broken


def _name(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def _slip(word: str, dice: random.Random) -> str:
    """A typing slip in a name: a letter lost, doubled or swapped with the next, or an s too many or too few."""
    at = dice.randrange(max(len(word) - 1, 1))
    slips = [
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :],
        word.removesuffix("s") if word.endswith("s") else word + "s",
        word.replace("_", "") if "_" in word else word + "_name",
    ]
    return dice.choice([slip for slip in slips if slip and slip.lower() != word.lower()] or [word + "x"])


def _wrong_column(gold: Gold) -> list[Edit]:
    edits = []
    for use, owner in gold.columns():
        near = {column for source in use.scope.sources for column in source.columns} - set(owner.columns)
        taken = set(owner.columns) if use.node.args.get("table") else set(owner.columns) | near
        far = [c.name for table in gold.query.schema.tables for c in table.columns if c.name.lower() not in taken]
        names = [name for name in far if name.lower() in near] or far
        if names:
            edits.append((*span(use.node.this), _name(gold.dice.choice(names))))
    return edits


def _wrong_alias(gold: Gold) -> list[Edit]:
    return [
        (*span(use.node.args["table"]), _name(source.alias))
        for use, owner in gold.qualified()
        for source in use.scope.sources
        if source is not owner and use.name.lower() not in source.columns and source.alias
    ]


def _unknown_alias(gold: Gold) -> list[Edit]:
    edits: list[Edit] = []
    for use, owner in gold.qualified():
        alias = use.node.args["table"].name
        if owner.table is not None and alias.lower() != owner.table.name.lower():
            number = re.fullmatch(r"(\D+)(\d+)", alias)
            known = {source.alias.lower() for scope in gold.query.scopes for source in scope.sources}
            new = f"{number[1]}{len(known) + 1}" if number else owner.table.name
            edits.append((*span(use.node.args["table"]), _name(new)))
    for source, identifier in gold.tables():
        if alias_node := source.node.args.get("alias"):
            edits.append((span(identifier)[1], span(alias_node.this)[1], ""))  # "FROM singer AS T1" -> "FROM singer"
    return edits


def _misspelt_column(gold: Gold) -> list[Edit]:
    return [(*span(use.node.this), _name(_slip(use.name, gold.dice))) for use, _ in gold.columns()]


def _wrong_table(gold: Gold) -> list[Edit]:
    edits = []
    for source, identifier in gold.tables():
        others = [table.name for table in gold.query.schema.tables if table is not source.table]
        if others:
            edits.append((*span(identifier), _name(gold.dice.choice(others))))
    return edits


def _misspelt_table(gold: Gold) -> list[Edit]:
    return [(*span(identifier), _name(_slip(identifier.name, gold.dice))) for _, identifier in gold.tables()]


def _missing_join(gold: Gold) -> list[Edit]:
    tokens = gold.tokens
    edits = []
    for index, token in enumerate(tokens):
        if token.token_type is not TokenType.JOIN:
            continue
        first = index
        while first and tokens[first - 1].token_type in _JOIN_WORDS:
            first -= 1
        end = index + 1
        depth = 0
        while end < len(tokens) and depth >= 0 and (depth or tokens[end].token_type not in _CLAUSES):
            depth += (tokens[end].token_type is TokenType.L_PAREN) - (tokens[end].token_type is TokenType.R_PAREN)
            end += depth >= 0
        stop = tokens[end].start if end < len(tokens) else len(gold.sql)
        edits.append((tokens[first].start, stop, ""))
    return edits


def _lost_group_by(gold: Gold) -> list[Edit]:
    """GROUP BY x HAVING count(*) > 1 -> WHERE count(*) > 1"""
    tokens = gold.tokens
    edits = []
    for index, token in enumerate(tokens):
        if token.token_type is TokenType.GROUP_BY:
            having = next((t for t in tokens[index:] if t.token_type is TokenType.HAVING), None)
            filtered = False
            for before in reversed(tokens[:index]):
                if before.token_type in (TokenType.WHERE, TokenType.SELECT):
                    filtered = before.token_type is TokenType.WHERE
                    break
            if having is not None:
                edits.append((token.start, having.end + 1, "AND" if filtered else "WHERE"))
    return edits


def _syntax_slip(gold: Gold) -> list[Edit]:
    edits: list[Edit] = []
    for token in gold.tokens:
        slips = _SLIPPED_WORDS.get(gold.sql[token.start : token.end + 1].upper())
        if slips:
            edits.append((token.start, token.end + 1, gold.dice.choice(slips)))
        elif token.token_type is TokenType.STRING:
            edits.append((token.end, token.end + 1, ""))  # the closing quote
    return edits


def _wrong_function(gold: Gold) -> list[Edit]:
    edits = []
    for node in gold.query.tree.find_all(exp.Func):
        if "start" in node.meta:
            start, end = span(node)
            foreign = _FOREIGN_FUNCTIONS.get(gold.sql[start:end].lower())
            if foreign:
                edits.append((start, end, gold.dice.choice(foreign)))
    return edits


def _ambiguous_column(gold: Gold) -> list[Edit]:
    return [
        (span(use.node.args["table"])[0], span(use.node.this)[0], "")
        for use, _ in gold.qualified()
        if sum(use.name.lower() in source.columns for source in use.scope.sources) > 1
    ]


def _unquoted_value(gold: Gold) -> list[Edit]:
    edits = []
    for node in gold.literals():
        start, end = span(node)
        if gold.sql[start] in "'\"" and end - start > 2:
            edits.append((start, end, gold.sql[start + 1 : end - 1]))
    return edits


def _set_width(gold: Gold) -> list[Edit]:
    """One column too many in a member of a set operation, or in a subquery that is compared."""
    edits = []
    for scope in gold.query.scopes:
        inner = scope.select.parent
        if isinstance(inner, exp.SetOperation) or (isinstance(inner, exp.Subquery) and not _is_source(inner)):
            named = [u for u in gold.query.uses if u.scope is scope and isinstance(u.node.parent, exp.Select)]
            for use in named[:1]:
                end = span(use.node.this)[1]
                extra = [name for name in use.owners[0].columns.values() if name != use.name]
                if extra:
                    alias = use.node.args.get("table")
                    prefix = f"{_name(alias.name)}." if alias else ""
                    edits.append((end, end, f" ,  {prefix}{_name(gold.dice.choice(extra))}"))
    return edits


def _is_source(node: exp.Expr) -> bool:
    return isinstance(node.parent, exp.From | exp.Join)


def _bare_aggregate(gold: Gold) -> list[Edit]:
    """WHERE age > (SELECT avg(age) FROM person) -> WHERE age > avg(age)"""
    return [(match.start(), match.end(), match[1]) for match in _AVERAGE_OF.finditer(gold.sql)]


def _wrong_value(gold: Gold) -> list[Edit]:
    edits: list[Edit] = []
    for node in gold.literals():
        start, end = span(node)
        text = gold.sql[start:end]
        if text[0] in "'\"":
            inner = text[1:-1]
            others = [
                inner.upper(),
                inner.lower(),
                inner.title(),
                _slip(inner, gold.dice) if inner else "x",
                f"{inner} ",
            ]
            other = gold.dice.choice([text for text in others if text != inner])
            edits.append((start, end, f"{text[0]}{other}{text[0]}"))
        elif text.lstrip("-").isdigit():
            edits.append((start, end, str(int(text) * gold.dice.choice((10, 100)) + gold.dice.choice((1, 7)))))
    return edits


def _none_in_rows(gold: Gold) -> list[Edit]:
    edits = _wrong_value(gold)  # an average over nothing is None
    edits += [(t.start, t.start, "LEFT ") for t in gold.tokens if t.token_type is TokenType.JOIN]
    for use, owner in gold.columns():
        table = owner.table
        if table is not None and isinstance(use.node.parent, exp.Select):
            empty = [c.name for c in table.columns if None in gold.values.get((table.name, c.name), ())]
            edits += [(*span(use.node.this), _name(name)) for name in empty if name != use.name]
    return edits


# Rare faults weigh more because few queries offer a place for them.
CORRUPTIONS: tuple[Corruption, ...] = (
    Corruption("wrong_column", "error", 14, _wrong_column),
    Corruption("wrong_alias", "error", 24, _wrong_alias),
    Corruption("unknown_alias", "error", 10, _unknown_alias),
    Corruption("misspelt_column", "error", 8, _misspelt_column),
    Corruption("wrong_table", "error", 8, _wrong_table),
    Corruption("misspelt_table", "error", 6, _misspelt_table),
    Corruption("missing_join", "error", 20, _missing_join),
    Corruption("lost_group_by", "error", 60, _lost_group_by),
    Corruption("syntax_slip", "error", 8, _syntax_slip),
    Corruption("wrong_function", "error", 6, _wrong_function),
    Corruption("ambiguous_column", "error", 24, _ambiguous_column),
    Corruption("unquoted_value", "error", 10, _unquoted_value),
    Corruption("set_width", "error", 30, _set_width),
    Corruption("bare_aggregate", "error", 60, _bare_aggregate),
    Corruption("wrong_value", "no rows", 24, _wrong_value),
    Corruption("none_in_rows", "none", 40, _none_in_rows),
)
