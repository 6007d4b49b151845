"""The format of text2sql-data (GeoQuery, Restaurants, Scholar, Advising …): NAME.json and NAME-db.sqlite in one folder.

An entry is one query with all the sentences that ask for it. Both are templates: variables stand in the text and in the
query, and every sentence brings the values for them.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from macsql.config import DataConfig
from macsql.corpora.corpus import Corpus, existing_root, other_layout
from macsql.corpora.layout import Problems
from macsql.corpora.other_names import check_rename, most_missing, rename
from macsql.corpora.splits import limited, split_called, tell_apart
from macsql.database.sandbox import Sandbox
from macsql.database.schema import Database, Schema, read_sqlite_schema
from macsql.errors import UserError, shown
from macsql.records import Question, Split
from macsql.system.reading import read_json, text_of

LAYOUT = "one NAME.json with its NAME-db.sqlite (or NAME-db*.sqlite), as text2sql-data publishes them"

_NAME = re.compile(r'"[^"]+"|\w+')
_STRING = re.compile(r"\"([^\"]*)\"|'((?:[^']|'')*)'")


def read(data: DataConfig, state_dir: Path) -> Corpus:  # noqa: ARG001  (all formats read alike)
    """The questions of one set, with variables filled in, whose gold queries run on its database.

    `data.split_by` "published" and "question" follow each sentence's `question-split`, "query" each entry's
    `query-split`. Sets published as numbered folds: fold `data.fold` is test, the next one eval, the others train.
    """
    if data.split_by == "database":
        raise UserError("A text2sql set has one database: data.split_by is published, question or query.")
    root = existing_root(data.root, LAYOUT)
    source, file = _find(root)
    database = Database(source.stem, file, read_sqlite_schema(file, source.stem))
    problems = Problems(data.strict)
    by = "query" if data.split_by == "query" else "question"
    raw = list(_questions(source, by, problems, database.schema))
    if data.rename:
        check_rename(data.rename, {question.sql for _, question in raw}, database.schema)
        raw = [(part, dataclasses.replace(q, sql=rename(q.sql, data.rename))) for part, q in raw]
    asked = _with_splits(raw, data.fold, problems)
    questions, why = _that_run(asked, database, problems)
    lost = (
        f"{len(asked) - len(questions)} of the {len(asked)} questions in {source.name} have a query that does not run"
    )
    lost += f" on {file.name}: {why or 'see below'}."
    if asked and not questions:
        raise UserError(lost)
    if not questions:
        raise problems.nothing_left(source)
    told, notes = tell_apart(questions, dataclasses.replace(data, split_by="published"), eval_by=by)
    kept = tuple(limited(told, data.limit, data.seed))
    notes = [*notes, *problems.notes()]
    warnings = (lost,) if 2 * len(questions) < len(asked) else ()
    return Corpus(source.stem, kept, {database.id: database}, dict(problems.skipped), tuple(notes), warnings=warnings)


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
    entries = read_json(source)
    if not isinstance(entries, list):
        raise UserError(f"{source} is not a text2sql set: it should hold a list of queries with their sentences.")
    for number, entry in enumerate(entries):
        try:
            examples, gold, sentences, query_split = _entry(entry)
        except (KeyError, IndexError, TypeError):
            reason = "entry without sql, sentences, variables and query-split"
            problems.malformed(reason, f"{source.name} entry {number}")
            continue
        for position, sentence in enumerate(sentences):
            place = f"{source.stem}/{number:04d}/{position:03d}"
            try:
                given = _given(sentence["variables"])
                part = query_split if by == "query" else text_of(sentence["question-split"])
                text = _own_text(sentence["text"])
            except (KeyError, TypeError):
                problems.malformed("sentence without text, variables and question-split", place)
                continue
            values = {**examples, **given}  # a variable that the sentence leaves empty has the entry's example
            if missing := [name for name, value in values.items() if value is None and name in text + gold]:
                problems.malformed(f"variable {shown(missing[0])} without a value", place)
                continue
            texts = {name: value for name, value in values.items() if value is not None}
            yield part, Question(place, source.stem, " ".join(fill(text, texts).split()), fill_sql(gold, texts, schema))


def _entry(entry: Any) -> tuple[dict[str, str | None], str, list[Any], str]:
    """(variable -> example, query, sentences, part or fold). Raises KeyError, IndexError or TypeError for another."""
    examples = {_own_text(variable["name"]): _value(variable.get("example")) for variable in entry["variables"]}
    if not isinstance(entry["sentences"], list):
        raise TypeError
    return examples, _own_text(entry["sql"][0]), entry["sentences"], text_of(entry["query-split"])


def _given(variables: Any) -> dict[str, str]:
    """Variable -> value where the sentence gives one; null, NaN and "" are none. Raises TypeError for a list, say."""
    if not isinstance(variables, dict):
        raise TypeError
    return {name: text for name, value in variables.items() if (text := _value(value))}


def _value(value: Any) -> str | None:
    """A variable's value as text; None for null and NaN. Raises TypeError for what can be no value."""
    if isinstance(value, list | dict | bool):
        raise TypeError
    return value if isinstance(value, str) else text_of(value) or None


def _own_text(value: Any) -> str:
    """A text that is not blank. Raises TypeError for anything else."""
    if not isinstance(value, str) or not value.strip():
        raise TypeError
    return value


def _with_splits(raw: list[tuple[str, Question]], fold: int, problems: Problems) -> list[Question]:
    folds = sorted({int(part) for part, _ in raw if part.isdecimal()})
    by_fold: dict[str, Split] = {str(number): "train" for number in folds}
    if folds and len(folds) < 3:
        there = f"fold {folds[0]} alone" if len(folds) == 1 else f"folds {folds[0]} and {folds[1]}"
        raise UserError(f"This set has {there}: one is needed for test, one for eval and at least one for train.")
    if folds and fold not in folds:
        raise UserError(f"data.fold={fold} is none of this set's folds: {', '.join(map(str, folds))}.")
    if fold and not folds:
        raise UserError(f"data.fold={fold}: this set has no numbered folds, leave it out.")
    if folds:
        following = folds[(folds.index(fold) + 1) % len(folds)]
        by_fold |= {str(fold): "test", str(following): "eval"}
    questions = []
    for part, question in raw:
        split = by_fold.get(part) or split_called(part)
        if split:
            questions.append(dataclasses.replace(question, split=split))
        elif part.strip().lower() == "exclude":
            problems.leave_out("excluded by the set itself", question.id)
        else:
            problems.malformed(f"part {shown(part)}, which is not train, dev, test or fold", question.id)
    return questions


def _that_run(questions: list[Question], database: Database, problems: Problems) -> tuple[list[Question], str]:
    """The questions whose gold SQLite takes, and what most of the others lack.

    Each different query is compiled (EXPLAIN), not executed: joins of some sets take minutes, and a time limit would
    leave out more questions on a slow machine than on a fast one.
    """
    golds = list(dict.fromkeys(question.sql for question in questions))
    with Sandbox() as sandbox:
        outcomes = dict(zip(golds, sandbox.run_many((database.path, f"EXPLAIN {sql}") for sql in golds), strict=True))
    failed = [question for question in questions if not outcomes[question.sql].ok]
    for question in failed:
        problems.leave_out(f"gold query that does not run ({outcomes[question.sql].status})", question.id)
    why = [(question.sql, outcomes[question.sql].message) for question in failed]
    told = most_missing(why, database.schema) or (why[0][1] if why else "")
    return [question for question in questions if outcomes[question.sql].ok], told
