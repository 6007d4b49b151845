"""Tables in the READMEs of experiments/, between two marks, written from comparisons and never by hand."""

import re
from collections.abc import Sequence
from pathlib import Path

from macsql.comparison.epochs import LOSSES, EpochTable, epoch_tables
from macsql.comparison.experiment import Comparison
from macsql.comparison.figures import WHOSE, title
from macsql.comparison.published import systems
from macsql.comparison.settings import losses_comparable
from macsql.comparison.side_by_side import Cell, systems_table
from macsql.errors import UserError
from macsql.report.conclusion import conclusion, ours_in_words, poster_in_words
from macsql.report.terminal import ANSWERS, WHY, answered_by, figure, objectives, poster_said, signed, system_lines

BEGIN = "<!-- written by python -m macsql.compare -->"
END = "<!-- end of what is written -->"
HEAD = ("experiment", "question", "poster", "ours", "conclusion")
SYSTEMS = (
    "The poster's three systems, and others: published figures in percent, each as its authors report it. The poster "
    "prints no benchmark figure of its own."
)
OF_A_SETTING = (
    "all/rouge_l",
    "all/exact_match",
    "all/execution_accuracy",
    "decomposer/execution_accuracy",
    "eval_loss",
)
ROW = re.compile(r"\| \[[^\]]*\]\(([^)]+)/README\.md\) \|")
MADE = re.compile(r"- `([^`]+)`: ")


def write_overview(comparison: Comparison, path: Path) -> Path:
    """Put one experiment's row into the table (the question, the poster, ours, the conclusion), and below what made it.

    The rows of other experiments stay, unless they were written under another heading.
    """
    head = markdown(HEAD, [])
    row = [
        f"[{comparison.published.title}]({comparison.name}/README.md)",
        comparison.published.question,
        poster_in_words(comparison),
        f"{ours_in_words(comparison)}{_rate(comparison)}",
        conclusion(comparison),
    ]
    before = _between(path)
    lines = before.splitlines() if head in before else []
    rows = {found[1]: line for line in lines if (found := ROW.match(line))}
    made = {found[1]: line for line in lines if (found := MADE.match(line))}
    rows[comparison.name] = markdown(row, []).splitlines()[0]
    made[comparison.name] = f"- `{comparison.name}`: {_made(comparison)}"
    text = [head, *rows.values(), "", "Made by:", "", *made.values(), *_systems(path.parent)]
    return write_between(path, "\n".join(text))


def write_results(comparison: Comparison, path: Path) -> Path:
    """What came out of one experiment, in its README: poster, ours and difference; answers; the conclusion."""
    parts = [conclusion(comparison), ""]
    if comparison.rows:
        head = ["figure", "setting", "poster", "ours", "difference", "protocol; kind; answers; seeds"]
        cells = [
            [
                row.title,
                row.setting,
                row.poster.text,
                _cell(row.ours.value, "-"),
                _signed(row.difference),
                _about(row.ours),
            ]
            for row in comparison.rows
        ]
        parts += [markdown(head, cells), ""]
        reasons = dict.fromkeys(reason for row in comparison.rows for reason in row.reasons)
        if reasons:
            parts += [f"{WHY}:", "", *(f"- {reason}" for reason in reasons), ""]
        for table in epoch_tables(comparison):
            parts += [
                f"Losses epoch by epoch, {table.setting} (train: {LOSSES['train_loss']}):",
                "",
                _epochs(table),
                "",
            ]
    if len(comparison.settings) > 1 or not comparison.rows:
        parts += [
            f"Every setting; the best one by {title(objectives(comparison)[0])} has a star:",
            "",
            _settings(comparison),
            "",
        ]
    if comparison.answers:
        head = ["agent", "correct", "incorrect", "accuracy", "poster", "notes"]
        cells = [
            [
                WHOSE[row.agent],
                str(row.correct),
                str(row.incorrect),
                f"{row.accuracy.value:.1%}" if row.accuracy else "-",
                poster_said(row),
                ", ".join(f"{word} {count}" for word, count in row.notes) or "-",
            ]
            for row in comparison.answers
        ]
        parts += [f"{ANSWERS}{answered_by(comparison)}:", "", markdown(head, cells), ""]
    parts.append(f"Made by {_made(comparison)}")
    return write_between(path, "\n".join(parts))


