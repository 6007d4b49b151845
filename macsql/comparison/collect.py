"""The trials of a sweep, read from their folders."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macsql.config import Config, from_yaml
from macsql.errors import UserError
from macsql.training.trial import Result, read_result


@dataclass(frozen=True)
class ComparedTrial:
    """One trial as a comparison sees it."""

    key: str
    index: int
    label: str
    point: dict[str, Any]
    repeat: int
    config: Config
    result: Result | None  # None: not ended yet
    folder: Path


def trials(name: str, state_dir: Path) -> list[ComparedTrial]:
    """The trials of a sweep by their place in the plan. Raises UserError where there are none."""
    found = []
    for path in sorted((state_dir / "trials").glob("*/trial.json")):
        about = json.loads(path.read_text(encoding="utf-8"))
        if about["sweep"] != name:
            continue
        folder = path.parent
        config = from_yaml((folder / "config.yaml").read_text(encoding="utf-8"))
        result = read_result(folder)
        found.append(
            ComparedTrial(
                folder.name, about["index"], about["label"], about["point"], about["repeat"], config, result, folder
            )
        )
    if not found:
        names = sorted({json.loads(p.read_text())["sweep"] for p in (state_dir / "trials").glob("*/trial.json")})
        there = f"there are {', '.join(names)}" if names else "no sweep has run there yet"
        raise UserError(f"No trials of a sweep called {name!r} under {state_dir}: {there}.")
    return sorted(found, key=lambda trial: trial.index)
