"""The values that a question names, for its prompts, and how many of the values in its gold SQL are among them."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sqlglot import exp

from macsql.agents.schema_text import NO_VALUES, Values
from macsql.agents.squeeze import literal
from macsql.config import AgentsConfig
from macsql.database.linking import KINDS, Link, Place, chosen, find_links
from macsql.database.schema import Database
from macsql.database.sql_tree import Resolved
from macsql.database.value_index import index_of
from macsql.records import Agent, Question

_EQUAL = (exp.EQ, exp.NEQ, exp.In)  # LIKE compares with a pattern, which is no value


@dataclass
class Links:
    """Finds the links of questions, and counts those of the prompts that are made with them.

    Only the counts look at the gold SQL: links are made of the question, its evidence and the database.
    """

    cfg: AgentsConfig
    counts: dict[Agent, Counter[str]] = field(default_factory=dict)  # agent -> of its prompts
    partly: set[str] = field(default_factory=set)  # tables of which only the first rows are looked at
    _found: dict[str, tuple[list[Link], Values]] = field(default_factory=dict)  # by question

    def of(self, question: Question, database: Database) -> Values:
        """(table, column) -> the values that the question names there. Raises UserError as `index_of` does."""
        if self.cfg.value_links <= 0:
            return NO_VALUES
        if question.id not in self._found:
            index = index_of(database)
            self.partly.update(f"{database.id}.{table}" for table in index.partly)
            links = find_links(index, question.text, question.evidence)
            self._found[question.id] = links, chosen(links, self.cfg.value_links)
        return self._found[question.id][1]

    def count(self, agent: Agent, question: Question, gold: Resolved, prompt: str) -> None:
        """Take in a prompt that was made with the question's links; what its budget cut is not there.

        Counted: prompts, prompts_with_links, links (values at columns); gold_values (texts in the gold SQL),
        linked_exact, linked_folded, linked_plural, linked_near (those of them that the prompt shows at their column);
        prompts_with_gold_values, prompts_with_all_linked.
        """
        if question.id not in self._found:
            return
        links, values = self._found[question.id]
        write: Callable[[object], str] = repr
        schema = prompt
        if self.cfg.style == "brief":
            write = literal
            _, there, schema = prompt.rpartition(" | schema: ")
            schema = schema if there else ""
        shown = {(place, str(value)) for place, found in values.items() for value in found if write(value) in schema}
        wanted = list(gold_values(gold))
        kinds = [_kind(value, places, links, shown) for value, places in wanted]
        counts = self.counts.setdefault(agent, Counter())
        counts["prompts"] += 1
        counts["prompts_with_links"] += bool(shown)
        counts["links"] += len(shown)
        counts["gold_values"] += len(wanted)
        counts["prompts_with_gold_values"] += bool(wanted)
        counts["prompts_with_all_linked"] += bool(wanted) and all(kinds)
        counts.update(f"linked_{kind}" for kind in kinds if kind)


def _kind(value: str, places: frozenset[Place], links: list[Link], shown: set[tuple[Place, str]]) -> str:
    """How a gold value was linked at one of its columns (at any where it has none); empty where it was not."""
    at_all = [link for link in links if link.value == value and ((link.table, link.column), value) in shown]
    kinds = [link.kind for link in at_all if not places or (link.table, link.column) in places]
    return min(kinds, key=KINDS.index, default="")


def gold_values(gold: Resolved) -> Iterator[tuple[str, frozenset[Place]]]:
    """The texts that a query compares with for equality, each with the columns that it is compared with."""
    owners = {
        id(use.node): frozenset((owner.table.name, use.name) for owner in use.owners if owner.table is not None)
        for use in gold.uses
    }
    literals = [node for node in gold.tree.find_all(exp.Literal) if node.is_string]
    texts: list[tuple[exp.Expr, str]] = [(node, node.this) for node in literals]
    texts += [(column, column.name) for column in gold.strings]
    for node, text in texts:
        if isinstance(node.parent, _EQUAL):
            sides = [side for side in (node.parent.this, node.parent.args.get("expression")) if side is not None]
            yield text, frozenset().union(*(owners.get(id(side), frozenset()) for side in sides))
