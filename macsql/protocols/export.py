"""Predictions written in the file formats of the official scripts, and read back to see that nothing moved."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from macsql.errors import UserError
from macsql.protocols.files import BIRD_MARK, EMPTY, answer_sql, read_pairs
from macsql.records import Prediction

Format = Literal["spider", "bird", "mac-sql"]

_PARTS = re.compile(  # what never ends goes to the end of the text, so that each sign is looked at once
    r"""(?P<string>'(?:[^']|'')*')
      | (?P<name>"(?:[^"]|"")*(?:"|\Z) | `[^`]*(?:`|\Z) | \[[^\]]*(?:\]|\Z) | '(?:[^']|'')*\Z)
      | (?P<comment>--[^\n]* | /\*.*?(?:\*/|\Z))
      | (?P<blank>\s+)""",
    re.VERBOSE | re.DOTALL,
)
_CONTROL = re.compile(r"[\t\n\r]")


@dataclass(frozen=True)
class Row:
    """A line of an exported file."""

    question: str
    db_id: str
    gold: str
    pred: str


def export(predictions: Sequence[Prediction], format: Format, folder: Path) -> list[Path]:
    """Write the answers of one agent (Decomposer or Refiner) and their gold queries, in their order, into `folder`.

    Returns the files, predictions first and gold last. Each query is one line (`fold`); an answer without SQL is
    `select`, which no script takes for an empty line and which never runs. Raises UserError for an unknown format, no
    predictions at all, or answers of several agents.
    """
    if format not in WRITERS:
        raise UserError(f"There is no format {format!r}: choose one of {', '.join(get_args(Format))}.")
    agents = sorted({prediction.agent for prediction in predictions})
    if len(agents) != 1:
        raise UserError(f"Predictions of one agent are exported at a time, these are of {', '.join(agents) or 'none'}.")
    rows = [
        Row(prediction.question, prediction.db_id, fold(prediction.gold_sql), fold(answer_sql(prediction)))
        for prediction in predictions
    ]
    folder.mkdir(parents=True, exist_ok=True)
    files = WRITERS[format](rows, folder)
    gold = _write(folder / "gold.sql", "".join(f"{row.gold}\t{row.db_id}\n" for row in rows))
    for file in files:
        read, _ = read_pairs(gold, file)
        if [(pair.db_id, pair.gold, pair.pred) for pair in read] != [(row.db_id, row.gold, row.pred) for row in rows]:
            raise RuntimeError(f"{file} does not read back as it was written")
    return [*files, gold]


def fold(sql: str) -> str:
    """The query on one line without a tab, meaning the same: `EMPTY` where nothing is left.

    Comments become a blank, as do line ends and tabs with the blanks round them; inside a string they become char(),
    joined on with `||`. Inside a quoted name they become a blank, too: there is no other way to write one.
    """

    def folded(part: re.Match[str]) -> str:
        control = _CONTROL.search(part[0])
        if part["comment"] is not None or (part["blank"] and control):
            return " "
        if part["string"] and control:
            return "(" + _CONTROL.sub(lambda sign: f"' || char({ord(sign[0])}) || '", part[0]) + ")"
        return _CONTROL.sub(" ", part[0])

    readable = sql.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate fits in no file
    return _PARTS.sub(folded, readable).strip().lstrip("\ufeff").strip() or EMPTY


def _spider(rows: Sequence[Row], folder: Path) -> list[Path]:
    return [_write(folder / "pred.sql", "".join(f"{row.pred}\n" for row in rows))]


def _bird(rows: Sequence[Row], folder: Path) -> list[Path]:
    content = {str(index): f"{row.pred}{BIRD_MARK}{row.db_id}" for index, row in enumerate(rows)}
    return [_write(folder / "predict.json", json.dumps(content, ensure_ascii=False, indent=4))]


def _mac_sql(rows: Sequence[Row], folder: Path) -> list[Path]:
    pairs = [[row.question, f"{row.pred}{BIRD_MARK}{row.db_id}"] for row in rows]
    output = [
        {"idx": index, "db_id": row.db_id, "query": row.question, "ground_truth": row.gold, "pred": row.pred}
        for index, row in enumerate(rows)
    ]
    return [
        _write(folder / "predict.json", json.dumps(pairs, ensure_ascii=False, indent=2)),
        _write(folder / "output.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in output)),
    ]


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


WRITERS: dict[str, Callable[[Sequence[Row], Path], list[Path]]] = {
    "spider": _spider,
    "bird": _bird,
    "mac-sql": _mac_sql,
}