def write_between(path: Path, text: str) -> Path:
    """Put `text` between the two marks of a README, the rest untouched. Raises UserError where a mark is missing."""
    old = _between(path)
    before, _, after = path.read_text(encoding="utf-8").partition(f"{BEGIN}{old}{END}")
    path.write_text(f"{before}{BEGIN}\n{text.strip()}\n{END}{after}", encoding="utf-8")
    return path


def has_marks(path: Path) -> bool:
    """Whether a README has a place for a table."""
    return path.exists() and BEGIN in path.read_text(encoding="utf-8")


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )


def _systems(folder: Path) -> list[str]:
    """The published figures of whole systems, whatever this project has measured, below their heading."""
    rows = systems_table(systems(folder), None)
    if not rows:
        return []
    names = list(rows[0].cells)
    lines = [
        [
            f"{row.name}{' (poster)' if row.on_poster else ''}",
            *(f"{cell.value:.4g} published" if cell.value is not None else cell.kind for cell in row.cells.values()),
            " ".join(line.rstrip(".") + "." for line in system_lines(row)),
        ]
        for row in rows
    ]
    return ["", SYSTEMS, "", markdown(["system", *names, "about"], lines)]


def _rate(comparison: Comparison) -> str:
    factor = comparison.trials[0].trial.config.scale.learning_rate_factor
    return f"; every learning rate times {factor:g}" if factor != 1 else ""


def _settings(comparison: Comparison) -> str:
    compared = OF_A_SETTING if losses_comparable(comparison.settings) else OF_A_SETTING[:-1]
    names = list(dict.fromkeys((*objectives(comparison), *compared)))
    head = ["setting", *map(title, names), "seeds"]
    lines = [
        [
            f"{setting.label}{' *' if setting is comparison.best_setting else ''}",
            *(_mean(setting.figure(name)) for name in names),
            str(len(setting.trials)),
        ]
        for setting in comparison.settings
    ]
    return markdown(head, lines)


def _epochs(table: EpochTable) -> str:
    head = ["epoch", *(f"{name}, {whose}" for name in ("train", "eval") for whose in ("poster", "ours", "difference"))]
    lines = [
        [
            str(epoch.number),
            *(
                cell
                for pair in (epoch.losses[name] for name in LOSSES)
                for cell in (f"{pair.poster:.6f}", _cell(pair.ours, "-"), _signed(pair.difference) or "-")
            ),
        ]
        for epoch in table.epochs
    ]
    return markdown(head, lines)


def _between(path: Path) -> str:
    whole = path.read_text(encoding="utf-8") if path.exists() else ""
    if whole.count(BEGIN) != 1 or whole.count(END) != 1 or whole.index(BEGIN) > whole.index(END):
        raise UserError(f"{path} needs one line {BEGIN!r} and, behind it, one line {END!r} for its table.")
    return whole.partition(BEGIN)[2].partition(END)[0]


def _made(comparison: Comparison) -> str:
    made = comparison.provenance
    seeds = ", ".join(map(str, made.seeds))
    return (
        f"`{made.command or 'a command that was not recorded'}` on {made.machine}; code {made.code}, data {made.data} "
        f"(fingerprint {made.fingerprint}), model {made.model}, scale {made.scale}, seeds {seeds}."
    )


def _about(cell: Cell) -> str:
    """What one must know of a figure of ours: "spider-ex; measured; 160 answers; 3 seeds"."""
    answers = f"{cell.answers} answers" if cell.answers else ""
    seeds = f"{cell.seeds} seed{'' if cell.seeds == '1' else 's'}" if cell.seeds else ""
    return "; ".join(filter(None, (cell.protocol, cell.kind, answers, seeds)))


def _cell(value: float | None, kind: str) -> str:
    return kind if value is None else figure(value)


def _signed(value: float | None) -> str:
    return "" if value is None else signed(value)


def _mean(found: object) -> str:
    value = getattr(found, "mean", None)
    return "-" if value is None else f"{value:.3f}"
