"""How a command meets Hydra: configuration in, an exit code out, and one clear sentence for a mistake.

Hydra's own messages run over several lines and end in advice about stack traces. `command` lets Hydra compose, binds
the result to `macsql.config.Config` and turns whatever the user got wrong into one sentence and exit code 1.
"""

import functools
import os
import re
import sys
from collections.abc import Callable

import hydra
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from macsql.config import Config, flatten, no_key, renamed, validate
from macsql.errors import UserError, first_line
from macsql.help import of_command
from macsql.places import CONF
from macsql.system.addresses import state_folder
from macsql.system.streams import guarded

OVERLAYS = ("experiment", "scale")  # groups that are added on the command line
EMPTY = {"range": "start, stop", "interval": "low, high"}  # what stands in a sweep expression other than choice


# Untyped, because Hydra would refuse `+trainer.adam_beta2=0.98` on a typed node; `validate` binds the types.
ConfigStore.instance().store("schema", OmegaConf.create(OmegaConf.to_container(OmegaConf.structured(Config))))


def command(run: Callable[[Config], int | None]) -> Callable[[], None]:
    """Make a command line of `run`: it takes the validated configuration and returns an exit code (None is 0).

    The command exits with 1 and one sentence on stderr for a mistake of the user's, 130 for Ctrl-C.
    """

    @functools.wraps(run)
    def main() -> None:
        if {"-h", "--help"} & set(sys.argv[1:]):
            sys.exit(guarded(lambda: print(of_command())))
        sys.exit(guarded(lambda: _composed(run)))

    return main


def _composed(run: Callable[[Config], int | None]) -> int:
    """The exit code of `run` on the configuration that Hydra composes. Raises UserError for what Hydra refuses."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing and exiting, and we speak for it
    codes: list[int] = []
    refused: list[UserError] = []

    def task(cfg: DictConfig) -> None:
        try:
            config = validate(cfg)
            state_folder(config.tracking.state_dir)
            codes.append(run(config) or 0)
        except UserError as error:  # kept from Hydra, which would print its own lines about it first
            refused.append(error)

    if not CONF.is_dir():
        raise UserError(f"The configuration folder {CONF} is missing: install macsql again, or run it from a clone.")
    for argument in sys.argv[1:]:
        if "\udc80" <= max(argument, default="") <= "\udcff":  # how Python keeps a byte that is not UTF-8
            raise UserError(f"{argument!a} is not UTF-8: give the file another name, or name the folder it is in.")
    sys.argv[1:] = [_free(argument) for argument in sys.argv[1:]]
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(task)()
    except (HydraException, OmegaConfBaseException) as error:
        said = next(filter(None, map(unreadable, sys.argv[1:])), None)
        raise UserError(said or sentence(error)) from error
    if refused:
        raise refused[0]
    return max(codes, default=0)


def _free(argument: str) -> str:
    """An argument as Hydra takes it: with plus signs where a key whose own keys are free gets a whole mapping."""
    group, _, choice = argument.lstrip("+").partition("=")
    if re.fullmatch(r"[\d.]+|true|false|null", choice) and (CONF / group).is_dir():
        raise UserError(_no_choice(group, choice))  # Hydra has no sentence for a choice that is no word
    key = argument.partition("={")[0]
    return f"++{argument}" if key != argument and flatten(Config()).get(key) == {} else argument


def sentence(error: Exception) -> str:
    """One sentence for what Hydra or OmegaConf refused: the thing, and what would be right."""
    if isinstance(error, MissingConfigException) and error.options is not None:
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        if group:
            return _no_choice(group, choice)
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    text = f"{error}\n{cause}"
    if found := re.search(r"Could not find '([^']*)/([^'/]*)'", text):
        group, choice = found.groups()
        if not (CONF / group).is_dir():
            return f"There is no configuration group {group!r}: the groups are {', '.join(_groups())}."
        return _no_choice(group, choice)
    if found := re.search(r"Could not override '([^']*)'", text):
        key = found[1]
        if within := re.search(r"full_key: (\S+)", text):  # a key of a whole mapping
            key = within[1] if within[1].startswith(f"{key}.") else key
        if "is not in struct" in text or "No match in the defaults list" in text:
            return _unknown(key)
    if found := re.search(r"Could not append.*?'([^']*)'|append.*?'([^']*)'", text):
        key = found[1] or found[2]
        return f"{key!r} is there already: write it without the plus sign."
    if "--multirun" in text:
        return "Only macsql.sweep takes sweep expressions; quote one that is a value: 'key=\"choice(1, 2)\"'."
    return f"The configuration could not be composed: {first_line(error)}."


def _no_choice(group: str, choice: str) -> str:
    options = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    return renamed(group, choice) or f"There is no {group} called {choice!r}: choose one of {', '.join(options)}."


def _unknown(key: str) -> str:
    if key in OVERLAYS:
        return f"{key} is an overlay: write it with a plus sign, +{key}=NAME."
    if said := renamed(key):
        return said
    free = next((name for name, value in flatten(Config()).items() if value == {} and key.startswith(f"{name}.")), None)
    if free:
        return f"{free} has no {key.removeprefix(f'{free}.')!r} yet: write it with a plus sign, +{key}=VALUE."
    said = no_key(key)
    if key.startswith("trainer."):
        return f"{said} Another argument of the Trainer takes a plus sign, +{key}=VALUE."
    if "." in key or "did you mean" in said:
        return said
    return f"{said.rstrip('.')}, and the groups are {', '.join(group for group in _groups() if group not in OVERLAYS)}."


def unreadable(argument: str) -> str | None:
    """One sentence for an argument that Hydra's grammar cannot read; None for one that it can."""
    if argument.startswith("-") or _readable(argument):
        return None
    key, equals, value = argument.partition("=")
    if not equals or not re.fullmatch(r"[+~]*[\w.@/-]+", key, re.ASCII):
        return f"{argument!r} is not key=value: `--cfg job` prints the keys."
    if empty := re.fullmatch(r"\s*(\w+)\(\s*\)\s*", value):
        return f"{argument} has no values: write {empty[1]}({EMPTY.get(empty[1], 'a, b, ...')})."
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    quoted = f'{key}="{escaped}"'
    if not _readable(quoted):
        return f"{argument!r} cannot be read as key=value."
    brackets = "close its brackets, or for a text " if value.startswith(("[", "{", "choice(", "range(")) else ""
    said = "" if brackets else "its value needs quotes: "
    return f"{argument!r} cannot be read: {said}{brackets}write {_for_shell(quoted)}."


def _readable(argument: str) -> bool:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return False
    return True


def _for_shell(argument: str) -> str:
    quote = "'\"'\"'"
    return "'" + argument.replace("'", quote) + "'"


def _groups() -> list[str]:
    return sorted(path.name for path in CONF.iterdir() if path.is_dir())
