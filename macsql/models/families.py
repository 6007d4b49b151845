"""The way in: a configuration, or a saved model's folder, to the model of the family that it belongs to."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from macsql.config import Config, LoraConfig, ModelConfig
from macsql.errors import UserError
from macsql.models import lora, pocket, sources
from macsql.models.card import Card, read_card
from macsql.models.causal_lm import DecoderOnly
from macsql.models.codecs import codec, extend
from macsql.models.model import Trainable
from macsql.models.pocket import made_here as made_here
from macsql.models.seq2seq import EncoderDecoder
from macsql.models.text import Text
from macsql.records import AGENTS, Example

FAMILIES: tuple[type[Trainable], ...] = (EncoderDecoder, DecoderOnly)
TEMPLATES = ("auto", "none")  # for decoder-only models
ANSWER = 512  # tokens of an answer of a model that nobody has described
LONGEST_SOURCE = 8192  # tokens of its prompt at most: attention over more fills the memory
KNOWN_SIZES = {  # where only the hub could say
    "t5_small": 60_500_000,
    "t5_small_awesome": 60_500_000,
    "smollm2": 134_500_000,
    "qwen_coder": 494_000_000,
}


def check(config: ModelConfig, weights: bool = True) -> None:
    """Raise UserError where the model cannot be had, is of no family here, or its tokenizer or adapters are of no use.

    `weights` is false where the tokenizer alone is asked for. Takes seconds: it imports transformers.
    """
    check_files(config, weights)
    if not made_here(config):
        _check_text(_family(sources.shape(config), sources.name(config)).reader, sources.source(config), config)
    if config.lora.r:
        trained(config)


def check_files(config: ModelConfig, weights: bool = True) -> None:
    """What `check` finds in the configuration and the folder's files, before any cost."""
    for key in ("max_source_length", "max_target_length"):
        if getattr(config, key) < 2:
            raise UserError(f"model.{key}={getattr(config, key)}: a window has at least 2 tokens.")
    if config.template not in TEMPLATES:
        raise UserError(f"Unknown model.template {config.template!r}: choose one of {', '.join(TEMPLATES)}.")
    lora.check(config.lora)
    if made_here(config):
        pocket.check(config)
    else:
        _family(sources.shape(config), sources.name(config))
        sources.check_tokenizer(config)
        if weights:
            sources.check_weights(config)


def _check_text(reader: type[Text], place: str, config: ModelConfig) -> None:
    """Raise UserError where the checkpoint's tokenizer cannot be loaded, or the model not be asked with it."""
    from transformers import AutoTokenizer

    tokenizer = sources.from_pretrained(AutoTokenizer.from_pretrained, place, config)
    try:
        reader(
            tokenizer, codec("verbatim"), config.max_source_length, config.max_target_length, config.template
        ).check()
    except UserError as error:
        raise UserError(f"{sources.name(config)}: {str(error)[0].lower()}{str(error)[1:]}") from error


def parameters(config: ModelConfig, ask: bool = False) -> int | None:
    """About how many parameters the model has, without loading it; None where only the hub knows and is not to be
    asked."""
    if made_here(config):
        return EncoderDecoder.parameters(config.pocket)
    if sources.local(config) is None and (config.name in KNOWN_SIZES or not ask):
        return KNOWN_SIZES.get(config.name)
    shape = sources.shape(config)
    return _counted(_family(shape, sources.name(config)), json.dumps(shape, default=str))


def parameters_in(folder: Path, card: Card) -> int:
    """About how many parameters the model in a folder has, without loading it. Raises UserError as `load` does."""
    weights = folder / lora.BASE if lora.kept(card.lora) else folder
    return parameters(ModelConfig(name=folder.name, path=str(weights))) or 0


def trained(config: ModelConfig) -> int | None:
    """About how many parameters are trained: all of them, or those of the adapters; None where only the hub knows.

    Raises UserError where adapters are asked for on layers that the model does not have.
    """
    if not config.lora.r:
        return parameters(config)
    asked = json.dumps(dataclasses.asdict(config.lora), default=str)
    if made_here(config):
        return _counted(EncoderDecoder, json.dumps(config.pocket), asked)
    shape = sources.shape(config)
    return _counted(_family(shape, sources.name(config)), json.dumps(shape, default=str), asked)


@lru_cache(maxsize=64)
def _counted(family: type[Trainable], shape: str, adapters: str | None = None) -> int:
    """Parameters of a model of this shape, or of its adapters; both as JSON. Once for each: it takes a moment."""
    if adapters is None:
        return family.parameters(json.loads(shape))
    return lora.trained(family.skeleton(json.loads(shape)), LoraConfig(**json.loads(adapters)))


def liger_parts(config: ModelConfig) -> tuple[str, ...]:
    """What trainer.use_liger_kernel replaces in the model, in words; nothing where it cannot be used.

    Raises UserError as `check` does.
    """
    if made_here(config):
        return EncoderDecoder.liger_parts(config.pocket)
    shape = sources.shape(config)
    return _family(shape, sources.name(config)).liger_parts(shape)


