"""What stands on the report's page: a comparison, arranged as its template shows it."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from macsql.charts import losses, search
from macsql.charts.answers import failure_colours
from macsql.charts.learning_curve import learning_curve
from macsql.comparison.experiment import Comparison
from macsql.comparison.figures import WHOSE, title
from macsql.comparison.generation import ShownExample
from macsql.comparison.settings import losses_comparable
from macsql.metrics.taxonomy import UNJUDGED, AnswerOutcome
from macsql.report.conclusion import conclusion
from macsql.report.notes import loss_notes, minimum_in_words, notes, reading
from macsql.report.tables.answers import answers_table, systems_table
from macsql.report.tables.poster import DOUBTS, WHY, doubts, epoch_table, poster_table, why
from macsql.report.tables.statistics import contrasts_table, effects_table
from macsql.report.tables.trials import objectives, settings_table, trials_table


def contents(comparison: Comparison) -> dict[str, Any]:
    """Everything that the template names, except its style sheet."""
    known, said_above = comparison.published, loss_notes(comparison.settings)
    compare_losses = losses_comparable(comparison.settings)
    several = any(len(setting.trials) > 1 for setting in comparison.settings)
    context = {
        "name": comparison.name,
        "known": known,
        "conclusion": conclusion(comparison),
        "disagreements": comparison.disagreements,
        "facts": _facts(comparison),
        "poster": poster_table(comparison),
        "epochs": [(epoch_table(table), table.curve.heading) for table in comparison.epochs],
        "why": (WHY, why(comparison)),
        "doubts": (DOUBTS, doubts(comparison)),
        "overview": losses.overview(comparison.trials, known, ranked=compare_losses),
        "compare_losses": compare_losses,
        "loss_notes": said_above,
        "panels": losses.panels(comparison.trials, known),
        "curve_doubts": list(dict.fromkeys(curve.doubt for curve in known.curves if curve.doubt)),
        "trials": trials_table(comparison),
        "settings": settings_table(comparison) if several else None,
        "objective": title(objectives(comparison)[0]),
        "reading": reading(comparison),
        "contrasts": contrasts_table(comparison),
        "minimum": minimum_in_words(comparison.minimum) if comparison.minimum else "",
        "effects": effects_table(comparison),
        "answers": answers_table(comparison),
        "best_label": comparison.best.label if comparison.best else "",
        "learning_curve": learning_curve(comparison.settings),
        "systems": systems_table(comparison.systems),
        "notes": [note for note in notes(comparison) if note not in said_above],
        "whose": WHOSE,
        "examples": _examples(comparison.examples),
        **_failures(comparison),
        **_search(comparison),
    }
    return context | {"sections": _sections(context)}


def _facts(comparison: Comparison) -> list[tuple[str, str, bool]]:
    """Name, value, and whether it is code."""
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
        ("Protocol", f"named beside each figure; at most {made.time_limit:g} s per SQL statement", False),
        ("Machine", made.machine, False),
        ("Code", made.code, False),
    ]


def _failures(comparison: Comparison) -> dict[str, Any]:
    """What the colours of the answers' bars stand for."""
    colours = failure_colours(comparison.answers)
    words = {word for row in comparison.answers for word, _ in row.notes}
    return {"failure_colours": colours, "other_failures": bool(words - set(colours))}


def _search(comparison: Comparison) -> dict[str, Any]:
    """Optuna's plots, for a sweep of more than one trial."""
    from macsql.search.space import read_space
    from macsql.search.study import importances

    config = comparison.trials[0].trial.config
    objective = search.Objective(config.sweep.objectives[0], config.sweep.sign() > 0)
    values = [(each, search.value_of(each, objective)) for each in comparison.trials]
    tried = [(each.trial.setting, value) for each, value in values if value is not None]
    if len(comparison.trials) < 2 or not tried:
        return {"history": None}
    space = read_space(config.search.space)
    without = [each.trial.state.lower() for each, value in values if value is None]
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
    css = "right" if row.outcome == AnswerOutcome.RIGHT else "unjudged" if row.outcome in UNJUDGED else "wrong"
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
        ("message", row.message),
    ]
    return {"row": row, "css": css, "texts": [(name, text) for name, text in texts if text]}


def _sections(context: dict[str, Any]) -> list[tuple[str, str]]:
    known = [
        ("poster", "Poster beside ours", context["poster"].rows),
        ("losses", "Loss curves", True),
        ("trials", "Trials", True),
        ("statistics", "What a difference is worth", context["contrasts"].rows),
        ("answers", "Answers", context["answers"].rows),
        ("curve", "Learning curve", context["learning_curve"]),
        ("search", "The search", context["history"]),
        ("systems", "Systems", context["systems"].rows),
        ("notes", "Notes", context["notes"]),
        ("examples", "Examples", context["examples"]),
    ]
    return [(anchor, words) for anchor, words, there in known if there]
