"""The comparison on the screen."""

import math
from textwrap import wrap

from rich.console import Console
from rich.table import Table

from macsql.comparison.contrasts import Contrast, MinimumDetectableDifference
from macsql.comparison.experiment import Comparison, MeasuredTrial
from macsql.comparison.figures import LAST, WHOSE, title
from macsql.comparison.generation import AgentAnswers
from macsql.comparison.settings import Setting, losses_comparable
from macsql.comparison.side_by_side import Cell, SystemRow
from macsql.report.conclusion import conclusion

COLUMNS = {  # of the trials' tables: group -> figure -> heading
    "loss": {"eval_loss": "eval", "train_loss": "train"},
    "all agents": {"all/rouge_l": "ROUGE-L", "all/exact_match": "EM", "all/execution_accuracy": "EX"},
    "Selector": {"selector/rouge_l": "ROUGE-L", "selector/exact_match": "EM", "selector/accuracy": "right"},
    "Decomposer": {
        "decomposer/rouge_l": "ROUGE-L",
        "decomposer/exact_match": "EM",
        "decomposer/execution_accuracy": "EX",
    },
    "Refiner": {"refiner/rouge_l": "ROUGE-L", "refiner/exact_match": "EM", "refiner/execution_accuracy": "EX"},
}
OBJECTIVE = "objective"  # the group of what the sweep was decided by, where that is none of the above
BRIEF = {"loss": "loss", "all agents": "all", "Selector": "S", "Decomposer": "D", "Refiner": "R"}
WHY = "Why these are not comparable with the poster's figures"
LABEL = 50  # letters for a setting where a line has much else to say
HEADING = 12  # letters in a line of a column's heading
LEAST = 30  # the same for a trial, on a narrow screen
ANSWERS = "Answers of the best trial"
NARROW = 130  # letters below which a screen shows less
WIDTH = 170  # where there is no terminal
COUNT = 10.0  # from which on a figure without a fraction is a count
MOST_TRIALS = 40  # that a screen shows
MOST_SEEDS = 1  # seeds from which on settings have a table of their own


def show(comparison: Comparison, console: Console | None = None) -> None:
    """Print everything but curves and examples."""
    console = console or (Console(markup=False) if Console().is_terminal else Console(width=WIDTH, markup=False))
    made, known = comparison.provenance, comparison.published
    console.print(f"{known.title}. {known.question}" if known.question else known.title, highlight=False)
    rows = ", ".join(f"{count} {agent}" for agent, count in made.test_rows.items())
    said = [
        f"Data {made.data} (fingerprint {made.fingerprint}), model {made.model}, scale {made.scale}, seeds "
        f"{', '.join(map(str, made.seeds))}; scored on {rows or 'no'} test answers; machine: {made.machine}.",
        *([f"Command: {made.command}"] if made.command else []),
        *([f"Scale {made.scale}: {made.scale_note}"] if made.scale_note else []),
    ]
    for line in said:
        console.print(line, highlight=False)
    for table in (
        _trials(comparison, console.width),
        _seeds(comparison, console.width),
        _poster(comparison, console.width),
        _answers(comparison),
        _contrasts(comparison, console.width),
        _systems(comparison),
    ):
        if table is not None and table.row_count:
            console.print(table)
    for line in [*_reading(comparison), *comparison.disagreements]:
        console.print(line, highlight=False)
    console.print(f"Conclusion: {conclusion(comparison)}", highlight=False)


def columns(comparison: Comparison) -> dict[str, dict[str, str]]:
    """The figures of the trials' tables as in COLUMNS, those that some trial has; what decided comes first."""
    known = {name for report in comparison.trials for name in report.figures}
    usual = {name for group in COLUMNS.values() for name in group}
    own = {name: title(name) for name in objectives(comparison) if name not in usual}
    groups = {OBJECTIVE: own, **COLUMNS}
    kept = {group: {key: word for key, word in words.items() if key in known} for group, words in groups.items()}
    return {group: words for group, words in kept.items() if words}


def objectives(comparison: Comparison) -> list[str]:
    """The figures that the sweep optimises; the first one names the best trial."""
    return comparison.trials[0].trial.config.sweep.objectives


def answered_by(comparison: Comparison) -> str:
    """Which of several seeds the answers are of, in brackets; empty for one seed."""
    return f" ({comparison.answered_by})" if comparison.answered_by else ""


def in_best_setting(comparison: Comparison, report: MeasuredTrial) -> bool:
    """Whether a trial is one of the best setting's seeds."""
    best = comparison.best_setting
    return best is not None and any(report.trial is trial for trial in best.trials)


def over_seeds(contrast: Contrast) -> str:
    """The difference under each of several seeds, and the interval of their mean; empty for one seed."""
    if contrast.over_seeds is None:
        return ""
    each, found = ", ".join(map(signed, contrast.by_seed)), contrast.over_seeds
    return f"by seed {each}: {signed(found.low)} to {signed(found.high)} (Student's t)"


