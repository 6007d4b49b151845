"""From a configuration to the three seats: each model is loaded once, whoever shares it."""

from collections.abc import Mapping
from pathlib import Path

from macsql.config import GenerationConfig
from macsql.errors import UserError
from macsql.models.card import NAME as CARD
from macsql.models.card import Card, read_card
from macsql.pipeline.references import Found, find
from macsql.pipeline.seats import ModelSeat, Nobody, Seat
from macsql.records import AGENTS, Agent

STYLES = ("mac_sql", "brief")


def card_of(found: Found, style: str | None, named: str = "--style") -> Card:
    """The card of a model that was found; `style` for somebody else's model, which has none.

    Raises UserError where neither says how the model is asked.
    """
    if style is not None and style not in STYLES:
        raise UserError(f"There is no prompt style {style!r}: choose one of {', '.join(STYLES)}.")
    if style is None and not (found.folder / CARD).exists():
        raise UserError(
            f"{found.folder} holds no {CARD}: name a trained model's folder, or say with {named} in which style this "
            f"one is asked ({' or '.join(STYLES)})."
        )
    from macsql.models.families import described

    card = read_card(found.folder) if (found.folder / CARD).exists() else described(found.folder, style or "")
    return card if style is None else _in_style(card, style)


def _in_style(card: Card, style: str) -> Card:
    from dataclasses import replace

    return replace(card, prompt_style=style)


def one_model(
    reference: str | None, style: str | None, state_dir: Path, generation: GenerationConfig
) -> tuple[Found, Mapping[Agent, Seat]]:
    """One model in all seats that it was trained for, nobody in the others."""
    from macsql.models.families import load

    found = find(reference, state_dir)
    card = card_of(found, style)
    if "decomposer" not in card.agents:
        raise UserError(f"{found.name} was trained for {', '.join(card.agents) or 'no agent'}: it writes no SQL.")
    seat = ModelSeat(found.name, load(found.folder, card=card), generation)
    return found, {agent: seat if agent in card.agents else Nobody() for agent in AGENTS}
