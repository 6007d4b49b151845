"""What a saved model must say about itself so that somebody else can ask it: <folder>/card.json beside the weights."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macsql.config import Config
from macsql.errors import UserError
from macsql.models.lora import of_card
from macsql.revision import revision
from macsql.system.reading import read_json

NAME = "card.json"


@dataclass(frozen=True)
class Card:
    """The text that a model reads and writes, and where it comes from."""

    family: str  # of macsql.models.families
    prompt_style: str | None  # mac_sql | brief; None: the prompts of a chat file, which are nobody's style
    codec: str  # verbatim | marks | tokens
    max_source_length: int  # tokens
    max_target_length: int
    template: str  # auto: prompts stand in the tokenizer's chat template, where it has one | none: plain text
    agents: tuple[str, ...]  # the agents whose examples it was trained on
    data_fingerprint: str  # of the questions and databases it was trained on
    version: str  # of the code that trained it
    value_examples: int = 6  # that prompts show for a column
    value_links: int = 0  # values that the question names, shown for a column before those
    prompt_budget: int = 512  # estimated tokens of a prompt of the brief style
    lora: dict[str, Any] | None = None  # r, alpha, targets, merged (false: adapters beside `base`); null: all weights

    @classmethod
    def of(cls, config: Config, family: str, data_fingerprint: str) -> "Card":
        """The card of the model that a configuration trains."""
        return cls(
            family=family,
            prompt_style=None if config.data.format == "chat" else config.agents.style,
            codec=config.codec.name,
            max_source_length=config.model.max_source_length,
            max_target_length=config.model.max_target_length,
            template=config.model.template,
            agents=tuple(config.agents.roles),
            data_fingerprint=data_fingerprint,
            version=revision(),
            value_examples=config.agents.value_examples,
            value_links=0 if config.data.format == "chat" else config.agents.value_links,
            prompt_budget=config.agents.max_source_tokens,
            lora=of_card(config.model.lora),
        )

    def write(self, folder: Path) -> None:
        """Put the card into a model's folder."""
        (folder / NAME).write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n", encoding="utf-8")


def read_card(folder: Path) -> Card:
    """The card of a saved model. Raises UserError where the folder has none, or one that is not ours."""
    path = folder / NAME
    if not path.exists():
        raise UserError(f"{folder} holds no {NAME}: name the folder `model` of a finished trial.")
    told: Any = read_json(path)
    if isinstance(told, dict) and "prompt_style" in told:  # a card from before prompts were described
        told.setdefault("value_examples", 2 if told["prompt_style"] == "brief" else Card.value_examples)
        told.setdefault("value_links", Card.value_links)
        told.setdefault("prompt_budget", Card.prompt_budget)
        told.setdefault("lora", None)
    for item in dataclasses.fields(Card):
        if not isinstance(told, dict) or item.name not in told:
            raise UserError(f"{path} does not say {item.name}: it is not a card of this code.")
        kind = list if item.name == "agents" else item.type
        if (isinstance(kind, type) and type(told[item.name]) is not kind) or (
            item.name == "lora" and not isinstance(told["lora"], dict | None)
        ):
            raise UserError(f"{path}: {item.name} is {json.dumps(told[item.name])[:80]}, which cannot be.")
    given: dict[str, Any] = {item.name: told[item.name] for item in dataclasses.fields(Card)}
    return Card(**{**given, "agents": tuple(told["agents"])})
