"""Where in a query each type of fault can be made: one function a type, giving places and what to write there.

The syntax tree says what to change, the change itself is made in the text, so that the rest of the query stays as
its author wrote it.
"""

import random
import re

from sqlglot import exp
from sqlglot.tokens import TokenType

from macsql.database.sql_tree import span
from macsql.factory.gold import GoldQuery

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
    "=": ("= =",),
}


def _name(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def _slip(word: str, dice: random.Random) -> str:
    """A typing slip in a name: a letter lost, doubled or swapped with the next, or an s too many or too few."""
    at = dice.randrange(max(len(word) - 1, 1))
    slips = [
        word[:at] + word[at + 1 :],
        word[:at] + word[at : at + 1] + word[at:],
        word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :],
        word.removesuffix("s") if word.endswith("s") else word + "s",
        word.replace("_", "") if "_" in word else word + "_name",
    ]
    return dice.choice([slip for slip in slips if slip and slip.lower() != word.lower()] or [word + "x"])


def wrong_column(gold: GoldQuery) -> list[Edit]:
    """SELECT name FROM vessel -> SELECT captain FROM vessel: a column of another table, a joined one where there is."""
    edits = []
    for use, owner in gold.columns():
        near = {column for origin in use.scope.from_items for column in origin.columns} - set(owner.columns)
        taken = set(owner.columns) if use.node.args.get("table") else set(owner.columns) | near
        far = [c.name for table in gold.query.schema.tables for c in table.columns if c.name.lower() not in taken]
        names = [name for name in far if name.lower() in near] or far
        if names:
            edits.append((*span(use.node.this), _name(gold.dice.choice(names))))
    return edits


def wrong_alias(gold: GoldQuery) -> list[Edit]:
    """T1.captain -> T2.captain: the right column under the alias of a joined table that lacks it."""
    return [
        (*span(use.node.args["table"]), _name(origin.alias))
        for use, owner in gold.qualified()
        for origin in use.scope.from_items
        if origin is not owner and use.name.lower() not in origin.columns and origin.alias
    ]


def unknown_alias(gold: GoldQuery) -> list[Edit]:
    """T1.name -> T3.name, or FROM vessel AS T1 -> FROM vessel: an alias that stands for nothing."""
    edits: list[Edit] = []
    for use, owner in gold.qualified():
        alias = use.node.args["table"].name
        if owner.table is not None and alias.lower() != owner.table.name.lower():
            number = re.fullmatch(r"(\D+)(\d+)", alias)
            known = {origin.alias.lower() for scope in gold.query.scopes for origin in scope.from_items}
            new = f"{number[1]}{len(known) + 1}" if number else owner.table.name
            edits.append((*span(use.node.args["table"]), _name(new)))
    for origin, identifier in gold.tables():
        if alias_node := origin.node.args.get("alias"):
            edits.append((span(identifier)[1], span(alias_node.this)[1], ""))  # "FROM singer AS T1" -> "FROM singer"
    return edits


def misspelt_column(gold: GoldQuery) -> list[Edit]:
    """captain -> captian."""
    return [(*span(use.node.this), _name(_slip(use.name, gold.dice))) for use, _ in gold.columns()]


def wrong_table(gold: GoldQuery) -> list[Edit]:
    """FROM vessel -> FROM landing: another table of the database."""
    edits = []
    for origin, identifier in gold.tables():
        others = [table.name for table in gold.query.schema.tables if table is not origin.table]
        if others:
            edits.append((*span(identifier), _name(gold.dice.choice(others))))
    return edits


def misspelt_table(gold: GoldQuery) -> list[Edit]:
    """FROM vessel -> FROM vessels."""
    return [(*span(identifier), _name(_slip(identifier.name, gold.dice))) for _, identifier in gold.tables()]


def missing_join(gold: GoldQuery) -> list[Edit]:
    """FROM vessel AS T1 JOIN crossing AS T2 ON ... WHERE -> FROM vessel AS T1 WHERE."""
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


def lost_group_by(gold: GoldQuery) -> list[Edit]:
    """GROUP BY captain HAVING count(*) > 1 -> WHERE count(*) > 1."""
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


def syntax_slip(gold: GoldQuery) -> list[Edit]:
    """SELECT -> SELCT, a bracket or comma too many or too few, a quote that never closes."""
    edits: list[Edit] = []
    for token in gold.tokens:
        slips = _SLIPPED_WORDS.get(gold.sql[token.start : token.end + 1].upper())
        if slips:
            edits.append((token.start, token.end + 1, gold.dice.choice(slips)))
        elif token.token_type is TokenType.STRING:
            edits.append((token.end, token.end + 1, ""))  # the closing quote
    return edits


def wrong_function(gold: GoldQuery) -> list[Edit]:
    """avg(seats) -> mean(seats): a function that other dialects have."""
    edits = []
    for node in gold.query.tree.find_all(exp.Func):
        if "start" in node.meta:
            start, end = span(node)
            foreign = _FOREIGN_FUNCTIONS.get(gold.sql[start:end].lower())
            if foreign:
                edits.append((start, end, gold.dice.choice(foreign)))
    return edits


def ambiguous_column(gold: GoldQuery) -> list[Edit]:
    """T1.vessel_id -> vessel_id, where a joined table has one as well."""
    return [
        (span(use.node.args["table"])[0], span(use.node.this)[0], "")
        for use, _ in gold.qualified()
        if sum(use.name.lower() in origin.columns for origin in use.scope.from_items) > 1
    ]


def unquoted_value(gold: GoldQuery) -> list[Edit]:
    """name = 'Castor' -> name = Castor."""
    edits = []
    for node in gold.literals():
        start, end = span(node)
        if gold.sql[start] in "'\"" and end - start > 2:
            edits.append((start, end, gold.sql[start + 1 : end - 1]))
    return edits


def set_width(gold: GoldQuery) -> list[Edit]:
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


def bare_aggregate(gold: GoldQuery) -> list[Edit]:
    """seats > (SELECT avg(seats) FROM vessel) -> seats > avg(seats)."""
    return [(match.start(), match.end(), match[1]) for match in _AVERAGE_OF.finditer(gold.sql)]


def wrong_value(gold: GoldQuery) -> list[Edit]:
    """weather = 'fog' -> weather = 'FOG': a value that the database does not hold."""
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


def none_in_rows(gold: GoldQuery) -> list[Edit]:
    """A value that nothing matches under an aggregate, an outer join, or a column with missing values."""
    edits = wrong_value(gold)  # an average over nothing is None
    edits += [(t.start, t.start, "LEFT ") for t in gold.tokens if t.token_type is TokenType.JOIN]
    for use, owner in gold.columns():
        table = owner.table
        if table is not None and isinstance(use.node.parent, exp.Select):
            empty = [c.name for c in table.columns if None in gold.values.get((table.name, c.name), ())]
            edits += [(*span(use.node.this), _name(name)) for name in empty if name != use.name]
    return edits
