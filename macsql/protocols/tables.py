"""Scores in tables by level of difficulty, on a terminal or as plain text."""

import sys
from collections.abc import Iterable, Sequence

from macsql.protocols.bench import Bench, Pair, Score
from macsql.protocols.spider.em import COMPONENTS, EmVerdict, GoldUnreadable, exact_match, hardness
from macsql.protocols.spider.hardness import LEVELS

UNKNOWN = "unknown"  # the level of a gold query that Spider's grammar does not read
ALL = "all"

Table = list[list[str]]  # rows of cells, the first row the heading


def level(pair: Pair, bench: Bench) -> str:
    """How hard the gold query is: easy, medium, hard, extra or unknown."""
    try:
        return hardness(bench.schema(pair.db_id), pair.gold)
    except GoldUnreadable:
        return UNKNOWN


def score_table(levels: Sequence[str], scores: dict[str, list[Score]]) -> Table:
    """Percent of the full mark by level, over the questions that have a verdict; a dash where a level has none."""
    columns = _columns(levels)
    table = [["", *columns], ["count", *(str(sum(_in(one, column) for one in levels)) for column in columns)]]
    for name, column_scores in scores.items():
        row = [name]
        for column in columns:
            values = [
                score.value
                for one, score in zip(levels, column_scores, strict=True)
                if _in(one, column) and score.value is not None
            ]
            row.append(f"{100 * sum(values) / len(values):.2f}" if values else "-")
        table.append(row)
    return table


def component_tables(pairs: Sequence[Pair], levels: Sequence[str], bench: Bench) -> dict[str, Table]:
    """Spider's partial matching: accuracy, recall and F1 of each component by level.

    Accuracy is the mean score where the prediction has the component, recall where gold has it, F1 the harmonic mean
    of the two; 1 where both are 0, and 0 for a level without such questions, as the official script prints them.
    """
    verdicts: list[tuple[str, EmVerdict]] = []
    for pair, one in zip(pairs, levels, strict=True):
        if one != UNKNOWN:
            verdicts.append((one, exact_match(bench.schema(pair.db_id), pair.gold, pair.pred)))
    columns = [*LEVELS, ALL]
    tables: dict[str, Table] = {name: [["", *columns]] for name in ("accuracy", "recall", "F1")}
    for component in COMPONENTS:
        rows: dict[str, list[str]] = {name: [component] for name in tables}
        for column in columns:
            found = [
                verdict.components[component] for one, verdict in verdicts if _in(one, column) and verdict.components
            ]
            accuracy = _mean([score.score for score in found if score.pred_total > 0])
            recall = _mean([score.score for score in found if score.gold_total > 0])
            f1 = 2 * accuracy * recall / (accuracy + recall) if accuracy or recall else float(bool(found))
            for name, value in (("accuracy", accuracy), ("recall", recall), ("F1", f1)):
                rows[name].append(f"{value:.3f}")
        for name, table in tables.items():
            table.append(rows[name])
    return tables


def print_table(table: Table) -> None:
    """The table on stdout: drawn on a terminal, else in aligned columns."""
    if sys.stdout.isatty():
        from rich.console import Console  # not needed in a pipe, where speed counts
        from rich.table import Table as Drawn

        drawn = Drawn(*table[0][:1])
        for heading in table[0][1:]:
            drawn.add_column(heading, justify="right")
        for row in table[1:]:
            drawn.add_row(*row)
        Console().print(drawn)
        return
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for first, *rest in table:
        print(
            "  ".join(
                [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))]
            )
        )


def _columns(levels: Iterable[str]) -> list[str]:
    return [*LEVELS, *([UNKNOWN] if UNKNOWN in levels else []), ALL]


def _in(one: str, column: str) -> bool:
    return column in (ALL, one)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