def poster_said(row: AgentAnswers) -> str:
    """The poster's figure for an agent with its own note: "0 of 2: malformed structure"."""
    return ": ".join(filter(None, (row.poster.printed, row.poster.said))) if row.poster else "-"


def minimum_in_words(minimum: MinimumDetectableDifference) -> str:
    """How small a difference the test questions can show, in a sentence."""
    questions = f"{minimum.questions} test question{'s' if minimum.questions != 1 else ''}"
    shared = f", none below {minimum.smallest_holm:.1%} in one of {minimum.tests}" if minimum.tests > 1 else ""
    return f"With {questions} no difference below {minimum.smallest:.1%} can show in one test (McNemar, 5 %){shared}."


def _trials(comparison: Comparison, width: int) -> Table:
    best = title(objectives(comparison)[0])
    table = _table(f"Trials (S = Selector, D = Decomposer, R = Refiner; train loss: the last {LAST}; * best by {best})")
    table.add_column("trial", overflow="fold")
    keys = _add_columns(table, comparison, width, "0.000")
    kept = _best(comparison)
    for report in kept:
        table.add_row(_name(comparison, report), *(_number(report.figures.get(key)) for key in keys))
    if others := len(comparison.trials) - len(kept):
        table.add_row(f"… and {others} others, none of them better: see results.csv")
    return table


def _best(comparison: Comparison) -> list[MeasuredTrial]:
    """The trials that a screen has room for: all of a few, of many the best ones by the first objective."""
    if len(comparison.trials) <= MOST_TRIALS:
        return list(comparison.trials)
    sign = comparison.trials[0].trial.config.sweep.sign()

    def worth(report: MeasuredTrial) -> float:
        value = report.figures.get(objectives(comparison)[0])
        return math.inf if value is None or not report.trial.finished else sign * value

    return sorted(comparison.trials, key=worth)[:MOST_TRIALS]


def _seeds(comparison: Comparison, width: int) -> Table | None:
    if not any(len(setting.trials) > MOST_SEEDS for setting in comparison.settings):
        return None
    table = _table("Settings over their seeds: mean and standard deviation")
    table.add_column("setting", overflow="fold")
    table.add_column("seeds", justify="right")
    keys = _add_columns(table, comparison, width, "0.000 ±0.000")
    for setting in comparison.settings:
        table.add_row(setting.label, str(len(setting.trials)), *(_scattered(setting, key) for key in keys))
    return table


def _add_columns(table: Table, comparison: Comparison, width: int, cell: str) -> list[str]:
    """A column for each figure, group by group as far as the screen goes; results.csv has them all."""
    keys: list[str] = []
    room = width - LEAST - 4 - sum(len(str(column.header)) + 3 for column in table.columns[1:])
    for group, words in columns(comparison).items():
        headings = {key: [BRIEF.get(group, group), *wrap(word, HEADING)] for key, word in words.items()}
        room -= sum(max(map(len, (cell, *heading))) + 3 for heading in headings.values())
        if room < 0:
            table.caption = "A wider screen shows the agents one by one, as does results.csv."
            table.caption_justify = "left"
            break
        for key, heading in headings.items():
            table.add_column("\n".join(heading), justify="right")
            keys.append(key)
    return keys


def _poster(comparison: Comparison, width: int) -> Table:
    between = " " if width >= NARROW else "\n"
    table = _table("The poster beside this sweep (difference = ours - poster)")
    table.add_column("figure; setting", overflow="fold", min_width=20)
    for heading in ("poster", "ours", "difference", "seeds"):
        table.add_column(heading, justify="right")
    table.add_column("comparable?")
    for row in comparison.rows:
        table.add_row(
            f"{row.title}; {row.setting}",
            f"{row.poster.text}{between}{row.poster.kind}",
            f"{_number(row.ours.value)}{between}{row.ours.kind}",
            "-" if row.difference is None else signed(row.difference),
            row.ours.seeds or "-",
            "-" if row.difference is None else "no" if row.reasons else "yes",
        )
    return table


def _answers(comparison: Comparison) -> Table:
    table = _table(f"{ANSWERS}{answered_by(comparison)}, right and wrong (accuracy with its exact 95 % interval)")
    for heading in ("agent", "correct", "incorrect", "not judged", "accuracy", "poster", "notes"):
        left = heading in {"agent", "notes"}
        table.add_column(heading, justify="left" if left else "right", no_wrap=heading == "agent")
    for row in comparison.answers:
        found = row.accuracy
        table.add_row(
            WHOSE[row.agent],
            str(row.correct),
            str(row.incorrect),
            str(row.unjudged),
            f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%})" if found else "-",
            poster_said(row),
            ", ".join(f"{word} {count}" for word, count in row.notes),
        )
    return table


