"""Execution accuracy by the official rules, written down straightforwardly.

After Zhong et al. 2020 (github.com/taoyds/test-suite-sql-eval), as Spider's evaluator runs without a test suite:
`value` becomes 1 in the prediction, DISTINCT is left out of both, both are run, and the rows are equal where some order
of the prediction's columns makes them so: as a bag, or as a list where gold has ORDER BY.

Choices: sqlite3 in this process, one connection for each pair, as the official script opens them; a progress handler
for the limit of five seconds, so that an endless query ends; no protection from what the SQL does.
"""

import re
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from typing import Any

LIMIT = 5.0  # seconds for a statement
Row = tuple[Any, ...]


def prepared(sql: str) -> str:
    """A statement as the official script runs it."""
    closed = sql.replace("> =", ">=").replace("< =", "<=").replace("! =", "!=")
    return re.sub(r"\bdistinct\b", "", closed, flags=re.IGNORECASE)


def rows_of(connection: sqlite3.Connection, sql: str) -> list[Row] | None:
    """The rows that a statement gives; None where it fails or takes too long."""
    until = time.monotonic() + LIMIT
    connection.set_progress_handler(lambda: time.monotonic() > until, 10_000)
    try:
        return connection.execute(sql).fetchall()
    except (sqlite3.Error, sqlite3.Warning, OverflowError):
        return None


def equal(gold: Sequence[Row], pred: Sequence[Row], ordered: bool) -> bool:
    """Whether some order of the prediction's columns gives gold's rows."""
    if len(gold) != len(pred):
        return False
    if not gold:
        return True
    width = len(gold[0])
    if len(pred[0]) != width:
        return False
    wanted = [Counter(column) for column in zip(*gold, strict=True)]
    found = [Counter(column) for column in zip(*pred, strict=True)]
    for order in permutations(range(width)):
        if any(wanted[place] != found[column] for place, column in enumerate(order)):
            continue
        rows = [tuple(row[column] for column in order) for row in pred]
        if rows == list(gold) if ordered else Counter(rows) == Counter(gold):
            return True
    return False


def right(path: str, gold: str, pred: str) -> bool:
    """Whether a prediction is right on a database."""
    connection = sqlite3.connect(path)
    connection.text_factory = lambda text: text.decode(errors="ignore")
    try:
        wanted = rows_of(connection, prepared(gold))
        found = rows_of(connection, prepared(pred.replace("value", "1")))
    finally:
        connection.close()
    return wanted is not None and found is not None and equal(wanted, found, "order by" in gold.lower())
