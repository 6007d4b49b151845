"""Rows of the agents thinned to a ratio or to a number, before a mixture takes them."""

import hashlib
import random
from collections.abc import Mapping, Sequence

from macsql.config import MixtureConfig
from macsql.errors import UserError
from macsql.records import Agent


def thinned(pools: Mapping[Agent, list[int]], cfg: MixtureConfig) -> dict[Agent, list[int]]:
    """As many rows as `ratio` and `rows` allow; an agent that the ratio does not name keeps its share."""
    named = {agent: rows for agent, rows in pools.items() if agent in cfg.ratio}
    unit = min((len(rows) / cfg.ratio[agent] for agent, rows in named.items()), default=0.0)
    shares = {agent: unit * cfg.ratio[agent] if agent in named else len(rows) for agent, rows in pools.items()}
    if cfg.rows is not None:
        return _first(pools, shares, cfg)
    counts = {agent: min(len(rows), max(1, round(shares[agent]))) for agent, rows in named.items()}
    return {
        agent: draw(rows, counts[agent], f"{cfg.seed}/ratio/{agent}") if agent in counts else rows
        for agent, rows in pools.items()
    }


def _first(
    pools: Mapping[Agent, list[int]], shares: Mapping[Agent, float], cfg: MixtureConfig
) -> dict[Agent, list[int]]:
    """The first `cfg.rows` of all rows in an order that keeps the shares all along (Sainte-Laguë's method).

    The numbers of a ratio that `rows` is the sum of come out exactly. Raises UserError where there are not so many.
    """
    order = [
        ((place + 0.5) / shares[agent], agent, row)
        for agent, rows in pools.items()
        for place, row in enumerate(random_of(f"{cfg.seed}/some/{agent}").sample(rows, len(rows)))
        if place + 0.5 < shares[agent] + 1e-9
    ]
    wanted = cfg.rows or 0
    if wanted > len(order):
        ratio = " in this ratio (mixture.ratio)" if cfg.ratio else ""
        raise UserError(f"mixture.rows={wanted}: there are {len(order)} training rows{ratio}, write at most that.")
    kept: dict[Agent, list[int]] = {}
    for _, agent, row in sorted(order)[:wanted]:
        kept.setdefault(agent, []).append(row)
    return {agent: sorted(kept[agent]) for agent in pools if agent in kept}


def draw(rows: Sequence[int], count: int, key: str) -> list[int]:
    """`count` of the rows: all of them as often as they fit, the rest drawn without repetition."""
    whole, rest = divmod(count, len(rows))
    return [*rows] * whole + sorted(random_of(key).sample(rows, rest))


def random_of(key: str) -> random.Random:
    """Random numbers that hang on a text alone."""
    return random.Random(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big"))