def _contrasts(comparison: Comparison, width: int) -> Table:
    against = comparison.reference.label if comparison.reference else ""
    table = _table(f"Each setting minus {against}, question by question")
    table.add_column("setting; figure", overflow="fold", max_width=LABEL)
    table.add_column("difference (95 %)", justify="right", min_width=len("+0.000 (+0.000 to +0.000)"))
    last, one_seed = "", all(item.over_seeds is None for item in comparison.contrasts)
    for item in comparison.contrasts:
        cells = {
            "better": "" if item.p is None else str(item.better),
            "worse": "" if item.p is None else str(item.worse),
            "p": _p(item.p),
            "p (Holm)": _p(item.p_holm),
            **({"visible": "" if item.detectable is None else f"{item.detectable:.3f}"} if one_seed else {}),
            "questions": str(item.questions),
            "seeds": str(item.seeds),
        }
        kept = list(cells) if width >= NARROW else ["p (Holm)"]
        if not last:
            for heading in kept:
                table.add_column(heading, justify="right")
        if item.setting != last:
            table.add_section()
            table.add_row(item.setting)
        found = item.difference
        difference = f"{signed(found.value)} ({signed(found.low)} to {signed(found.high)})"
        table.add_row(f"  {item.title}", difference, *(cells[heading] for heading in kept))
        if item.over_seeds is not None:
            table.add_row("", over_seeds(item))
        last = item.setting
    return table


def _systems(comparison: Comparison) -> Table:
    table = _table("The poster's three systems, and others (in percent, published where nothing else is said)")
    table.add_column("system", overflow="fold")
    names = list(comparison.systems[0].cells) if comparison.systems else []
    for name in names:
        table.add_column(name, justify="right")
    for row in comparison.systems:
        cells = [row.cells[name] for name in names]
        mark = " (poster)" if row.on_poster else ""
        shown = [_percent(cell) for cell in cells]
        table.add_row(f"{row.name}{mark}", *shown)
    table.caption = "n/a: not applicable, nothing is published.\n" + "\n".join(
        ". ".join([row.name, *(line.rstrip(".") for line in system_lines(row))]) + "." for row in comparison.systems
    )
    table.caption_justify = "left"
    return table


def _percent(cell: Cell) -> str:
    if cell.value is None:
        return "n/a"
    return f"{cell.text or f'{cell.value:.4g}'}{'' if cell.kind == 'published' else f' {cell.kind}'}"


def system_lines(row: SystemRow) -> list[str]:
    """What a system is, what is to be known of its figures, and who published them."""
    sources = dict.fromkeys(cell.note for cell in row.cells.values() if cell.kind == "published" and cell.note)
    return [line for line in (f"Model: {row.model}", row.note, *(f"Source: {source}" for source in sources)) if line]


def _reading(comparison: Comparison) -> list[str]:
    """How to read the tables, in sentences."""
    lines = []
    reasons = dict.fromkeys(reason for row in comparison.rows for reason in row.reasons)
    if reasons:
        lines.append(f"{WHY}:")
        lines += [f"  {reason}" for reason in reasons]
    doubts = dict.fromkeys(row.poster.note for row in comparison.rows if row.poster.note)
    if doubts:
        lines.append("What the poster leaves open:")
        lines += [f"  {doubt}" for doubt in doubts]
    if comparison.contrasts and comparison.minimum is not None:
        lines.append(minimum_in_words(comparison.minimum))
    if any(contrast.detectable is not None for contrast in comparison.contrasts):
        lines.append(
            "`visible`: the true difference that a test finds four times out of five, given how many answers changed."
        )
    if not losses_comparable(comparison.settings):
        lines.append("The eval losses above do not compare from setting to setting.")
    return lines + [f"Note: {note}" for note in comparison.notes]


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left")


def _name(comparison: Comparison, report: MeasuredTrial) -> str:
    trial = report.trial
    state = "" if trial.finished else f" ({trial.state})"
    return f"{trial.label}{state}{' *' if in_best_setting(comparison, report) else ''}"


def _scattered(setting: Setting, metric: str) -> str:
    found = setting.figure(metric)
    if found is None:
        return "-"
    return f"{found.mean:.3f}" + (f" ±{found.deviation:.3f}" if found.deviation is not None else "")


def _number(value: float | None) -> str:
    return "-" if value is None else figure(value)


def figure(value: float, form: str = ".3f") -> str:
    """A score or a loss to three digits; a count as a whole number."""
    return format(value, form.replace(".3", ".0") if abs(value) >= COUNT and float(value).is_integer() else form)


def signed(value: float) -> str:
    """A difference with its sign; what rounds to 0 is not below it."""
    return figure(round(value, 3) + 0.0, "+.3f")


def _p(value: float | None) -> str:
    return "" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"
