"""The format of text2sql-data (GeoQuery, Restaurants, Scholar, Advising …): NAME.json and NAME-db.sqlite in one folder.

An entry is one query with all the sentences that ask for it. Both are templates: variables stand in the text and in the
query, and every sentence brings the values for them.
"""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from macsql.config import DataConfig
from macsql.corpora.corpus import Corpus, existing_root, other_layout
from macsql.corpora.layout import Problems
from macsql.corpora.splits import check_split_by, limited, tell_apart
from macsql.database.sandbox import Sandbox
from macsql.database.schema import Database, Schema, read_sqlite_schema
from macsql.errors import UserError
from macsql.records import Question, Split

LAYOUT = "one NAME.json with its NAME-db.sqlite (or NAME-db*.sqlite), as text2sql-data publishes them"

_PUBLISHED: dict[str, Split] = {"train": "train", "dev": "eval", "test": "test"}
_NAME = re.compile(r'"[^"]+"|\w+')
_STRING = re.compile(r"\"([^\"]*)\"|'((?:[^']|'')*)'")


def read(data: DataConfig, state_dir: Path) -> Corpus:  # noqa: ARG001  (all formats read alike)
    """The questions of one set, with variables filled in, whose gold queries run on its database.

    `data.split_by` "published" and "question" follow each sentence's `question-split`, "query" each entry's
    `query-split`. Sets published as numbered folds: fold `data.fold` is test, the next one eval, the others train.
    """
    check_split_by(data.split_by)
    if data.split_by == "database":
        raise UserError("A text2sql set has one database: data.split_by is published, question or query.")
    root = existing_root(data.root, LAYOUT)
    source, file = _find(root)
    database = Database(source.stem, file, read_sqlite_schema(file, source.stem))
    problems = Problems(data.strict)
    by = "query" if data.split_by == "query" else "question"
    raw = list(_questions(source, by, problems, database.schema))
    questions = _with_splits(raw, data.fold, problems)
    questions = _that_run(questions, database, problems)
    if not questions:
        raise UserError(f"{source} holds no question whose query runs on {file.name}.")
    told, notes = tell_apart(questions, dataclasses.replace(data, split_by="published"), eval_by=by)
    kept = tuple(limited(told, data.limit, data.seed))
    notes = [*notes, *problems.notes()]
    return Corpus(source.stem, kept, {database.id: database}, dict(problems.skipped), tuple(notes))


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with each variable replaced by its value, as whole words and all at once."""
    if not values:
        return template
    names = "|".join(sorted(map(re.escape, values), key=len, reverse=True))
    return re.sub(rf"(?<!\w)(?:{names})(?!\w)", lambda match: values[match[0]], template)


def fill_sql(template: str, values: Mapping[str, str], schema: Schema | None = None) -> str:
    """The same for a query; its strings, which the collection writes in double quotes, come out in single ones.

    What stands in double quotes and is a table that the query names, or a column of one, is a name, as SQLite reads it.
    """
    said = {word.strip('"').lower() for word in _NAME.findall(template)} if schema else set()
    used = [table for table in schema.tables if table.name.lower() in said] if schema else []
    names = {name.lower() for table in used for name in (table.name, *(column.name for column in table.columns))}
    pieces, end = [], 0
    for match in _STRING.finditer(template):
        if match[1] is not None and match[1].lower() in names:
            continue
        content = match[1] if match[1] is not None else match[2].replace("''", "'")
        pieces.append(fill(template[end : match.start()], values))
        pieces.append("'" + fill(content, values).replace("'", "''") + "'")
        end = match.end()
    pieces.append(fill(template[end:], values))
    return "".join(pieces).strip().removesuffix(";").rstrip()


def _find(root: Path) -> tuple[Path, Path]:
    """The set's JSON file and its database; raises UserError where there is none or more than one."""
    pairs = []
    for source in sorted(root.glob("*.json")):
        exact = root / f"{source.stem}-db.sqlite"
        files = [exact] if exact.is_file() else sorted(root.glob(f"{source.stem}-db*.sqlite"))
        if len(files) > 1:
            names = ", ".join(file.name for file in files)
            raise UserError(f"{root} holds several databases for {source.name}: {names}; it should hold one.")
        pairs += [(source, file) for file in files]
    if not pairs:
        raise other_layout(root, LAYOUT)
    if len(pairs) > 1:
        names = ", ".join(source.name for source, _ in pairs)
        raise UserError(f"{root} holds several sets ({names}): give each a folder of its own.")
    return pairs[0]


def _questions(source: Path, by: str, problems: Problems, schema: Schema) -> Iterator[tuple[str, Question]]:
    """(published part or fold, question) for each sentence; ids count entries and sentences as the file has them."""
    try:
        entries = json.loads(source.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise UserError(f"{source} is not JSON ({error}).") from error
    if not isinstance(entries, list):
        raise UserError(f"{source} is not a text2sql set: it should hold a list of queries with their sentences.")
    for number, entry in enumerate(entries):
        try:
            examples = {variable["name"]: str(variable["example"]) for variable in entry["variables"]}
            gold = str(entry["sql"][0])
            sentences: list[Mapping[str, Any]] = list(entry["sentences"])
            query_split = str(entry["query-split"])
        except (KeyError, IndexError, TypeError):
            reason = "entry without sql, sentences, variables and query-split"
            problems.malformed(reason, f"{source.name} entry {number}")
            continue
        for position, sentence in enumerate(sentences):
            place = f"{source.stem}/{number:04d}/{position:03d}"
            try:
                given = {name: str(value) for name, value in sentence["variables"].items() if str(value)}
                part = query_split if by == "query" else str(sentence["question-split"])
                text = str(sentence["text"])
            except (KeyError, TypeError, AttributeError):
                problems.malformed("sentence without text, variables and question-split", place)
                continue
            values = {**examples, **given}  # a variable that the sentence leaves empty has the entry's example
            text = " ".join(fill(text, values).split())
            yield part, Question(place, source.stem, text, fill_sql(gold, values, schema))


def _with_splits(raw: list[tuple[str, Question]], fold: int, problems: Problems) -> list[Question]:
    folds = sorted({int(part) for part, _ in raw if part.isdecimal()})
    parts: dict[str, Split] = dict(_PUBLISHED)
    if folds:
        if fold not in folds or len(folds) < 3:
            raise UserError(f"data.fold={fold} is none of this set's folds: {', '.join(map(str, folds))}.")
        following = folds[(folds.index(fold) + 1) % len(folds)]
        parts.update((str(number), "train") for number in folds)
        parts.update({str(fold): "test", str(following): "eval"})
    questions = []
    for part, question in raw:
        if part in parts:
            questions.append(dataclasses.replace(question, split=parts[part]))
        elif part == "exclude":
            problems.leave_out("excluded by the set itself", question.id)
        else:
            problems.malformed(f"part {part!r}, which is no train, dev, test or fold", question.id)
    return questions


def _that_run(questions: list[Question], database: Database, problems: Problems) -> list[Question]:
    """The questions whose gold SQLite takes.

    Each different query is compiled (EXPLAIN), not executed: joins of some sets take minutes, and a time limit would
    leave out more questions on a slow machine than on a fast one.
    """
    golds = list(dict.fromkeys(question.sql for question in questions))
    with Sandbox() as sandbox:
        outcomes = dict(zip(golds, sandbox.run_many((database.path, f"EXPLAIN {sql}") for sql in golds), strict=True))
    for question in questions:
        if not outcomes[question.sql].ok:
            problems.leave_out(f"gold query that does not run ({outcomes[question.sql].status})", question.id)
    return [question for question in questions if outcomes[question.sql].ok]
