"""From a configuration to the three seats: each model is found once and loaded once, whoever shares it."""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from macsql.config import ApiConfig, GenerationConfig, SeatsConfig
from macsql.corpora.corpus import file_digest
from macsql.errors import UserError
from macsql.models.card import NAME as CARD
from macsql.models.card import Card, read_card
from macsql.pipeline.chat_api import ChatApi, check
from macsql.pipeline.memory import Forgetful, Memory
from macsql.pipeline.pipeline import TRIGGERS, Rules
from macsql.pipeline.references import Found, find
from macsql.pipeline.seats import ApiSeat, ModelSeat, Nobody, Oracle, Seat
from macsql.records import AGENTS, Agent
from macsql.system.precision import PAYS_IN_ANSWERS, Precision, check_bf16, device_of, precision_of

STYLES = ("mac_sql", "brief")
SMALL = 20_000_000  # parameters; below, a second thread costs more than it brings
WHO = ("model", "chat_api", "oracle", "none")


def check_seats(config: SeatsConfig) -> None:
    """Raise UserError for seats that cannot be taken, before anything is loaded or asked."""
    if unknown := sorted(set(config.models) - set(AGENTS)):
        raise UserError(f"seats.models names {unknown[0]!r}: the agents are {', '.join(AGENTS)}.")
    for agent in AGENTS:
        who = getattr(config, agent)
        if who not in WHO:
            raise UserError(f"seats.{agent}={who}: choose one of {', '.join(WHO)}.")
        if agent in config.models and who in ("oracle", "none"):
            raise UserError(f"seats.models has a model for the {agent}, which has no effect with seats.{agent}={who}.")
        if who == "chat_api":
            check(_api(config, agent))
    if config.style is not None and config.style not in STYLES:
        raise UserError(f"seats.style={config.style}: choose one of {', '.join(STYLES)}.")
    if config.api.style not in STYLES:
        raise UserError(f"seats.api.style={config.api.style}: choose one of {', '.join(STYLES)}.")
    if config.refine not in TRIGGERS:
        raise UserError(f"seats.refine={config.refine}: choose one of {', '.join(TRIGGERS)}.")
    if not 0 <= config.rounds <= 20:
        raise UserError(f"seats.rounds={config.rounds}: write a number from 0 to 20.")
    check_bf16("seats.bf16", config.bf16)


def rules_of(config: SeatsConfig, kept_rows: int | None = None) -> Rules:
    """How the agents work together."""
    return Rules(config.rounds, config.refine, config.skip_small, kept_rows)


