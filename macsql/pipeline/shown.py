"""An answer as people and programs are shown it: rows as a table, CSV or JSON, and what each agent read and wrote."""

import csv
import io
import math
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from macsql.counts import counted
from macsql.database.outcome import Outcome
from macsql.pipeline.turns import Answered, Attempt, Ending, Turn

ROWS = 50  # of a table on a terminal
CELL = 60  # letters of its cells
# An answer that was overruled more often is doubted. Of 475 questions of Spider dev, answered greedily by the shipped
# model, 292 were: 10 % of their answers were right, of the other 183 43 %.
DOUBTED = 3
TITLES = {"selector": "Selector", "decomposer": "Decomposer", "refiner": "Refiner"}


def table(outcome: Outcome) -> None:
    """Print rows as a table, the first ROWS of them."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    shown = Table(*(escape(clean(name)) for name in outcome.columns))
    for row in outcome.rows[:ROWS]:
        shown.add_row(*(escape(_cut(clean(value))) for value in row))
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    console.print(shown)
    more = len(outcome.rows) - ROWS
    print(f"{counted(len(outcome.rows), 'row')}{f', {more} of them not shown: --csv has them' if more > 0 else ''}")


def csv_lines(outcome: Outcome) -> Iterator[str]:
    """Rows as CSV with a header; NULL is an empty field, bytes are hexadecimal digits."""
    for row in (outcome.columns, *outcome.rows):
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(
            [value.hex() if isinstance(value, bytes) else value for value in row]
        )
        yield line.getvalue()


def as_json(answered: Answered, outcome: Outcome | None, cut: bool, trace: bool) -> dict[str, Any]:
    """An answer for programs; with `trace`, every agent's turn."""
    told: dict[str, Any] = {
        "question": answered.question.text,
        "database": answered.question.db_id,
        "answered": outcome is not None,
        "sql": answered.sql,
        "columns": list(outcome.columns) if outcome is not None else [],
        "rows": [[plain(value) for value in row] for row in outcome.rows] if outcome is not None else [],
        "only_first_rows": cut,
        "message": "" if outcome is not None else reason(answered),
        "overruled": answered.overruled,
    }
    if trace:
        told["turns"] = turns_json(answered)
    return told


def turns_json(answered: Answered) -> list[dict[str, Any]]:
    """Every agent's turn for programs, without the rows."""
    return [_turn_json(turn, attempt) for turn, attempt in turns(answered)]


def turns(answered: Answered) -> list[tuple[Turn, Attempt | None]]:
    """Every turn, with the query that came of it where there is one."""
    first: list[tuple[Turn, Attempt | None]] = [(answered.selected.turn, None)] if answered.selected else []
    return first + [(attempt.turn, attempt) for attempt in answered.attempts]


def reason(answered: Answered) -> str:
    """One sentence: why there is no answer."""
    if answered.problem:
        return f"{answered.problem.rstrip('.')}."
    chosen = answered.chosen
    if chosen is not None and chosen.outcome is not None:
        said = (
            f"no query ran, the last said `{chosen.outcome.message}`" if chosen.outcome.message else "no query came out"
        )
        return f"The question could not be answered: {said}."
    last = answered.attempts[-1].turn if answered.attempts else None
    if last is not None and last.ending is Ending.NO_ANSWER:
        return f"The question could not be answered: {last.message.rstrip('.')}."
    return "The question could not be answered: what the model wrote holds no SQL."


def doubt(answered: Answered) -> str | None:
    """One sentence, where the constraint has overruled the model so often that its SQL is rarely right."""
    if answered.overruled <= DOUBTED:
        return None
    places = counted(answered.overruled, "place")
    return f"Check the SQL: in {places} the model wanted to write something that this database does not have."


def tried(answered: Answered) -> list[str]:
    """A line for each query or answer that led nowhere."""
    lines = []
    for turn, attempt in turns(answered):
        if attempt is None or turn.ending is Ending.EMPTY:
            continue
        what = attempt.sql if attempt.sql is not None else f"({turn.ending}) {turn.reply.wrote or turn.message}"
        said = f" -> {attempt.outcome.message}" if attempt.outcome is not None and not attempt.outcome.ok else ""
        lines.append(f"  {_name(turn)}: {_cut(clean(what), 300)}{clean(said)}")
    return lines


def trace(answered: Answered) -> list[str]:
    """Who was asked what, and what came of it, line by line."""
    lines = []
    for turn, attempt in turns(answered):
        lines.append(f"--- {_name(turn)} ({turn.seat}): {turn.ending}{f', {turn.message}' if turn.message else ''}")
        for what, text in (("reads", turn.reply.read), ("writes", turn.reply.wrote)):
            if text:
                lines += [f"{what}:", *(f"  {clean(line)}" for line in text.splitlines())]
        if turn.reply.overruled:
            lines.append(f"overruled: {counted(turn.reply.overruled, 'token')}")
        if attempt is not None and attempt.outcome is not None:
            ok = attempt.outcome.ok
            result = counted(len(attempt.outcome.rows), "row") if ok else attempt.outcome.message
            lines.append(f"runs: {clean(attempt.sql)} -> {clean(result)}")
        if attempt is not None and attempt.fault is not None and attempt.outcome is not None and attempt.outcome.ok:
            lines.append(f"at fault: {attempt.fault.error}")
    return lines


def plain(value: Any) -> Any:
    """A value of SQLite as JSON takes it: bytes as hexadecimal digits, a number that JSON lacks as text."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def clean(value: Any) -> str:
    """A value on a line of a terminal: no line break and no control character, which could move its cursor."""
    if value is None:
        return "NULL"
    text = value.hex() if isinstance(value, bytes) else str(value)
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _cut(text: str, most: int = CELL) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _name(turn: Turn) -> str:
    return TITLES[turn.agent] + (f", round {turn.round}" if turn.round else "")


def _turn_json(turn: Turn, attempt: Attempt | None) -> dict[str, Any]:
    outcome = attempt.outcome if attempt is not None else None
    return {
        "agent": turn.agent,
        "round": turn.round,
        "seat": turn.seat,
        "ending": turn.ending.value,
        "message": turn.message,
        "read": turn.reply.read,
        "wrote": turn.reply.wrote,
        "overruled": turn.reply.overruled,
        "sql": attempt.sql if attempt is not None else None,
        "status": outcome.status.value if outcome is not None else None,
        "error": outcome.message if outcome is not None else "",
        "fault": attempt.fault.error if attempt is not None and attempt.fault is not None else "",
    }


def lines_of_schema(names: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """Tables with their columns, for a person who wants to know what can be asked."""
    return [f"  {clean(table)}: {clean(', '.join(columns))}" for table, columns in names]
