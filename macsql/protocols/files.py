"""Result files read, so that no question is ever paired with another's answer. The format is told from the file.

    format     gold                           predictions
    spider     SQL<TAB>db_id, one per line    SQL, one per line; what follows a tab is dropped
    bird       the same                       .json: {"0": "SQL<TAB>----- bird -----<TAB>db_id", "1": ...}
    mac-sql    the same                       .json: [["question", "SQL<TAB>----- bird -----<TAB>db_id"], ...], or JSON
                                              Lines with db_id, ground_truth, pred ...
    macsql     predictions.jsonl itself       predictions.jsonl: the SQL in the answers of one agent

Spider's and BIRD's own JSON (dev.json) serves as gold as well. `result_export` writes the same formats.
"""

import codecs
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macsql.agents import decomposer, refiner
from macsql.errors import UserError
from macsql.protocols.bench import Pair
from macsql.records import Agent, Prediction, read_jsonl
from macsql.system.reading import parsed, read_bytes

BIRD_MARK = "\t----- bird -----\t"
EMPTY = "select"  # stands for an answer without SQL: an empty line would end Spider's session, an empty text runs


@dataclass(frozen=True)
class Entry:
    """One query of a file."""

    place: str  # "line 3", "item 2": where a user finds it
    sql: str
    db_id: str = ""  # empty where the format does not say it


def read_pairs(gold: Path, pred: Path, agent: Agent = "decomposer") -> tuple[list[Pair], list[str]]:
    """Gold and prediction of each question, in the order of the gold file, and where in it each gold query stands.

    `agent`: whose answers count in a predictions.jsonl. Raises UserError, naming the line, for a file that is missing,
    not of its format or with an empty line, and where the two files do not hold the same questions.
    """
    golds, preds = list(_entries(gold, agent, as_gold=True)), list(_entries(pred, agent, as_gold=False))
    for path, entries in ((gold, golds), (pred, preds)):
        if not entries:
            raise UserError(f"{path} holds no queries.")
    if len(golds) != len(preds):
        longer, entries = (gold, golds) if len(golds) > len(preds) else (pred, preds)
        alone = entries[min(len(golds), len(preds))].place
        raise UserError(
            f"{pred} holds {len(preds)} predictions for the {len(golds)} gold queries of {gold}: {alone} of {longer}"
            f" has no partner; each question needs a prediction, an empty one is written as `{EMPTY}`."
        )
    pairs = []
    for index, (wanted, given) in enumerate(zip(golds, preds, strict=True)):
        if given.db_id and given.db_id != wanted.db_id:
            raise UserError(
                f"{pred}, {given.place}: a prediction for database {given.db_id!r} where the gold query ({gold},"
                f" {wanted.place}) is for {wanted.db_id!r}: the files are not in the same order."
            )
        pairs.append(Pair(index, wanted.db_id, wanted.sql, given.sql))
    return pairs, [entry.place for entry in golds]


def answer_sql(prediction: Prediction) -> str:
    """The SQL of an answer as it is scored: `EMPTY` where there is none. Raises UserError for a Selector's answer."""
    if prediction.agent == "decomposer":
        return decomposer.parse(prediction.output).sql or EMPTY
    if prediction.agent == "refiner":
        return refiner.parse(prediction.output).sql or EMPTY
    raise UserError(f"{prediction.id}: a {prediction.agent} answers with a schema, not with SQL.")


def _entries(path: Path, agent: Agent, as_gold: bool) -> Iterator[Entry]:
    if not path.is_file():
        raise UserError(f"There is no file {path}: give the {'gold' if as_gold else 'prediction'} file.")
    if path.suffix not in (".json", ".jsonl"):
        return _gold_lines(path) if as_gold else _pred_lines(path)
    content = _json(path)
    if isinstance(content, dict) and not as_gold:
        return _bird(path, content)
    kinds = {type(row) for row in content} if isinstance(content, list) else set()
    if kinds == {list} and not as_gold:
        return _mac_sql(path, content)
    if kinds == {dict} and "output" in content[0]:
        return _own(path, agent, as_gold)
    if kinds == {dict}:
        return _objects(path, content, as_gold)
    known = "a corpus's questions" if as_gold else "BIRD's object or MAC-SQL's list"
    raise UserError(
        f"{path} is not {known} or a predictions.jsonl: give one of these, or plain lines under another name."
    )


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """(place, line) of a text file without the blank lines at its end. Raises UserError for one before it."""
    lines = _text(path).replace("\r\n", "\n").replace("\r", "\n").rstrip().split("\n")
    for number, line in enumerate(lines if lines != [""] else [], start=1):
        if not line.strip():
            raise UserError(
                f"{path}, line {number} is empty: each question has one line, an empty answer is `{EMPTY}`."
            )
        yield f"line {number}", line.strip()


