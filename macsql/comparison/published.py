"""Figures that others have printed, as experiments/<name>/published.json and experiments/systems.json keep them.

published.json   what the poster reports for an experiment, cell by cell, each with the words that the poster prints and
                 what is doubtful about them; `claim`: what those figures say, where they say something
systems.json     published figures of whole systems on public benchmarks
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from macsql.comparison.figures import heading
from macsql.errors import UserError, first_line
from macsql.places import EXPERIMENTS

Part = Mapping[str, Any]  # part of a setting, or the whole: key -> value
Values = tuple[Any, ...]


@dataclass(frozen=True)
class PublishedFigure:
    """One figure of the poster."""

    metric: str  # of ours that stands beside it (macsql.comparison.figures)
    value: float
    printed: str  # as the poster prints it
    quote: str  # the words round it, found in the poster's text
    setting: Part | None = (
        None  # which of our settings it belongs to; None: the poster does not say, ours is the best one
    )
    doubt: str = ""
    said: str = ""  # what the poster notes beside it
    reasons: tuple[str, ...] = ()  # why it cannot be reproduced, whatever one runs (macsql.comparison.reasons.Kind)


@dataclass(frozen=True)
class PublishedCurve:
    """A table of losses by epoch."""

    heading: str  # as the poster prints it
    setting: Part
    epochs: tuple[int, ...]
    train_loss: tuple[float, ...]
    eval_loss: tuple[float, ...]
    doubt: str = ""


@dataclass(frozen=True)
class Claim:
    """That one setting is better than another."""

    metric: str
    better: Part
    worse: Part
    words: str
    by: str = "the poster"


@dataclass(frozen=True)
class Published:
    """All that is known beforehand of an experiment."""

    title: str
    question: str
    source: str
    conditions: Mapping[str, str]  # data, model, scale, seeds, protocol of the poster's figures
    figures: tuple[PublishedFigure, ...] = ()
    curves: tuple[PublishedCurve, ...] = ()
    varies: Mapping[str, Values] = field(default_factory=dict)  # key as in reasons.POSTER_TRAINING -> its values
    claim: Claim | None = None
    reference: Part | None = None  # the setting that the others are held against; None: the best one
    notes: tuple[str, ...] = ()


CORPORA = {"bird": "BIRD", "spider": "Spider", "geoquery": "GeoQuery", "pocket": "built-in data"}
PARTS = {"dev": "dev", "test": "test", "question": "question split", "query": "query split"}
RULES = {"ex": "execution_accuracy", "ves": "ves", "spider_em": "spider_em", "exact_match": "exact_match"}  # -> metric


@dataclass(frozen=True)
class Benchmark:
    """What a published figure is of: these questions of this corpus, scored by this rule."""

    corpus: str  # as in data.format, where the project reads it
    part: str
    rule: str

    @property
    def title(self) -> str:
        """What a person calls it: "Spider dev, Spider EM". Raises KeyError for one that is not known."""
        return f"{CORPORA[self.corpus]} {PARTS[self.part]}, {heading(RULES[self.rule])}"


@dataclass(frozen=True)
class System:
    """A system and what is published of it."""

    name: str
    model: str
    on_poster: bool
    source: str
    figures: Mapping[Benchmark, float] = field(default_factory=dict)  # percent
    note: str = ""
    hub_id: str | None = None  # of a system that this project may fine-tune itself


def published(name: str, folder: Path = EXPERIMENTS) -> Published:
    """What is published on an experiment; for one that has no file, nothing. Raises UserError for a broken file."""
    path = folder / name / "published.json"
    if not path.exists():
        return Published(name, "", "", {})
    try:
        tree = json.loads(path.read_text(encoding="utf-8-sig"))
        return Published(
            title=tree["title"],
            question=tree["question"],
            source=tree["source"],
            conditions=tree["conditions"],
            figures=tuple(
                PublishedFigure(**{**row, "reasons": tuple(row.get("reasons", ()))}) for row in tree["figures"]
            ),
            curves=tuple(_curve(row) for row in tree.get("curves", ())),
            varies={key: tuple(values) for key, values in tree.get("varies", {}).items()},
            claim=Claim(**tree["claim"]) if tree.get("claim") else None,
            reference=tree.get("reference"),
            notes=tuple(tree.get("notes", ())),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is not a file of published figures ({first_line(error)}).") from error


def systems(folder: Path = EXPERIMENTS) -> list[System]:
    """The systems that published figures are known of, the poster's three first; none where there is no file."""
    path = folder / "systems.json"
    if not path.exists():
        return []
    try:
        return [_system(row) for row in json.loads(path.read_text(encoding="utf-8-sig"))["systems"]]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is not a file of systems ({first_line(error)}).") from error


def matches(part: Part, setting: Part) -> bool:
    """Whether a setting agrees with all that a part states, numbers by value."""
    return all(key in setting and same_value(setting[key], value) for key, value in part.items())


def same_value(one: Any, other: Any) -> bool:
    """Whether two values are the same, numbers by value however they are written."""
    try:
        return one == other or float(one) == float(other)
    except (TypeError, ValueError):
        return False


def _system(row: Mapping[str, Any]) -> System:
    figures = {Benchmark(item["corpus"], item["part"], item["rule"]): item["percent"] for item in row["figures"]}
    for benchmark in figures:
        _ = benchmark.title  # one that is not known has none
    return System(**{**row, "figures": figures})


def _curve(row: Mapping[str, Any]) -> PublishedCurve:
    epochs = row["epochs"]
    return PublishedCurve(
        heading=row["heading"],
        setting=row["setting"],
        epochs=tuple(int(epoch) for epoch, _, _ in epochs),
        train_loss=tuple(train for _, train, _ in epochs),
        eval_loss=tuple(evaluation for _, _, evaluation in epochs),
        doubt=row.get("doubt", ""),
    )
