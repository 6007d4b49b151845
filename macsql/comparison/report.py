"""The comparison as one HTML file that needs no network."""

import html
import io
from pathlib import Path

from rich.console import Console

from macsql.comparison.experiment import Comparison


def write_html(comparison: Comparison, path: Path) -> Path:
    """Write the report of a comparison; returns `path`."""
    from macsql.comparison import table

    text = io.StringIO()
    table.show(comparison, Console(file=text, width=table.WIDTH))
    title = html.escape(comparison.published.title)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>\n'
        f"<body><h1>{title}</h1>\n<pre>{html.escape(text.getvalue())}</pre></body></html>\n",
        encoding="utf-8",
    )
    return path