def _gold_lines(path: Path) -> Iterator[Entry]:
    for place, line in _lines(path):
        sql, _, db_id = line.partition("\t")
        if not db_id.strip() or "\t" in db_id or not sql.strip():
            raise UserError(f"{path}, {place}: a gold line is `SQL<TAB>db_id`, this one is {line[:60]!r}.")
        yield Entry(place, sql.strip(), db_id.strip())


def _pred_lines(path: Path) -> Iterator[Entry]:
    for place, line in _lines(path):
        yield Entry(place, line.split("\t")[0].rstrip())


def _bird(path: Path, content: dict[str, Any]) -> Iterator[Entry]:
    for number, (key, value) in enumerate(content.items()):
        if key != str(number):  # the official script pairs by position, whatever the keys say
            raise UserError(f'{path}: the key "{key}" stands where "{number}" should: BIRD\'s keys count from "0" up.')
        yield _marked(f'key "{key}"', value)


def _mac_sql(path: Path, content: list[Any]) -> Iterator[Entry]:
    for number, row in enumerate(content, start=1):
        if len(row) != 2:
            raise UserError(f"{path}, item {number}: MAC-SQL's items are `[question, SQL and database]`.")
        yield _marked(f"item {number}", row[1])


def _marked(place: str, value: Any) -> Entry:
    if not isinstance(value, str):  # what BIRD's scripts write for a failed request: scored as no statement at all
        return Entry(place, "")
    sql, _, db_id = value.partition(BIRD_MARK)
    return Entry(place, sql.strip(), db_id.strip())


def _own(path: Path, agent: Agent, as_gold: bool) -> Iterator[Entry]:
    agents = set()
    for number, row in enumerate(read_jsonl(path, Prediction), start=1):
        agents.add(row.agent)
        if row.agent == agent:
            yield Entry(f"line {number}", row.gold_sql if as_gold else answer_sql(row), row.db_id)
    if agent not in agents:
        raise UserError(f"{path} holds no answers of the {agent}: choose one of {', '.join(sorted(agents))}.")


def _objects(path: Path, rows: list[dict[str, Any]], as_gold: bool) -> Iterator[Entry]:
    """A corpus's own JSON as gold, and MAC-SQL's output, where `query` is the question, as either."""
    names = ("ground_truth", "SQL", "query") if as_gold else ("pred",)
    for number, row in enumerate(rows, start=1):
        sql = next((row[name] for name in names if isinstance(row.get(name), str)), None)
        db_id = row.get("db_id", "")
        if sql is None or not isinstance(db_id, str) or (as_gold and not db_id):
            raise UserError(f"{path}, item {number}: not an object with {'db_id and ' if as_gold else ''}{names[-1]}.")
        yield Entry(f"item {number}", sql.strip(), db_id)


def _json(path: Path) -> Any:
    """The content of a JSON file, or the list of a JSON Lines file's values (MAC-SQL calls these .json, too)."""
    text = _text(path)
    if path.suffix == ".json":
        with contextlib.suppress(ValueError):
            content = parsed(text)
            return [content] if isinstance(content, dict) and "pred" in content else content
    rows = []
    for number, line in enumerate(text.rstrip().split("\n"), start=1):
        try:
            rows.append(parsed(line))
        except ValueError as error:
            raise UserError(f"{path}, line {number}: not JSON ({error}).") from error
    return rows


def _text(path: Path) -> str:
    content = read_bytes(path)
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # as Windows saves "Unicode"
    try:
        return content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: not {error.encoding.upper()} text ({error.reason}).") from error
