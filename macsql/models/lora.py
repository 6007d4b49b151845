"""LoRA: small matrices beside a model's linear layers are trained, and its own weights stay as they are.

Of a trained model either plain weights are left, the adapters added to them (model.lora.merge=true), or the adapters
beside a copy of what they were trained on, in the folder `base`. Both are whole: copied elsewhere they can be asked.
"""

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from macsql.config import LoraConfig
from macsql.errors import UserError, shown
from macsql.system.files import new_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ALL = "all-linear"  # every linear layer but the one that writes tokens
BASE = "base"  # the folder of the weights that adapters were trained on
ADAPTERS = ("adapter_model.safetensors", "adapter_config.json")  # as peft names them; the last one marks them
README = "README.md"  # peft's, which says nothing yet
NAMED = 12  # layers that a sentence names


def check(config: LoraConfig) -> None:
    """Raise UserError for values that no adapters can be made of."""
    if config.r < 0:
        raise UserError(f"model.lora.r={config.r}: write the adapters' rank, 1 or more, or 0 to train all weights.")
    if config.r == 0 and config != LoraConfig():
        raise UserError("model.lora is given without r: write model.lora.r=16, or another rank.")
    if not 0 < config.alpha < float("inf"):
        raise UserError(f"model.lora.alpha={config.alpha:g}: a number above 0 is needed.")
    _targets(config)


def adapted(network: "PreTrainedModel", config: LoraConfig) -> dict[str, tuple[int, int]]:
    """The linear layers that get adapters, by name, with how many numbers they read and write.

    Raises UserError for a target that no layer is called by.
    """
    layers = _linear(network)
    targets = _targets(config)
    if targets is None:
        return layers
    for target in targets:
        if not any(_called(name, target) for name in layers):
            names = list(dict.fromkeys(name.rpartition(".")[2] for name in layers))
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            raise UserError(
                f"model.lora.targets: the model has no linear layer called {target}: "
                f"its layers are {', '.join(names[:NAMED])}{more}; {ALL} means all of them."
            )
    return {name: size for name, size in layers.items() if any(_called(name, target) for target in targets)}


def trained(network: "PreTrainedModel", config: LoraConfig) -> int:
    """How many parameters adapters of this configuration add. Raises UserError as `adapted` does."""
    return sum(config.r * (read + written) for read, written in adapted(network, config).values())


def attach(network: "PreTrainedModel", config: LoraConfig, new_tokens: Sequence[int] = ()) -> Any:
    """The network with adapters, drawn from torch's generator as it stands; nothing else of it is trained.

    Except the embeddings of `new_tokens`, which a codec has added and which mean nothing yet.
    """
    import peft
    from transformers.pytorch_utils import Conv1D

    names = list(adapted(network, config))
    made = peft.LoraConfig(
        r=config.r,
        lora_alpha=config.alpha,  # type: ignore[arg-type]  # any number will do
        target_modules=names,
        fan_in_fan_out=isinstance(network.get_submodule(names[0]), Conv1D),  # GPT-2's layers are the other way round
        trainable_token_indices=list(new_tokens) or None,
        # not the path of this machine's folder, nor a name that peft would ask the hub for at each checkpoint
        base_model_name_or_path="",
    )
    with _quietly():
        return peft.PeftModel(network, made)


def plain(network: Any) -> Any:
    """The network without what stands around it for adapters."""
    return network.get_base_model() if hasattr(network, "get_base_model") else network


def merged(network: "PreTrainedModel", folder: Path) -> Any:
    """The network that adapters in a folder were trained on -> the same with the adapters added to its weights."""
    import peft

    with _quietly():
        return peft.PeftModel.from_pretrained(network, str(folder)).merge_and_unload()


def unsettled(folder: Path, config: LoraConfig) -> bool:
    """Whether a model's folder holds adapters and still lacks what makes a whole model of them."""
    return (folder / ADAPTERS[-1]).exists() and (config.merge or not (folder / BASE).is_dir())


def settle(folder: Path, network: "PreTrainedModel", config: LoraConfig, files: Iterable[Path]) -> None:
    """Make a whole model of adapters in a folder; `network` is what they were trained on.

    `files` are those of the checkpoint that the network was loaded from; none where it was made or changed here. They
    are linked where the file system can, so that ten trials on one checkpoint hold its weights once. A kill at any
    moment leaves a folder that this can be called for again.
    """
    if not config.merge:
        with new_folder(folder / BASE) as partial:
            for file in files:
                _link(file, partial / file.name)
            if not any(partial.iterdir()):
                network.save_pretrained(partial)
        (folder / README).unlink(missing_ok=True)
        return
    with tempfile.TemporaryDirectory(prefix="merged-", dir=folder.parent) as made:
        merged(network, folder).save_pretrained(made)
        for path in Path(made).iterdir():
            path.replace(folder / path.name)
    for name in (README, *ADAPTERS):
        (folder / name).unlink(missing_ok=True)


def of_card(config: LoraConfig) -> dict[str, Any] | None:
    """What a card says of it; None where all weights were trained."""
    if not config.r:
        return None
    return {"r": config.r, "alpha": config.alpha, "targets": config.targets, "merged": config.merge}


def kept(told: Mapping[str, Any] | None) -> bool:
    """Whether a card says that the model is adapters beside their base."""
    return told is not None and told.get("merged") is False


@contextmanager
def _quietly() -> Iterator[None]:
    """Without peft's use of a name that transformers will take away in its next version."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _targets(config: LoraConfig) -> list[str] | None:
    """The names of layers; None for all. Raises UserError where they are no names."""
    told = config.targets
    if told == ALL:
        return None
    names = [told] if isinstance(told, str) else told
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise UserError(f"model.lora.targets={shown(told)}: write {ALL}, or names of layers, as in [q_proj, v_proj].")
    return names


def _linear(network: "PreTrainedModel") -> dict[str, tuple[int, int]]:
    """Every linear layer but the output's: name -> numbers read, numbers written."""
    import torch
    from transformers.pytorch_utils import Conv1D

    output = network.get_output_embeddings()
    found = {}
    for name, layer in network.named_modules():
        if layer is output:
            continue
        if isinstance(layer, torch.nn.Linear):
            found[name] = (layer.in_features, layer.out_features)
        elif isinstance(layer, Conv1D):
            found[name] = (layer.nx, layer.nf)
    return found


def _called(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")
