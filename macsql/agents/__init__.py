"""MAC-SQL's three agents, one file each: what it reads, what it should answer, how its answer is read and applied."""

from types import ModuleType

from macsql.agents import decomposer, refiner, selector
from macsql.agents.examples import Made, make_examples

__all__ = ["AGENT_MODULES", "Made", "make_examples"]

AGENT_MODULES: dict[str, ModuleType] = {"selector": selector, "decomposer": decomposer, "refiner": refiner}
