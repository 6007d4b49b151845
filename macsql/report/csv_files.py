"""The comparison as files: results.csv, a line a trial, and comparison.csv, a line a figure of the poster."""

import csv
from pathlib import Path
from typing import Any

from macsql.comparison.epochs import epoch_rows
from macsql.comparison.experiment import Comparison, MeasuredTrial


def write_results(comparison: Comparison, path: Path) -> Path:
    """One line a trial: what was asked, by what command, on what; how it ended; every figure, derived again."""
    keys = sorted({key for report in comparison.trials for key in report.trial.point})
    names = sorted({name for report in comparison.trials for name in report.figures})
    about = ["data", "data_fingerprint", "model", "scale", "machine", "code", "command", "notes"]
    header = ["trial", "repeat", "seed", *keys, "status", "reason", "steps", "seconds", *about, *names]
    lines = [
        [
            report.trial.key,
            report.trial.repeat,
            report.trial.config.seed,
            *(report.trial.point.get(key, "") for key in keys),
            *_end(report),
            *_about(report),
            *(report.figures.get(name, "") for name in names),
        ]
        for report in comparison.trials
    ]
    return _write(path, header, lines)


def read(path: Path) -> list[dict[str, str]]:
    """The lines of a results.csv; none where there is no such file, or one of an older layout."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return [line for line in lines if {"seed", "data_fingerprint", "scale"} <= line.keys()]


def write_comparison(comparison: Comparison, path: Path) -> Path:
    """One line a figure of the poster, its losses of each epoch too: both cells with all that is known of them."""
    fields = ("kind", "value", "protocol", "data", "model", "scale", "seeds", "answers", "note")
    header = [
        "metric",
        "title",
        "setting",
        *(f"poster_{name}" for name in fields),
        *(f"ours_{name}" for name in fields),
    ]
    lines = [
        [
            row.metric,
            row.title,
            row.setting,
            *(_blank(getattr(row.poster, name)) for name in fields),
            *(_blank(getattr(row.ours, name)) for name in fields),
            _blank(row.difference),
            " ".join(row.reasons),
        ]
        for row in (*comparison.rows, *epoch_rows(comparison))
    ]
    return _write(path, [*header, "difference", "not_comparable_because"], lines)


def _end(report: MeasuredTrial) -> list[Any]:
    result = report.trial.result
    return (
        [report.trial.state, result.reason, result.steps, result.seconds] if result else [report.trial.state, *[""] * 3]
    )


def _about(report: MeasuredTrial) -> list[str]:
    trial = report.trial
    notes = " ".join(trial.result.notes) if trial.result else ""
    config = trial.config
    return [
        config.data.format,
        trial.fingerprint,
        trial.model,
        config.scale.name,
        trial.machine,
        trial.code,
        trial.command,
        notes,
    ]


def _blank(value: Any) -> Any:
    return "" if value is None else value


def _write(path: Path, header: list[str], lines: list[list[Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *lines])
    return path
