"""Why a figure of ours and the poster's are not comparable: each reason with its kind, and its words beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from macsql.comparison.collect import StoredTrial
from macsql.comparison.published import PublishedFigure, Values, same_value
from macsql.comparison.statistics import exact_interval
from macsql.config import Config, flatten
from macsql.records import AGENTS

POSTER_BASE = "cssupport/t5-small-awesome-text-to-sql"
POSTER_ROWS = {"decomposer": 2029, "selector": 1009, "refiner": 337}
POSTER_TRAINING: Mapping[str, tuple[str, Values]] = {  # key -> its name, the poster's initial parameters
    "trainer.num_train_epochs": ("epochs", (10,)),
    "trainer.learning_rate": ("learning rate", (5e-5,)),
    "batch": ("batch", (1,)),
    "mixture.name": ("mixture", ("real",)),
}


class Kind(StrEnum):
    """What keeps two figures apart. Those of a published figure's own stand in its file under these names."""

    OTHER_DATA = "other_data"
    OTHER_ROWS = "other_rows"
    ROWS_UNKNOWN = "rows_unknown"
    OTHER_SPELLING = "other_spelling"
    OTHER_BASE = "other_base"
    BASE_UNKNOWN = "base_unknown"
    OTHER_TRAINING = "other_training"
    OTHER_RATE = "other_rate"
    EM_CEILING = "em_ceiling"
    TWO_EXAMPLES = "two_examples"
    FEW_ANSWERS = "few_answers"
    LOSS_UNITS = "loss_units"


WORDS: Mapping[Kind, str] = {
    Kind.OTHER_DATA: "Other data: the poster's rows are the SQL-Llama instruct set (from BIRD's training part), ours "
    "are data={data}.",
    Kind.OTHER_ROWS: "Other rows: the poster has 2029 Decomposer, 1009 Selector and 337 Refiner rows, ours {rows}.",
    Kind.ROWS_UNKNOWN: "Rows not counted: the examples are no longer on disk, so nothing tells whether they are the "
    "poster's 2029 Decomposer, 1009 Selector and 337 Refiner rows.",
    Kind.OTHER_SPELLING: "Other texts: the poster's prompts and answers are MAC-SQL's own, without a codec; ours have "
    "{spelling}.",
    Kind.OTHER_BASE: "Another base: the poster fine-tunes {poster_base}, ours is model={model}.",
    Kind.BASE_UNKNOWN: "Perhaps another base: ours is model={model}, and nothing tells whether that folder holds the "
    "poster's {poster_base}.",
    Kind.OTHER_TRAINING: "Other training: {training}.",
    Kind.OTHER_RATE: "Another rate: every learning rate is multiplied by {factor:g} here.",
    Kind.EM_CEILING: "The poster's EM was 0 before any training: T5's vocabulary cannot write braces or backticks, and "
    "the fixed text of its Selector and Decomposer prompts (about 1,241 and 2,075 tokens) left the question outside a "
    "window of 512; python -m macsql.audit measures both. Ours has {spelling}.",
    Kind.TWO_EXAMPLES: "Two examples prove nothing: 0 of 2 is compatible with every true accuracy up to {upper:.0%} "
    "(exact 95 % interval).",
    Kind.FEW_ANSWERS: "Not all of the test part: at most {limit} answers of each agent (generation.limit).",
    Kind.LOSS_UNITS: "A loss per token depends on the tokenizer and on how answers are spelt (codec={codec}), not on "
    "the quality of the answers alone.",
}


@dataclass(frozen=True)
class Reason:
    """One reason, and the sentence for it."""

    kind: Kind
    words: str


def reasons(figure: PublishedFigure, varies: Mapping[str, Values], trial: StoredTrial) -> tuple[Reason, ...]:
    """Why a trial's figure is not comparable with the poster's; none where nothing that is known speaks against it.

    `varies` are the keys in which the poster's experiment departs from its initial parameters, with their values.
    """
    config, rows = trial.config, rows_of(trial)
    training = other_training(config, varies)
    made_here = config.data.format != "chat"  # a chat file's prompts come as they are, whatever the style
    other_spelling = config.codec.name != "verbatim" or (made_here and config.agents.style != "mac_sql")
    found = [Kind(name) for name in figure.reasons]
    if not other_spelling and Kind.EM_CEILING in found:
        found.remove(Kind.EM_CEILING)  # the same holds of ours: it explains the poster's figure and keeps nothing apart
    if Kind.LOSS_UNITS in found and not other_spelling and config.model.hub_id == POSTER_BASE:
        found.remove(Kind.LOSS_UNITS)
    few = config.generation.limit is not None and not figure.metric.endswith(("_loss", "/train_rows"))
    holds = {
        Kind.OTHER_DATA: made_here,
        Kind.ROWS_UNKNOWN: not made_here and not rows,
        Kind.OTHER_ROWS: not made_here and bool(rows) and rows != POSTER_ROWS,
        Kind.OTHER_SPELLING: other_spelling,
        Kind.FEW_ANSWERS: few,
        Kind.OTHER_BASE: config.model.hub_id != POSTER_BASE,
        Kind.BASE_UNKNOWN: config.model.hub_id == POSTER_BASE and config.model.path is not None,
        Kind.OTHER_TRAINING: bool(training),
        Kind.OTHER_RATE: config.scale.learning_rate_factor != 1,
    }
    known = {
        "data": config.data.format,
        "model": trial.model,
        "factor": config.scale.learning_rate_factor,
        "limit": config.generation.limit,
        "codec": config.codec.name,
        "spelling": f"{f'agents={config.agents.style}, ' if made_here else ''}codec={config.codec.name}",
        "poster_base": POSTER_BASE,
        "rows": ", ".join(f"{count} {agent}" for agent, count in rows.items()),
        "training": ", ".join(training),
        "upper": exact_interval(0, 2).high,
    }
    kinds = [*found, *(kind for kind, there in holds.items() if there)]
    return tuple(Reason(kind, WORDS[kind].format(**known)) for kind in kinds)


def other_training(config: Config, varies: Mapping[str, Values]) -> list[str]:
    """What of the training is not the poster's, in words: "epochs 6 (the poster's 10)"."""
    trainer = config.trainer
    ours: dict[str, Any] = flatten(config)
    ours["batch"] = trainer.rows_per_step
    differing = []
    for key, (word, initial) in POSTER_TRAINING.items():
        theirs = varies.get(key, initial)
        if not any(same_value(ours[key], value) for value in theirs):
            differing.append(f"{word} {_short(ours[key])} (the poster's {' or '.join(map(_short, theirs))})")
    if trainer.max_steps > 0:
        differing.append(f"at most {trainer.max_steps} steps")
    if config.mixture.steps is not None:
        differing.append(f"{config.mixture.steps} steps per epoch")
    return differing


def rows_of(trial: StoredTrial) -> dict[str, int]:
    """Its examples of each agent over all splits; empty where they are no longer on disk."""
    counts = list(trial.examples.about["counts"].values()) if trial.examples is not None else []
    return {agent: sum(split.get(agent, 0) for split in counts) for agent in AGENTS} if counts else {}


def distinct(found: Sequence[Sequence[Reason]]) -> list[Reason]:
    """Every reason once, in the order of the figures."""
    return list(dict.fromkeys(reason for reasons in found for reason in reasons))


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
