"""The poster's figure, ours and the difference, each cell with what one must know to read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from macsql.comparison.collect import StoredTrial
from macsql.comparison.figures import chosen, protocol, title
from macsql.comparison.published import Part, Published, PublishedFigure, System, Values, same_value
from macsql.comparison.settings import Setting, find
from macsql.comparison.settings import label as label_of
from macsql.comparison.statistics import exact_interval
from macsql.config import Config, flatten
from macsql.records import AGENTS

POSTER_BASE = "cssupport/t5-small-awesome-text-to-sql"
POSTER_ROWS = {"decomposer": 2029, "selector": 1009, "refiner": 337}
Kind = Literal["measured", "poster", "published", "not applicable"]
POSTER_TRAINING: Mapping[str, tuple[str, Values]] = {  # key -> its name, the poster's initial parameters
    "trainer.num_train_epochs": ("epochs", (10,)),
    "trainer.learning_rate": ("learning rate", (5e-5,)),
    "batch": ("batch", (1,)),
    "mixture.name": ("mixture", ("real",)),
}
AS_PUBLISHED = "as its authors report it"  # the protocol of a figure that others have published
NOT_PUBLISHED = "not published"
REASONS = {
    "other_data": "Other data: the poster's rows are the SQL-Llama instruct set (from BIRD's training part), ours are "
    "data={data}.",
    "other_rows": "Other rows: the poster's are 2029 Decomposer, 1009 Selector and 337 Refiner, ours {rows}.",
    "rows_unknown": "Rows not counted: the examples are no longer on disk, and nothing else tells whether they are the "
    "poster's 2029 Decomposer, 1009 Selector and 337 Refiner.",
    "other_spelling": "Other texts: the poster's prompts and answers are MAC-SQL's own, without a codec; ours have "
    "{spelling}.",
    "other_base": "Another base: the poster fine-tunes {poster_base}, ours is model={model}.",
    "base_unknown": "Perhaps another base: ours is model={model}, and nothing tells whether that folder holds the "
    "poster's {poster_base}.",
    "other_training": "Other training: {training}.",
    "other_rate": "Another rate: every learning rate is multiplied by {factor:g} here.",
    "em_ceiling": "The poster's EM was 0 before any training: T5's vocabulary cannot write braces or backticks, and "
    "the fixed text of its Selector and Decomposer prompts (about 1,241 and 2,075 tokens) left the question outside a "
    "window of 512; python -m macsql.audit measures both. Ours has {spelling}.",
    "two_examples": "Two examples prove nothing: 0 of 2 fits every true accuracy up to {upper:.0%} (exact 95 % "
    "interval).",
    "few_answers": "Not all of the test part: at most {limit} answers of each agent (generation.limit).",
    "loss_units": "A loss a token depends on the tokenizer and on how answers are spelt (codec={codec}), not on the "
    "quality of the answers alone.",
}


@dataclass(frozen=True)
class Cell:
    """A figure and where it comes from."""

    kind: Kind
    value: float | None = None
    text: str = ""  # as it should be shown; empty: the value
    protocol: str = ""
    data: str = ""
    model: str = ""
    scale: str = ""
    seeds: str = ""
    answers: str = ""  # how many it is a mean over, under each seed; empty for a loss, or where nobody says
    note: str = ""


@dataclass(frozen=True)
class Row:
    """One figure of the poster beside ours."""

    metric: str
    title: str
    setting: str
    poster: Cell
    ours: Cell
    difference: float | None  # ours minus the poster's
    reasons: tuple[str, ...]  # why the two are not comparable; none: nothing that is known speaks against it


@dataclass(frozen=True)
class SystemRow:
    """A system with a cell for each of the benchmark figures that are known of any."""

    name: str
    model: str
    on_poster: bool
    cells: dict[str, Cell]
    note: str


def side_by_side(published: Published, settings: Sequence[Setting], best: Setting | None) -> list[Row]:
    """A row for each figure of the poster, in its order."""
    return [_row(figure, published, _ours(figure, settings, best)) for figure in published.figures]


def systems_table(systems: Sequence[System], best: Setting | None) -> list[SystemRow]:
    """The systems with their published figures, and our best setting where it was tested on one of these."""
    names = list(dict.fromkeys(name for system in systems for name in system.figures))
    rows = []
    for system in systems:
        cells = {
            name: Cell(
                "published",
                system.figures[name],
                protocol=AS_PUBLISHED,
                data=name,
                model=system.model,
                note=system.source,
            )
            if name in system.figures
            else Cell("not applicable", note=NOT_PUBLISHED)
            for name in names
        }
        rows.append(SystemRow(system.name, system.model, system.on_poster, cells, system.note))
    if systems and best is not None:
        rows = _with_own(rows, names, best)
    return rows


def reasons(figure: PublishedFigure, varies: Mapping[str, Values], trial: StoredTrial) -> tuple[str, ...]:
    """Why a trial's figure is not comparable with the poster's; none where nothing that is known speaks against it.

    `varies` are the keys in which the poster's experiment departs from its initial parameters.
    """
    config, rows = trial.config, _rows(trial)
    training = other_training(config, varies)
    kinds = list(figure.reasons)
    if config.data.format != "chat":
        kinds.append("other_data")
    elif not rows:
        kinds.append("rows_unknown")
    elif any(rows.get(agent, 0) != count for agent, count in POSTER_ROWS.items()):
        kinds.append("other_rows")
    made_here = config.data.format != "chat"  # a chat file's prompts come as they are, whatever the style
    other_spelling = config.codec.name != "verbatim" or (made_here and config.agents.style != "mac_sql")
    if other_spelling:
        kinds.append("other_spelling")
    elif "em_ceiling" in kinds:
        kinds.remove("em_ceiling")  # the same holds of ours: it explains the poster's figure and keeps nothing apart
    if "loss_units" in kinds and not other_spelling and config.model.hub_id == POSTER_BASE:
        kinds.remove("loss_units")
    if config.generation.limit is not None and not figure.metric.endswith(("_loss", "/train_rows")):
        kinds.append("few_answers")
    if config.model.hub_id != POSTER_BASE:
        kinds.append("other_base")
    elif config.model.path is not None:
        kinds.append("base_unknown")
    if training:
        kinds.append("other_training")
    if config.scale.learning_rate_factor != 1:
        kinds.append("other_rate")
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
    return tuple(REASONS[kind].format(**known) for kind in kinds)


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
        differing.append(f"{config.mixture.steps} steps an epoch")
    return differing


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def measured(setting: Setting, metric: str) -> Cell:
    """Our figure for a setting: the mean over its seeds."""
    found, config = setting.figure(metric), setting.trials[0].config
    if found is None:
        return Cell("not applicable", note="not measured by this setting")
    scatter = f"; standard deviation {found.deviation:.2g}" if found.deviation else ""  # over seeds
    return Cell(
        "measured",
        found.mean,
        protocol=protocol(metric),
        data=f"{config.data.format} test split" if "loss" not in metric else f"{config.data.format}",
        model=setting.trials[0].model,
        scale=config.scale.name,
        seeds=str(found.seeds),
        answers=str(len(chosen(setting.shown.verdicts, metric)) or ""),
        note=f"{setting.label}{scatter}",
    )


def _row(figure: PublishedFigure, published: Published, setting: Setting | None) -> Row:
    poster = Cell("poster", figure.value, figure.printed, **published.conditions, note=figure.doubt)
    if setting is None:
        nothing = Cell("not applicable", note="no setting of this sweep has finished that it could stand beside")
        return Row(figure.metric, title(figure.metric), place(figure.setting, None), poster, nothing, None, ())
    ours = measured(setting, figure.metric)
    difference = None if ours.value is None else ours.value - figure.value
    why = reasons(figure, published.varies, setting.trials[0])
    return Row(figure.metric, title(figure.metric), place(figure.setting, setting), poster, ours, difference, why)


def _rows(trial: StoredTrial) -> dict[str, int]:
    """Its examples of each agent over all splits; empty where they are no longer on disk."""
    counts = list(trial.examples.about["counts"].values()) if trial.examples is not None else []
    return {agent: sum(split.get(agent, 0) for split in counts) for agent in AGENTS} if counts else {}


def place(stated: Part | None, setting: Setting | None) -> str:
    """Which setting the poster states, and which one of ours stands beside it where that says more."""
    theirs = "not stated" if stated is None else label_of(stated)
    return theirs if setting is None or setting.label == theirs else f"{theirs}; ours: {setting.label}"


def _ours(figure: PublishedFigure, settings: Sequence[Setting], best: Setting | None) -> Setting | None:
    return best if figure.setting is None else find(settings, figure.setting)


def _with_own(rows: list[SystemRow], names: Sequence[str], setting: Setting) -> list[SystemRow]:
    """Our best setting in the row of the poster's own system where it is that model, else in a row of its own."""
    own = _own(names, setting)
    model = setting.trials[0].config.model
    if model.hub_id != POSTER_BASE or model.path is not None:
        return [*rows, own]
    return [
        replace(row, cells={name: _better_known(own.cells[name], row.cells[name]) for name in names}, note=own.note)
        if row.on_poster and row.name == "T5-small"
        else row
        for row in rows
    ]


