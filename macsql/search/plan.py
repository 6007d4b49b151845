"""From a sweep's configuration to its trials: one resolved configuration for each setting and seed."""

import dataclasses
import hashlib
import json
import shlex
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from macsql.app import sentence
from macsql.config import Config, flatten, renamed, validate
from macsql.errors import UserError
from macsql.models.sources import shipped_weights
from macsql.places import CONF
from macsql.search.space import Setting, Space
from macsql.search.study import samples

# What may change between two calls of the same sweep without changing what its trials compute; executor.threads changes
# their sums in the last digits.
FREE_KEYS = (
    "executor.",
    "tracking.",
    "metrics.workers",
    "model.made",  # a folder under tracking.state_dir, which may be moved
    "search.n_trials",
    "sweep.repeats",
    "sweep.max_retries",
    "sweep.dry_run",
    "out",
    "audit.",
    "build.",
    "seats.",  # who answers end to end, which no trial asks
    "evaluate.",
)


@dataclass(frozen=True)
class PlannedTrial:
    """One fine-tune of a sweep."""

    index: int  # its place in the plan; stable when the plan grows
    setting: Setting
    repeat: int  # 0, 1, … : which seed of the setting
    config: Config
    folder: Path

    @property
    def key(self) -> str:
        """The folder's name, unique within the state directory."""
        return self.folder.name

    @property
    def label(self) -> str:
        """What a person tells it by: "learning_rate=3e-05 per_device_train_batch_size=4"."""
        words = [f"{key.rpartition('.')[2]}={value}" for key, value in self.setting.items()]
        if self.repeat or not words:
            words.append(f"seed={self.config.seed}")
        return " ".join(words)


class Planner:
    """Makes planned trials out of settings for one sweep."""

    def __init__(self, config: Config, overrides: list[str]) -> None:
        """`overrides` are the command line's own, needed where a setting chooses a whole configuration group."""
        self.config = config
        self.overrides = tuple(overrides)
        self._trials: dict[tuple[object, ...], PlannedTrial] = {}  # made once: validating takes milliseconds

    @property
    def command(self) -> str:
        """The command line that asks for this sweep."""
        return shlex.join(["python", "-m", "macsql.sweep", *self.overrides])

    def trial(self, index: int, setting: Setting, repeat: int) -> PlannedTrial:
        """The trial at a place of the plan. Raises UserError where the setting does not fit the configuration."""
        key = (index, repeat, tuple(setting.items()))
        if key not in self._trials:
            self._trials[key] = self._trial(index, setting, repeat)
        return self._trials[key]

    def _trial(self, index: int, setting: Setting, repeat: int) -> PlannedTrial:
        config = with_setting(self.config, self.overrides, setting)
        config = dataclasses.replace(config, seed=config.seed + repeat)
        digest = hashlib.sha256(json.dumps(identity(config), sort_keys=True).encode()).hexdigest()[:8]
        folder = Path(config.tracking.state_dir) / "trials" / f"{config.sweep.name}-{index:04d}-{digest}"
        return PlannedTrial(index, setting, repeat, config, folder)


def with_setting(config: Config, overrides: tuple[str, ...], setting: Mapping[str, Any]) -> Config:
    """The configuration at a setting; a key without a dot that names a folder of conf/ chooses a whole group."""
    for key, value in setting.items():
        if said := renamed(key, value):
            raise UserError(said)
    groups = tuple((key, str(value)) for key, value in setting.items() if is_group(key))
    keys = {key: value for key, value in setting.items() if not is_group(key)}
    for group, choice in groups:
        if not (CONF / group / f"{choice}.yaml").exists():
            options = ", ".join(sorted(path.stem for path in (CONF / group).glob("*.yaml")))
            raise UserError(f"search.space.{group}: there is no {group} called {choice!r}: choose of {options}.")
    if groups:
        config = _with_groups(overrides, groups)
    try:
        return _with_typed_keys(config, keys)
    except (AttributeError, KeyError, TypeError, OmegaConfBaseException):  # not a plain typed key, or not its type
        tree = DictConfig(dataclasses.asdict(config))
    for key, value in keys.items():
        OmegaConf.update(tree, key, value, force_add=True)
    try:
        return validate(tree)
    except UserError as error:
        raise UserError(f"The search space does not fit the configuration at {dict(setting)}: {error}") from error