def text_of(config: Config, train: Sequence[Example]) -> Text:
    """How the configuration's model reads and writes; the built-in model's tokenizer is trained on `train` and kept.

    Raises UserError where the folder is missing or incomplete, or the hub cannot be reached.
    """
    from transformers import AutoTokenizer

    model, spelling = config.model, codec(config.codec.name)
    reader: type[Text] = EncoderDecoder.reader
    if made_here(model):
        place = pocket.tokenizer_folder(model, spelling, train, Path(config.tracking.state_dir))
    else:
        sources.check_tokenizer(model)
        place = sources.source(model)
        reader = _family(sources.shape(model), sources.name(model)).reader
    tokenizer = sources.from_pretrained(AutoTokenizer.from_pretrained, place, model)
    if spelling.added_tokens:
        extend(tokenizer, spelling)
    return reader(tokenizer, spelling, model.max_source_length, model.max_target_length, model.template)


def model_of(config: Config, text: Text, fingerprint: str) -> Trainable:
    """The configuration's model before training, for data of this fingerprint; random weights are drawn from the seed.

    Sets torch's seed. Raises UserError as `text_of` does.
    """
    model = _before_training(config, text, fingerprint)
    if config.model.lora.r:
        added = [text.tokenizer.get_vocab()[token] for token in text.codec.added_tokens]
        model.network = lora.attach(model.network, config.model.lora, added)
    return model


def settle(folder: Path, config: Config, text: Text) -> None:
    """Make of what training left in a folder a model that `load` takes; nothing is to be done but for adapters."""
    asked = config.model.lora
    if asked.r and lora.unsettled(folder, asked):
        place = sources.local(config.model)
        as_they_are = place is not None and not text.codec.added_tokens
        files = sources.weights(place) if place is not None and as_they_are else []
        lora.settle(folder, _before_training(config, text, "").network, asked, files)


def _before_training(config: Config, text: Text, fingerprint: str) -> Trainable:
    """The configuration's model without adapters. Sets torch's seed."""
    import torch

    torch.manual_seed(config.seed)
    model = config.model
    if made_here(model):
        card = Card.of(config, EncoderDecoder.family, fingerprint)
        return EncoderDecoder(pocket.network(model, text.tokenizer), text, card)
    family = _family(sources.shape(model), sources.name(model))
    load = partial(sources.from_pretrained, place=sources.source(model), config=model)
    return family.open(load, text, Card.of(config, family.family, fingerprint))


def described(folder: Path, style: str) -> Card:
    """A card for a folder in the hub's layout that has none: somebody else's model, asked in a prompt style of ours.

    Its answers are taken to the letter; its source window is what its positions leave beside 512 tokens of answer.
    Raises UserError where the model is of no family here.
    """
    config = ModelConfig(name=folder.name, path=str(folder))
    shape = sources.shape(config)
    family = _family(shape, sources.name(config))
    positions = shape.get("max_position_embeddings") or shape.get("n_positions")
    room = positions - ANSWER if isinstance(positions, int) and family is DecoderOnly else positions
    return Card(
        family=family.family,
        prompt_style=style,
        codec="verbatim",
        max_source_length=min(room, LONGEST_SOURCE) if isinstance(room, int) and room > 0 else ANSWER,
        max_target_length=ANSWER,
        template="auto",
        agents=AGENTS,
        data_fingerprint="",
        version="",
    )


def load(folder: Path, seed: int = 0, card: Card | None = None) -> Trainable:
    """The model in a folder that training left, ready to be asked; nothing but the folder is needed.

    `card` takes the place of the folder's own, for somebody else's model (`described`). Sets torch's seed, from which
    answers are drawn where they are drawn at random. Raises UserError where the folder is none of ours or is damaged.
    """
    import torch
    from transformers import AutoTokenizer

    card = card or read_card(folder)
    model = ModelConfig(name=folder.name, path=str(folder))
    adapters = lora.kept(card.lora)
    weights = dataclasses.replace(model, path=str(folder / lora.BASE)) if adapters else model
    _family(sources.shape(weights), sources.name(weights))
    sources.check_weights(weights)
    sources.check_tokenizer(model)
    family = next((family for family in FAMILIES if family.family == card.family), None)
    if family is None:
        known = ", ".join(family.family for family in FAMILIES)
        raise UserError(f"{folder} holds a model of the family {card.family!r}, and this code knows {known}.")
    tokenizer = sources.from_pretrained(AutoTokenizer.from_pretrained, str(folder), model)
    text = family.reader(tokenizer, codec(card.codec), card.max_source_length, card.max_target_length, card.template)
    torch.manual_seed(seed)
    asked = family.open(partial(sources.from_pretrained, place=str(weights.path), config=weights), text, card)
    if adapters:
        added = partial(lora.merged, asked.network)
        asked.network = sources.from_pretrained(lambda place: added(Path(place)), str(folder), model)
    return asked


def _family(shape: Mapping[str, Any], name: str) -> type[Trainable]:
    """The family of a checkpoint. Raises UserError for one of no family here, or without the sizes that we read."""
    kind = str(shape.get("model_type") or "")
    family = next((family for family in FAMILIES if family.reads(kind)), None)
    if family is None:
        says = f"says model_type {kind}" if kind else "names no model_type"
        raise UserError(
            f"{name} is no T5: its config.json {says}, and only encoder-decoders of T5's kind and decoder-only models "
            "(Llama, Qwen2, GPT-2 ...) can be used."
        )
    for key in family.sizes:
        if type(shape.get(key)) is not int or shape[key] < 1:
            raise UserError(f"{name}: its config.json has no usable {key} (a whole number of at least 1).")
    return family
