"""How large a model is, by its config.json alone: what memory, disk and time are estimated from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from macsql.config import ModelConfig
from macsql.models import families, sources


@dataclass(frozen=True)
class Sizes:
    """The numbers that costs follow from; 0 where a shape does not say."""

    parameters: int
    trained: int  # of them, or of adapters beside them
    layers: int  # encoder and decoder together
    width: int  # numbers of a token between two layers
    inner: int  # numbers of a token within a layer's feed-forward part
    words: int  # tokens of the vocabulary
    scores: int  # heads whose attention scores are held, because a bias is added to them: T5's

    def __str__(self) -> str:
        """As a plan says it: "about 134.5 M parameters, 4.9 M trained"."""
        said = f"about {self.parameters / 1e6:.1f} M parameters"
        return said if self.trained == self.parameters else f"{said}, {self.trained / 1e6:.2g} M trained in adapters"


def sizes_of(shape: Mapping[str, Any], parameters: int, trained: int) -> Sizes:
    """The sizes in a config.json, or in model.pocket, whose names differ between models."""

    def said(*names: str) -> int:
        return next((shape[name] for name in names if isinstance(shape.get(name), int)), 0)

    width = said("hidden_size", "n_embd", "d_model")
    layers = said("num_hidden_layers", "n_layer", "num_layers")
    if "d_ff" in shape:
        layers += said("num_decoder_layers") or layers
    return Sizes(
        parameters=parameters,
        trained=trained,
        layers=layers,
        width=width,
        inner=said("intermediate_size", "n_inner", "d_ff") or 4 * width,
        words=said("vocab_size"),
        scores=said("num_heads") if "d_ff" in shape else 0,
    )


def sizes(config: ModelConfig) -> Sizes:
    """The sizes of the configuration's model. Raises UserError as `families.check` does."""
    shape = config.pocket if families.made_here(config) else sources.shape(config)
    size = families.parameters(config, ask=True) or 0
    return sizes_of(shape, size, families.trained(config) or size)
