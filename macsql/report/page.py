"""What stands on the report's page: a comparison, arranged as its template shows it."""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from macsql.comparison.epochs import LOSSES, epoch_tables
from macsql.comparison.experiment import Comparison
from macsql.comparison.figures import LAST, WHOSE, title
from macsql.comparison.generation import ShownExample
from macsql.comparison.settings import loss_notes, losses_comparable
from macsql.comparison.side_by_side import Row
from macsql.metrics.taxonomy import UNJUDGED, Finding
from macsql.report.charts import answers as answer_charts
from macsql.report.charts import losses, search
from macsql.report.conclusion import conclusion
from macsql.report.terminal import (
    WHY,
    columns,
    in_best_setting,
    minimum_in_words,
    objectives,
    over_seeds,
    system_lines,
)

DASH = "–"


def contents(comparison: Comparison) -> dict[str, Any]:
    """Everything that the template names, except its style sheet."""
    reasons = list(dict.fromkeys(reason for row in comparison.rows for reason in row.reasons))
    doubts = list(dict.fromkeys(row.poster.note for row in comparison.rows if row.poster.note))
    compare_losses, said_above = losses_comparable(comparison.settings), loss_notes(comparison.settings)
    context = {
        "name": comparison.name,
        "known": comparison.published,
        "conclusion": conclusion(comparison),
        "disagreements": comparison.disagreements,
        "facts": _facts(comparison),
        "rows": [_poster_row(row, reasons, doubts) for row in comparison.rows],
        "epoch_tables": epoch_tables(comparison),
        "epoch_losses": LOSSES,
        "reasons": reasons,
        "why": WHY,
        "doubts": doubts,
        "overview": losses.overview(comparison.trials, comparison.published, ranked=compare_losses),
        "compare_losses": compare_losses,
        "loss_notes": said_above,
        "panels": losses.panels(comparison.trials, comparison.published),
        "curve_doubts": list(dict.fromkeys(curve.doubt for curve in comparison.published.curves if curve.doubt)),
        "whose": WHOSE,
        "notes": [note for note in comparison.notes if note not in said_above],
        "systems": [(row, system_lines(row)) for row in comparison.systems],
        "system_columns": list(comparison.systems[0].cells) if comparison.systems else [],
        "examples": _examples(comparison.examples),
        **_trials(comparison),
        **_statistics(comparison),
        **_answers(comparison),
        **_search(comparison),
    }
    return context | {"sections": _sections(context)}


def _facts(comparison: Comparison) -> list[tuple[str, str, bool]]:
    made = comparison.provenance
    tested = ", ".join(f"{count} {WHOSE[agent]}" for agent, count in made.test_rows.items())
    scale = made.scale if made.scale != "full" else "full: nothing is made smaller"
    return [
        ("Command", made.command or "not recorded", bool(made.command)),
        ("Data", f"{made.data}, fingerprint {made.fingerprint}", False),
        ("Model", made.model, False),
        ("Scale", f"{scale}. {made.scale_note}" if made.scale_note else scale, False),
        ("Trials", comparison.progress or f"all {comparison.planned} have finished", False),
        ("Seeds", ", ".join(map(str, made.seeds)), False),
        ("Scored on", f"{tested or 'no'} test rows", False),
        ("Protocol", f"named beside each figure; at most {made.time_limit:g} s for one SQL statement", False),
        ("Machine", made.machine, False),
        ("Code", made.code, False),
    ]


def _poster_row(row: Row, reasons: Sequence[str], doubts: Sequence[str]) -> dict[str, Any]:
    marks = [str(place) for place, reason in enumerate(reasons, start=1) if reason in row.reasons]
    if row.poster.note:
        marks.append(_letter(doubts.index(row.poster.note)))
    said = DASH if row.difference is None else "no" if row.reasons else "yes"
    return {
        "title": row.title,
        "setting": row.setting,
        "poster": row.poster,
        "ours": row.ours,
        "difference": row.difference,
        "comparable": f"{said} [{', '.join(marks)}]" if marks else said,
    }


def _trials(comparison: Comparison) -> dict[str, Any]:
    groups = columns(comparison)
    keys = [key for words in groups.values() for key in words]
    rows = [
        {
            "label": report.trial.label,
            "best": in_best_setting(comparison, report),
            "state": "" if report.trial.finished else report.trial.state,
            "figures": [report.figures.get(key) for key in keys],
        }
        for report in comparison.trials
    ]
    several = [setting for setting in comparison.settings if len(setting.trials) > 1]
    seeds = [
        {"label": setting.label, "count": len(setting.trials), "figures": [setting.figure(key) for key in keys]}
        for setting in (comparison.settings if several else ())
    ]
    return {
        "groups": groups,
        "trials": rows,
        "seeds": seeds,
        "objective": title(objectives(comparison)[0]),
        "last": LAST,
    }


