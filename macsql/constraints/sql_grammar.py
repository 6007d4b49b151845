"""The SELECT of SQLite as far as gold queries and models use it, with every name bound to one schema.

What the grammar completes prepares without an unknown or ambiguous name. It leaves out recursive WITH, windows with
frames, row values, and columns before FROM that only USING would make one.
"""

from collections.abc import Callable
from functools import partial

from macsql.constraints.automaton import Automaton, Symbols
from macsql.constraints.binding import Binding
from macsql.constraints.expressions import Expressions
from macsql.constraints.scopes import Scope
from macsql.constraints.selects import Selects
from macsql.constraints.terminals import Alternatives, Env, NewName, Number
from macsql.constraints.vocabulary import fixed_rules
from macsql.database.schema import Schema


class SqlGrammar:
    """The grammar over one schema; `automaton` reads it."""

    def __init__(self, schema: Schema) -> None:
        names, number = Binding(schema), Number()
        rules: dict[str, Callable[[Env], Alternatives]] = {}
        for room in (Selects(names), Expressions(names, number)):
            rules |= {name: getattr(room, name) for name in dir(room) if name[0].isupper()}
        fixed = fixed_rules(number, NewName(), NewName(quotes=False), names.more_shared)
        rules |= {name: partial(_same, alternatives) for name, alternatives in fixed.items()}
        self.automaton = Automaton(rules, ("Whole", "Semicolon"), (Scope(),))


def _same(alternatives: tuple[Symbols, ...], env: Env) -> Alternatives:
    return [(symbols, env) for symbols in alternatives]
