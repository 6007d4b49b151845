"""The words of SQL: its functions, and the rules that hang on nothing that a query has said before."""

from macsql.constraints.automaton import TEXT, Symbols, Terminal, Words

COMPARISONS = ("=", "==", "!=", "<>", "<", "<=", ">", ">=")
SUMS = ("+", "-", "*", "/", "%", "||")
WINDOWS = ("rank", "dense_rank", "row_number")
AGGREGATES = ("sum", "avg", "min", "max", "group_concat")
FUNCTIONS = {  # name -> numbers of arguments
    **dict.fromkeys(("abs", "length", "lower", "upper"), (1,)),
    **dict.fromkeys(("round", "trim"), (1, 2)),
    **dict.fromkeys(("date", "datetime", "time", "julianday"), (0, 1, 2)),
    **dict.fromkeys(("substr", "substring"), (2, 3)),
    **dict.fromkeys(("instr", "ifnull", "nullif"), (2,)),
    **dict.fromkeys(("strftime", "coalesce"), (2, 3)),
    "replace": (3,),
}
TYPES = ("integer", "int", "real", "float", "text", "numeric", "double", "decimal", "date", "varchar", "char")
CONSTANTS = ("null", "true", "false", "current_timestamp", "current_date", "current_time")
DERIVED_TABLE = "derived_table"  # so begin the names that text2sql-data gives to subqueries,
DERIVED = frozenset(f"derived_fieldalias{n}" for n in range(4))  # and these are their columns
Alternative = tuple[Symbols, ...]

_AFTER_NOT: dict[str, Alternative] = {
    "like": (("Sum",),),
    "between": (("Sum", "and", "Sum"),),
    "in": (("(", "Among", ")"),),
}
_MEMBER: Symbols = ("Core", "Tail")
_AGGREGATE: Alternative = (("Inside", "(", "Distinct", "Expr", ")", "Aggregated"),)


def _calls() -> dict[str, Alternative]:
    found: dict[str, Alternative] = dict.fromkeys(CONSTANTS, ((),))
    for name, counts in FUNCTIONS.items():
        found[name] = tuple(("(", *("Expr", ",") * (count - 1), *("Expr",) * (count > 0), ")") for count in counts)
    found["case"] = (("Whens", "Else", "end"), ("Sum", "Whens2", "Else", "end"))
    found["cast"] = (("(", "Expr", "as", "Type", ")"),)
    found["iif"] = (("(", "Cond", ",", "Expr", ",", "Expr", ")"),)
    return found


# What begins with a word in an expression: constants, CASE, CAST and functions.
CALLS = Words(_calls(), capitalised=False)
AGGREGATED = Words(
    dict.fromkeys(AGGREGATES, _AGGREGATE)
    | {
        "count": (*_AGGREGATE, ("Inside", "(", "*", ")", "Aggregated")),
        "group_concat": (*_AGGREGATE, ("Inside", "(", "Expr", ",", TEXT, ")", "Aggregated")),
    }
    | dict.fromkeys(WINDOWS, (("(", ")", "over", "(", "Window", ")"),))
)
TESTS = Words(
    _AFTER_NOT
    | dict.fromkeys(COMPARISONS, (("Sum",),))
    | {"is": (("Negation", "null"),), "not": ((Words(_AFTER_NOT),),)}
)
SIGNS = Words(dict.fromkeys(SUMS, (("Factor", "MoreSum", "NoName"),)) | {"||": (("Sum", "NoName"),)})
CONJUNCTIONS = Words(dict.fromkeys(("and", "or"), (("Cond",),)))
MEMBERS = Words({"union": (_MEMBER, ("all", *_MEMBER)), "intersect": (_MEMBER,), "except": (_MEMBER,)})


def fixed_rules(number: Terminal, new: Terminal, word: Terminal, more_shared: Terminal) -> dict[str, Alternative]:
    """Rule -> its alternatives. `new`: a result column; `word`: one that needs no AS; `more_shared`: USING."""
    return {
        "Query": (("Core", "Tail"),),
        "Core": (("select", "Distinct", "Item", "Items", "From", "Where", "Group"),),
        "Distinct": (("distinct",), ()),
        "Named": (("as", new, "Done"), ("Unnamed", word, "Done"), ("Done",)),
        "HavingPart": (("HavingOn", "having", "Cond"), ()),
        "Join": (("join",), ("inner", "join"), ("left", "join"), ("left", "outer", "join"), ("cross", "join")),
        "MoreShared": ((",", more_shared, "MoreShared"), ()),
        "Exprs": (("Ordinal", "Sum", "MoreExprs"),),
        "MoreExprs": ((",", "Exprs"), ()),
        "Limit": (("limit", number, "Offset"), ()),
        "Offset": (("offset", number), (",", number), ()),
        "Direction": (("asc",), ("desc",), ()),
        "MoreOrderings": ((",", "Ordering", "MoreOrderings"), ()),
        "Negation": (("not",), ()),
        "Expr": (("Left", "ExprTail"), ("Text",)),
        "ExprTail": ((), ("Test", "MoreCond", "NoName")),
        "Sum": (("Left",), ("Text",)),
        "Left": (("Factor", "MoreSum"), ("-", "Factor", "MoreSum", "NoName")),
        "Whens": (("when", "Cond", "then", "Sum", "MoreWhens"),),
        "MoreWhens": (("when", "Cond", "then", "Sum", "MoreWhens"), ()),
        "Whens2": (("when", "Sum", "then", "Sum", "MoreWhens2"),),
        "MoreWhens2": (("when", "Sum", "then", "Sum", "MoreWhens2"), ()),
        "Else": (("else", "Sum"), ()),
        "Type": tuple((kind,) for kind in TYPES),
        "Value": ((number,), ("-", number), (TEXT,), ("null",)),
        "MoreValues": ((",", "Value", "MoreValues"), ()),
        "Window": (("Partition", "order", "by", "Sum", "Direction"),),
        "Partition": (("partition", "by", "Sum"), ()),
        "Semicolon": ((), (";",)),
    }
