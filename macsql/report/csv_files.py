"""A table as a CSV file: raw values under the columns' keys."""

import csv
import io
from pathlib import Path

from macsql.comparison.experiment import Comparison
from macsql.errors import UserError, first_line
from macsql.report.table import Table
from macsql.report.tables.poster import comparison_table
from macsql.report.tables.trials import results_table
from macsql.system.files import write_output


def write_results(comparison: Comparison, path: Path) -> Path:
    """One line per trial (macsql.report.tables.trials.results_table)."""
    return write(results_table(comparison), path)


def write_comparison(comparison: Comparison, path: Path) -> Path:
    """One line per figure of the poster (macsql.report.tables.poster.comparison_table)."""
    return write(comparison_table(comparison), path)


def write(table: Table, path: Path) -> Path:
    """Write a table; a cell without a value stays empty. Returns `path`."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow([column.key for column in table.columns])
    writer.writerows([["" if cell.value is None else cell.value for cell in row.cells] for row in table.rows])
    write_output("--out", path, [lines.getvalue()])
    return path


def read(path: Path) -> list[dict[str, str]]:
    """The lines of a results.csv; none where there is no such file, or one of an older layout. Raises UserError."""
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as a table ({first_line(error)}): remove it.") from error
    return [line for line in lines if {"seed", "data_fingerprint", "scale"} <= line.keys()]