def _with_typed_keys(config: Config, keys: Mapping[str, Any]) -> Config:
    """The same for "group.key" alone, binding the touched groups only: validating everything takes ten times longer."""
    changed: dict[str, dict[str, Any]] = {}
    for key, value in keys.items():
        group, name = key.split(".") if key.count(".") == 1 else (key, "")
        bound = _bound(getattr(config, group).__class__)
        if name not in bound:
            raise KeyError(key)
        bound[name] = value
        changed.setdefault(group, {})[name] = bound[name]
    groups: dict[str, Any] = {
        group: dataclasses.replace(getattr(config, group), **values) for group, values in changed.items()
    }
    return dataclasses.replace(config, **groups)


@lru_cache(maxsize=16)
def _bound(group: Hashable) -> DictConfig:
    """A group's types, to try values on."""
    return OmegaConf.structured(group)


def is_group(key: str) -> bool:
    """Whether a key of the search space names a whole configuration group."""
    return (CONF / key).is_dir()


@lru_cache(maxsize=256)
def _with_groups(overrides: tuple[str, ...], groups: tuple[tuple[str, str], ...]) -> Config:
    if not GlobalHydra.instance().is_initialized():
        raise UserError("A space over whole configuration groups needs Hydra: run it as `python -m macsql.sweep`.")
    chosen = {group for group, _ in groups}
    kept = [override for override in overrides if override.partition("=")[0].lstrip("+") not in chosen]
    made = [f"{group}={choice}" for group, choice in groups]
    try:
        return validate(compose("config", overrides=kept + made))
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(f"At {' '.join(made)}: {sentence(error)}") from error


def identity(config: Config) -> dict[str, Any]:
    """Dotted key -> value of all that decides what a trial computes; weights of the package by what is in them."""
    told = {key: value for key, value in flatten(config).items() if not key.startswith(FREE_KEYS)}
    if (weights := shipped_weights(config.model)) is not None:
        told["model.shipped weights"] = weights
    return told


def sweep_identity(config: Config, space: Space, data: Mapping[str, str]) -> dict[str, Any]:
    """The same for a whole sweep: without the keys that its space sets, with the space and the data's fingerprint."""
    fixed = {key: value for key, value in identity(config).items() if key not in space}
    if samples(config.search, space):
        fixed["sweep.repeats"] = config.sweep.repeats  # it says which place belongs to which setting; a grid may grow
    return json.loads(json.dumps({**fixed, **{f"data fingerprint {name}": value for name, value in data.items()}}))


def begun_otherwise(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> UserError | None:
    """The refusal of a sweep whose trials were begun with another configuration or by an older version; else None."""
    older = [said.rstrip(".") for key, value in sorted(before.items()) if (said := renamed(key, value))]
    if older:
        more = f"; and {len(older) - 2} more" if len(older) > 2 else ""
        return UserError(
            f"The sweep {name!r} was begun by an earlier version of macsql, whose configuration has other words "
            f"({'; '.join(older[:2])}{more}): finish it with that version, or begin a new sweep with sweep.name=NAME."
        )
    changed = differences(before, now)
    if not changed:
        return None
    shown = "; ".join(changed[:5]) + (f"; and {len(changed) - 5} more" if len(changed) > 5 else "")
    return UserError(
        f"The sweep {name!r} was begun with another configuration ({shown}): "
        "undo the change, or give the new sweep its own name with sweep.name=NAME."
    )


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One phrase for each key that differs: "trainer.num_train_epochs was 10, is 3".

    The data's fingerprint is not named where a key of the data or the agents explains that it differs.
    """
    keys = sorted(set(before) | set(now))
    data = any(before.get(key) != now.get(key) for key in keys if key.startswith(("data.", "agents.")))
    return [
        f"{key} was {before.get(key, 'not set')}, is {now.get(key, 'not set')}"
        for key in keys
        if before.get(key) != now.get(key) and not (data and key.startswith("data fingerprint"))
    ]