def _better_known(measured: Cell, published: Cell) -> Cell:
    return measured if measured.value is not None else published


def _own(names: Sequence[str], setting: Setting) -> SystemRow:
    """Our best setting: its Decomposer alone, where it was tested on one of these benchmarks, whole."""
    config = setting.trials[0].config
    limited = config.data.limit is not None or config.generation.limit is not None
    own = {("spider", "EX"): "decomposer/execution_accuracy", ("spider", "EM"): "decomposer/spider_em"}
    cells = {}
    for name in names:
        corpus, _, what = name.replace(" dev ", " ").lower().partition(" ")
        metric = own.get((corpus, what.upper())) if config.data.split_by == "published" else None
        found = measured(setting, metric) if metric and config.data.format == corpus else None
        if found is None or found.value is None:
            cells[name] = Cell("not applicable", note=f"tested on data={config.data.format}")
        elif limited:
            cells[name] = Cell("not applicable", note="tested on a few of its questions (data.limit, generation.limit)")
        else:
            percent = 100 * found.value
            seeds = f"{found.seeds} seed{'' if found.seeds == '1' else 's'}"
            text = f"{percent:.4g} (n = {found.answers}, {seeds})"
            cells[name] = replace(found, value=percent, text=text, data=name)
    note = "The Decomposer alone, not the three agents end to end."
    missing = dict.fromkeys(cell.note for cell in cells.values() if cell.value is None)
    if len(missing) == 1 and all(cell.value is None for cell in cells.values()):
        note = f"{note} Not applicable: {next(iter(missing))}, which is none of these benchmarks as published."
    return SystemRow("this sweep's best", setting.trials[0].model, False, cells, note)