@dataclass
class Seating:
    """Makes seats, and keeps what is loaded for the next one."""

    config: SeatsConfig
    generation: GenerationConfig
    state_dir: Path
    tracking_uri: str | None = None
    memory: Memory = field(default_factory=Forgetful)
    models: dict[str | None, Found] = field(default_factory=dict)  # reference -> what it means
    seats: dict[Path, ModelSeat] = field(default_factory=dict)
    apis: dict[str, ApiSeat] = field(default_factory=dict)

    def check(self) -> None:
        """Raise UserError where a model that is to play an agent is not there, or cannot; nothing is loaded."""
        for agent in AGENTS:
            if getattr(self.config, agent) == "model":
                self.found(agent)

    def found(self, agent: Agent) -> Found:
        """The folder of the model that plays an agent. Raises UserError where there is none, or it cannot."""
        found = self._means(self.config.models.get(agent) or self.config.model)
        card = card_of(found, self.config.style)
        if agent not in card.agents:
            raise UserError(
                f"{found.name} was trained for {', '.join(card.agents) or 'no agent'}: give the {agent} another model, "
                f"or leave its seat empty with seats.{agent}=none."
            )
        return found

    def precision(self, found: Found) -> Precision:
        """In which numbers a model that was found computes here; nothing is loaded."""
        from macsql.models.families import parameters_in

        device = device_of(self.config.use_cpu)
        size = partial(parameters_in, found.folder, card_of(found, self.config.style))
        return precision_of("seats.bf16", self.config.bf16, device, size, PAYS_IN_ANSWERS)

    def precisions(self) -> list[str]:
        """A sentence for each model that has been found: where it computes, in which numbers, and why."""
        device = device_of(self.config.use_cpu)
        place = "the CPU" if device == "cpu" else f"the GPU ({device})"
        found = {one.folder: one for one in self.models.values()}.values()
        return [f"{one.name} computes on {place} in {self.precision(one)}." for one in found]

    def weights(self, found: Found) -> str:
        """What changes when a model's weights or tokenizer do, or the numbers that it computes in."""
        return f"{_weights_of(found.folder)}{' bf16' if self.precision(found).bf16 else ''}"

    def seat(self, agent: Agent, who: str | None = None) -> Seat:
        """Who the configuration says plays an agent, or `who`. Raises UserError where that cannot be."""
        who = who or str(getattr(self.config, agent))
        if who == "none":
            return Nobody()
        if who == "oracle":
            return Oracle()
        if who == "chat_api":
            api = _api(self.config, agent)
            if api.model not in self.apis:
                self.apis[api.model] = ApiSeat(ChatApi(api), self.generation, self.memory)
            return self.apis[api.model]
        return self._loaded(self.found(agent))

    def whole(self) -> dict[Agent, Seat]:
        """All three seats. Where one model is to play all of them, nobody plays what it was not trained for."""
        seats: dict[Agent, Seat] = {}
        for agent in AGENTS:
            own = getattr(self.config, agent) == "model" and agent not in self.config.models and agent != "decomposer"
            absent = own and agent not in card_of(self._means(self.config.model), self.config.style).agents
            seats[agent] = self.seat(agent, "none" if absent else None)
        return seats

    def _means(self, reference: str | None) -> Found:
        if reference not in self.models:
            self.models[reference] = find(reference, self.state_dir, self.tracking_uri)
        return self.models[reference]

    def _loaded(self, found: Found) -> ModelSeat:
        if found.folder not in self.seats:
            import torch
            from transformers.utils import logging as chatter

            from macsql.models.families import load

            chatter.disable_progress_bar()  # bars of moments
            chatter.set_verbosity_error()
            model = load(found.folder, card=card_of(found, self.config.style))
            computes, device = self.precision(found), device_of(self.config.use_cpu)
            model.to(device, bf16=computes.bf16)
            if device == "cpu" and model.network.num_parameters() < SMALL:
                torch.set_num_threads(1)
            weights = "" if isinstance(self.memory, Forgetful) else self.weights(found)
            self.seats[found.folder] = ModelSeat(found.name, model, self.generation, weights, self.memory)
        return self.seats[found.folder]


def card_of(found: Found, style: str | None, named: str = "seats.style") -> Card:
    """The card of a model that was found; `style` for somebody else's model, which has none.

    Raises UserError where neither says how the model is asked.
    """
    own = (found.folder / CARD).exists()
    if own:
        card = read_card(found.folder)
        style = style or card.prompt_style
    if style is None:
        what = "was trained on prompts of a chat file" if own else f"holds no {CARD}"
        raise UserError(
            f"{found.folder} {what}: name a trained model's folder, or say with {named} in which style this one is "
            f"asked ({' or '.join(STYLES)})."
        )
    if own:
        return replace(card, prompt_style=style)
    from macsql.models.families import described

    return described(found.folder, style)


def _weights_of(folder: Path) -> str:
    """What changes when a model's weights or tokenizer do, wherever they lie."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != CARD)
    return " ".join(f"{path.name} {file_digest(path).hex()}" for path in files)


def _api(config: SeatsConfig, agent: Agent) -> ApiConfig:
    return replace(config.api, model=config.models.get(agent, config.api.model))
