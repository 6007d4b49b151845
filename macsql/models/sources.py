"""Where weights and tokenizers come from: a local folder in the hub's layout, or the hub and its cache."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from macsql.config import ModelConfig
from macsql.errors import UserError, first_line
from macsql.places import INSTALLED, PACKAGE
from macsql.system.reading import decoded, parsed, read_bytes

WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "*.bin")
SHIPPED = PACKAGE / "weights"  # what comes with the package
WITHOUT_MAKE = {"make smollm2": "python -m macsql.models.smollm2"}  # an installed wheel has no Makefile
TOKENIZERS = ("tokenizer.json", "spiece.model", "tokenizer.model", "vocab.json")  # any of them holds a vocabulary


def local(config: ModelConfig) -> Path | None:
    """The folder that holds the checkpoint: model.path, or what a command of ours has written; None: the hub's."""
    if config.path is not None:
        return Path(config.path)
    if config.shipped is not None:
        return SHIPPED / config.shipped
    made = Path(config.made) if config.made is not None else None
    return made if made is not None and (made / "config.json").exists() else None


def shipped_weights(config: ModelConfig) -> str | None:
    """A digest of the weights that come with the package; None for a model of others, and where there are none."""
    if config.path is not None or config.shipped is None:
        return None
    weights = SHIPPED / config.shipped / "model.safetensors"
    return _digest(weights) if weights.is_file() else None


@cache
def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def source(config: ModelConfig) -> str:
    """What the library's `from_pretrained` is given. Raises UserError where nothing can be meant."""
    if config.path is not None:
        folder = Path(config.path)
        if not folder.is_dir():
            what = "that is a file, not a folder" if folder.exists() else "there is no such folder"
            raise UserError(f"model.path={config.path}: {what}.")
        if not (folder / "config.json").exists() and (folder / "adapter_config.json").exists():
            raise UserError(
                f"model.path={config.path} holds LoRA adapters beside the weights that they belong to "
                "(model.lora.merge=false): name the folder of a model that was trained with model.lora.merge=true."
            )
        if not (folder / "config.json").exists():
            raise UserError(f"model.path={config.path} holds no config.json: a folder in the hub's layout is needed.")
        return str(folder)
    if (made := local(config)) is not None:
        if config.shipped is not None and not (made / "config.json").exists():
            there = ", ".join(sorted(path.parent.name for path in SHIPPED.glob("*/config.json"))) or "none at all"
            raise UserError(f"model.shipped={config.shipped}: the package holds no such weights, but {there}.")
        return str(made)
    if config.hub_id is None:
        raise UserError(f"model={config.name} names neither model.path (a local folder) nor model.hub_id.")
    return config.hub_id


def name(config: ModelConfig) -> str:
    """What messages call the checkpoint."""
    if config.path is not None:
        return f"model.path={config.path}"
    return f"model={config.name} ({local(config) or config.hub_id})"


def shape(config: ModelConfig) -> Mapping[str, Any]:
    """The checkpoint's config.json. Raises UserError where it cannot be read, or the hub not be reached."""
    place = source(config)
    if (folder := local(config)) is not None:
        return read_shape(folder, name(config))
    from huggingface_hub import try_to_load_from_cache
    from transformers import AutoConfig

    cached = try_to_load_from_cache(place, "config.json")
    if isinstance(cached, str):
        return read_shape(Path(cached).parent, f"model={config.name} (in the local cache)")
    found: Mapping[str, Any] = from_pretrained(AutoConfig.from_pretrained, place, config).to_dict()
    return found


def read_shape(folder: Path, name: str) -> Mapping[str, Any]:
    """The config.json of a folder, which messages call `name`."""
    path = folder / "config.json"
    try:
        told = parsed(decoded(read_bytes(path), path))
    except ValueError as error:
        raise UserError(f"{name}: its config.json is not JSON ({error}).") from error
    if not isinstance(told, dict):
        raise UserError(f"{name}: its config.json holds no JSON object.")
    return told


def check_tokenizer(config: ModelConfig) -> None:
    """Raise UserError where a local folder holds no vocabulary: the library would make an empty one."""
    folder = local(config)
    if folder is not None and not any((folder / file).exists() for file in TOKENIZERS):
        raise UserError(f"{name(config)} holds no tokenizer (tokenizer.json or spiece.model).")


def check_weights(config: ModelConfig) -> None:
    """Raise UserError where a local folder holds a configuration and a tokenizer but nothing to fine-tune."""
    folder = local(config)
    if folder is not None and not any(any(folder.glob(pattern)) for pattern in WEIGHTS):
        raise UserError(f"{name(config)} holds no weights (model.safetensors or pytorch_model.bin).")


def weights(folder: Path) -> list[Path]:
    """The files of a folder that make the network: its configuration and its weights, licence included."""
    names = ("config.json", "generation_config.json", "LICENSE*", *WEIGHTS)
    return sorted({path for name in names for path in folder.glob(name) if path.is_file()})


def from_pretrained(load: Any, place: str, config: ModelConfig) -> Any:
    """What the library loads from there, or UserError."""
    try:
        return load(place)
    except Exception as error:  # a damaged file dies of whatever reads it first
        if local(config) is not None:
            raise UserError(f"{name(config)} could not be loaded ({first_line(error)}).") from error
        if not isinstance(error, OSError | ValueError):
            raise
        raise UserError(
            f"model={config.name} needs {place} from the hub, which cannot be reached from here and is not in the "
            f"local cache: {_otherwise(config)}."
        ) from error


def _otherwise(config: ModelConfig) -> str:
    """What helps where the hub does not."""
    if config.made_by is not None:
        command = WITHOUT_MAKE.get(config.made_by, config.made_by) if INSTALLED else config.made_by
        return f"type `{command}`, which writes the model to {config.made}"
    return "download it on a connected machine and set model.path=DIR"
