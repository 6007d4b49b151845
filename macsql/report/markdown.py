"""A table in Markdown."""

from collections.abc import Sequence

from macsql.report.table import Cell, Nature, Table, shown


def markdown(table: Table) -> str:
    """The table without its title and its drawings; the best rows have a star."""
    table = table.without(Nature.DRAWING)
    heads = [f"{column.group}, {column.heading}" if column.group else column.heading for column in table.columns]
    rows = []
    for row in table.rows:
        cells = [_cell(cell, table.usual) for cell in row.cells]
        rows.append([f"{cells[0]}{' *' if row.best else ''}", *cells[1:]])
    return lines(heads, rows)


def with_title(table: Table) -> list[str]:
    """The table below its title, each followed by an empty line; nothing for a table without rows."""
    return [f"{table.title}:", "", markdown(table), ""] if table.rows else []


def bullets(title: str, items: Sequence[str]) -> list[str]:
    """A list below its title; nothing for an empty one."""
    return [f"{title}:", "", *(f"- {item}" for item in items), ""] if items else []


def lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of text as a table; what would break a row is taken out of its cells."""
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
        for line in (head, ["---"] * len(head), *rows)
    )


def _cell(cell: Cell, usual: str) -> str:
    """A value with what belongs to it; where most cells are of one origin, another one is said."""
    if cell.value is None and cell.origin:
        return cell.origin
    origin = f"({cell.origin})" if usual and cell.origin not in ("", usual) else ""
    return " ".join(filter(None, (shown(cell), cell.note, origin)))