def _statistics(comparison: Comparison) -> dict[str, Any]:
    held = comparison.contrasts
    widest = max((abs(end) for item in held for end in (item.difference.low, item.difference.high)), default=0.0)
    reach = max(0.05, math.ceil(widest * 20) / 20)
    rows, before = [], ""
    for item in held:
        bar = answer_charts.interval_bar(item.difference, reach)
        rows.append(
            {
                "setting": item.setting if item.setting != before else "",
                "item": item,
                "bar": bar,
                "seeds": over_seeds(item),
            }
        )
        before = item.setting
    return {
        "contrasts": rows,
        "reach": f"{reach:g}",
        "minimum": minimum_in_words(comparison.minimum) if comparison.minimum else "",
        "against": comparison.reference.label if comparison.reference else "",
    }


def _answers(comparison: Comparison) -> dict[str, Any]:
    colours = answer_charts.failure_colours(comparison.answers)
    words = {word for row in comparison.answers for word, _ in row.notes}
    return {
        "answers": [(row, answer_charts.answers_bar(row, colours)) for row in comparison.answers],
        "failure_colours": colours,
        "other_failures": bool(words - set(colours)),
        "best_label": comparison.best.label if comparison.best else "",
        "answered_by": comparison.answered_by,
    }


def _search(comparison: Comparison) -> dict[str, Any]:
    """Optuna's plots, for a sweep of more than one trial."""
    from macsql.search.space import read_space
    from macsql.search.study import importances

    config = comparison.trials[0].trial.config
    objective = search.Objective(config.sweep.objectives[0], config.sweep.sign() > 0)
    values = [(report, search.value_of(report, objective)) for report in comparison.trials]
    tried = [(report.trial.point, value) for report, value in values if value is not None]
    if len(comparison.trials) < 2 or not tried:
        return {"history": None}
    space = read_space(config.search.space)
    without = [report.trial.state.lower() for report, value in values if value is None]
    return {
        "history": search.history(comparison.trials, objective),
        "parallel": search.parallel(comparison.trials, objective, space),
        "importance": search.importance(importances(tried, space)),
        "finished": len(tried),
        "missing": ", ".join(f"{without.count(state)} {state}" for state in dict.fromkeys(without)),
    }


def _examples(shown: Sequence[ShownExample]) -> list[tuple[str, list[dict[str, Any]]]]:
    groups = groupby(shown, key=lambda row: row.agent)
    return [(agent, [_example(row) for row in rows]) for agent, rows in groups]


def _example(row: ShownExample) -> dict[str, Any]:
    css = "right" if row.verdict == Finding.RIGHT else "unjudged" if row.verdict in UNJUDGED else "wrong"
    ended = " (cut at the token limit)" if row.truncated else ""
    same = row.output == row.raw_output
    texts = [
        ("schema", row.schema),
        ("SQL to repair", row.broken_sql),
        ("what running it gave", row.error),
        ("right answer", row.target),
        (f"raw and decoded output{ended}" if same else f"raw output{ended}", row.raw_output or "(nothing)"),
        ("decoded output", "" if same else row.output or "(nothing)"),
        ("gold SQL", "" if row.gold_sql == row.target else row.gold_sql),
        ("SQL found in the answer", "" if row.sql == row.output else row.sql),
        ("said of it", row.message),
    ]
    return {"row": row, "css": css, "texts": [(name, text) for name, text in texts if text]}


def _sections(context: dict[str, Any]) -> list[tuple[str, str]]:
    known = [
        ("poster", "Poster beside ours", context["rows"]),
        ("losses", "Loss curves", True),
        ("trials", "Trials", True),
        ("statistics", "What a difference is worth", context["contrasts"]),
        ("answers", "Answers", context["answers"]),
        ("search", "The search", context["history"]),
        ("systems", "Systems", context["systems"]),
        ("notes", "Notes", context["notes"]),
        ("examples", "Examples", context["examples"]),
    ]
    return [(anchor, words) for anchor, words, there in known if there]


def _letter(place: int) -> str:
    """The mark that a browser gives to an item of a lettered list."""
    return chr(ord("a") + place % 26) if place < 26 else f"{_letter(place // 26 - 1)}{_letter(place % 26)}"
