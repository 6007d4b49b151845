"""Questions made by the grammar for any folder of SQLite files: training data for one's own databases."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from macsql.config import DataConfig
from macsql.corpora.corpus import Corpus, existing_root, in_words, other_layout, place
from macsql.corpora.splits import divide, limited, normal_text
from macsql.counts import counted
from macsql.database.sandbox import Limits, Sandbox, Status
from macsql.database.schema import Database, read_sqlite_schema
from macsql.errors import UserError
from macsql.grammar import TEMPLATES, Facts, Template, read_facts
from macsql.records import SPLITS, Question

LAYOUT = "SQLite files (*.sqlite, *.sqlite3, *.db), at its top or in folders of their own"
SUFFIXES = (".sqlite", ".sqlite3", ".db")

_LIMITS = Limits(seconds=5.0, rows=10_000)  # a query beyond them is no use as training data
_TRIES = 30  # drafts for each question wanted, before a small database counts as used up


@dataclass(frozen=True)
class Made:
    """The questions made for one database, and what was dropped, counted by reason."""

    questions: tuple[Question, ...]
    skipped: Counter[str]


def read(data: DataConfig, state_dir: Path) -> Corpus:  # noqa: ARG001  (all formats read alike)
    """`data.questions` questions for each SQLite file under `data.root`, which may also be one such file.

    `data.split_by` "published" tells them apart by question, as nothing is published. A file that is no database, has
    no rows, or gives fewer questions than wanted is counted or noted; with `data.strict` the first two are refused.
    """
    skipped: Counter[str] = Counter()
    databases = {}
    reasons = []
    for db_id, path in _files(data.root):
        try:
            databases[db_id] = Database(db_id, path, read_sqlite_schema(path, db_id))
        except UserError as error:
            if data.strict:
                raise
            skipped["file that is not a SQLite database"] += 1
            reasons.append(str(error).rstrip("."))
    if not databases:
        raise UserError(f"No file under data.root={data.root} can be used: {reasons[0]}.")
    return corpus("synthetic", databases, data, skipped, tuple(f"Left out: {reason}." for reason in reasons))


def corpus(
    name: str, databases: dict[str, Database], data: DataConfig, skipped: Counter[str], notes: tuple[str, ...] = ()
) -> Corpus:
    """The corpus of questions made for these databases; pocket's comes this way too."""
    if data.questions < 1:
        raise UserError(f"data.questions must be at least 1, not {data.questions}: it is the number for each database.")
    if data.paraphrases is not None and data.paraphrases < 1:
        raise UserError(f"data.paraphrases must be at least 1, not {data.paraphrases}: null takes all there are.")
    templates = known_templates(data.templates)
    questions: list[Question] = []
    told = list(notes)
    with Sandbox() as sandbox:
        for database in databases.values():
            try:
                made = make_questions(database, data.questions, data.seed, sandbox, templates, data.paraphrases, name)
            except UserError as error:
                if data.strict or len(databases) == 1:
                    raise
                skipped["database that is damaged"] += 1
                told.append(f"Left out: {error}")
                continue
            if not made.questions and data.strict:
                raise UserError(f"No question can be made for {database.path}: it has no table with rows.")
            if len(made.questions) < data.questions:
                told.append(
                    f"Database {database.id} gives only {len(made.questions)} of the "
                    f"{counted(data.questions, 'question')} wanted."
                )
            questions += made.questions
            skipped += made.skipped
    if not questions:
        raise UserError("No question can be made: none of the databases has a table with a name and rows.")
    split_by = "question" if data.split_by == "published" else data.split_by
    questions = divide(questions, split_by, data.eval_fraction, data.test_fraction, data.seed)
    asked = {question.db_id for question in questions}
    if split_by == "database":
        of = {split: len({question.db_id for question in questions if question.split == split}) for split in SPLITS}
        told.append(
            f"Train, eval and test have databases of their own: {of['train']}, {of['eval']} and {of['test']} of them."
        )
    kept = {db_id: database for db_id, database in databases.items() if db_id in asked}
    return Corpus(name, tuple(limited(questions, data.limit, data.seed)), kept, dict(skipped), tuple(told))


def known_templates(names: Sequence[str]) -> dict[str, Template]:
    """The templates of these names, all of them for none. Raises UserError for a name that is no template."""
    for name in names:
        if name not in TEMPLATES:
            raise UserError(f"data.templates has no template {name!r}: there are {', '.join(TEMPLATES)}.")
    return {name: TEMPLATES[name] for name in names} if names else TEMPLATES


def make_questions(
    database: Database,
    count: int,
    seed: int,
    sandbox: Sandbox,
    templates: dict[str, Template] = TEMPLATES,
    paraphrases: int | None = None,
    corpus_name: str = "synthetic",
) -> Made:
    """At most `count` questions whose queries ran and gave rows; the same for the same seed and the same rows.

    No question text comes twice. `difficulty` is the template's name.
    """
    facts = read_facts(database)
    skipped = Counter(facts.skipped)
    if not facts.tables:
        skipped["database without rows"] += 1
        return Made((), skipped)
    rng = random.Random(f"{seed}/{database.id}")
    drafts = _drafts(rng, facts, templates, paraphrases, count * _TRIES)
    questions: list[Question] = []
    while len(questions) < count:
        batch = [draft for draft, _ in zip(drafts, range(count - len(questions)), strict=False)]
        if not batch:
            break
        outcomes = sandbox.run_many(((database.path, sql) for _, _, sql in batch), _LIMITS)
        for (template, text, sql), outcome in zip(batch, outcomes, strict=True):
            if not outcome.ok:
                why = outcome.message if outcome.status is Status.ERROR else outcome.status
                skipped[f"query that does not run ({why})"] += 1
            elif not outcome.rows:
                skipped["question whose query gives no rows"] += 1
            else:
                number = f"{corpus_name}/{database.id}/{len(questions):05d}"
                questions.append(Question(number, database.id, text, sql, difficulty=template))
    return Made(tuple(questions), skipped)


def _drafts(
    rng: random.Random, facts: Facts, templates: dict[str, Template], paraphrases: int | None, tries: int
) -> Iterator[tuple[str, str, str]]:
    """(template, text, SQL) with a text that did not come before, until the tries are used up."""
    seen: set[str] = set()
    names = list(templates)
    for _ in range(tries):
        template = names[rng.randrange(len(names))]
        draft = templates[template](rng, facts)
        if draft is None:
            continue
        texts = draft.paraphrases[:paraphrases]
        text = texts[rng.randrange(len(texts))]
        if normal_text(text) not in seen:
            seen.add(normal_text(text))
            yield template, text, draft.sql


def _files(root: str | None) -> list[tuple[str, Path]]:
    """(db_id, file), sorted; the id is the file's name, with folders and ending where they tell it from another's."""
    if root and (path := place("data.root", root)).is_file():
        return [(in_words(path.stem), path)]
    folder = existing_root(root, LAYOUT)
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not paths:
        raise other_layout(folder, LAYOUT)
    within = {path: path.relative_to(folder) for path in paths}
    stems = Counter(path.stem for path in paths)
    places = Counter(path.with_suffix("") for path in paths)
    named = []
    for path, inner in within.items():
        name = inner if places[path.with_suffix("")] > 1 else inner.with_suffix("")
        named.append((in_words(path.stem if stems[path.stem] == 1 else "/".join(name.parts)), path))
    return named
