"""A nested query taken apart: the queries inside it, innermost first."""

from collections.abc import Iterator

from sqlglot.tokens import Token, TokenType

from macsql.database.sql_tree import Resolved

_SET_OPERATORS = (TokenType.UNION, TokenType.INTERSECT, TokenType.EXCEPT)
_TRAILING = (TokenType.ORDER_BY, TokenType.LIMIT, TokenType.SEMICOLON)


def pieces(query: Resolved) -> tuple[str, ...]:
    """The queries that a query is built of, innermost first, as the text has them; without the query itself.

    These are subqueries, the bodies of a WITH and the members of a set operation. A piece that reads a WITH's table
    carries the definitions before it. Whether a piece runs alone (a correlated one does not) is for the caller to see.
    """
    found = dict.fromkeys(_pieces(query.sql, query.tokens))
    whole = query.sql.strip().rstrip(";").strip()
    return tuple(piece for piece in found if piece != whole)


def _pieces(sql: str, tokens: list[Token], prefix: str = "", names: tuple[str, ...] = ()) -> Iterator[str]:
    """The pieces of one query's tokens, its members last."""
    if tokens and tokens[0].token_type is TokenType.WITH:
        definitions = list(_definitions(tokens))
        first = definitions[0][1] if definitions else 0
        for name, _, end, inner in definitions:
            yield from _pieces(sql, inner, prefix, names)
            yield from _whole(sql, inner, prefix, names)
            prefix, names = f"WITH {sql[tokens[first].start : tokens[end].end + 1]} ", (*names, name)
        tokens = tokens[definitions[-1][2] + 1 :] if definitions else tokens
    members = list(_members(tokens))
    for member in members:
        depth, opened = 0, 0
        for index, token in enumerate(member):
            if token.token_type is TokenType.L_PAREN:
                depth += 1
                if depth == 1:
                    opened = index + 1
            elif token.token_type is TokenType.R_PAREN:
                depth -= 1
                if depth == 0:
                    yield from _nested(sql, member[opened:index], prefix, names)
        if len(members) > 1:
            yield from _whole(sql, member, prefix, names)


def _nested(sql: str, inner: list[Token], prefix: str, names: tuple[str, ...]) -> Iterator[str]:
    """The pieces inside a pair of brackets, whether they hold a query or an expression."""
    yield from _pieces(sql, inner, prefix, names)
    if inner and inner[0].token_type in (TokenType.SELECT, TokenType.WITH):
        yield from _whole(sql, inner, prefix, names)


def _whole(sql: str, tokens: list[Token], prefix: str, names: tuple[str, ...]) -> Iterator[str]:
    """The text of a query, with the definitions of the WITH tables that it reads."""
    if tokens:
        reads = {token.text.lower() for token in tokens}
        yield (prefix if reads & set(names) else "") + sql[tokens[0].start : tokens[-1].end + 1]


def _members(tokens: list[Token]) -> Iterator[list[Token]]:
    """The members of a set operation; the order and limit behind the last one belong to the whole."""
    depth, start, end = 0, 0, len(tokens)
    borders = []
    for index, token in enumerate(tokens):
        depth += (token.token_type is TokenType.L_PAREN) - (token.token_type is TokenType.R_PAREN)
        if depth == 0 and token.token_type in _SET_OPERATORS:
            borders.append(index)
            end = len(tokens)
        elif depth == 0 and token.token_type in _TRAILING:
            end = min(end, index)
    for border in borders:
        yield tokens[start:border]
        start = border + 1
        if start < len(tokens) and tokens[start].token_type is TokenType.ALL:
            start += 1
    yield tokens[start : end if borders else len(tokens)]


def _definitions(tokens: list[Token]) -> Iterator[tuple[str, int, int, list[Token]]]:
    """Name, first and last token, and body of every definition of a leading WITH."""
    index = 2 if len(tokens) > 1 and tokens[1].token_type is TokenType.RECURSIVE else 1
    while index < len(tokens):
        start, depth, opened = index, 0, index
        while index < len(tokens):
            kind = tokens[index].token_type
            if kind is TokenType.L_PAREN:
                depth += 1
                if depth == 1:
                    opened = index + 1
            elif kind is TokenType.R_PAREN:
                depth -= 1
                if depth == 0 and tokens[opened].token_type in (TokenType.SELECT, TokenType.WITH, TokenType.VALUES):
                    break
            index += 1
        if index >= len(tokens):
            return
        yield tokens[start].text.lower(), start, index, tokens[opened:index]
        if index + 1 >= len(tokens) or tokens[index + 1].token_type is not TokenType.COMMA:
            return
        index += 2
