"""Chat files: SQL-Llama's instruct file, what `python -m macsql.build` writes, and others with the same content.

A row is an example already: the user turn is its source and the assistant turn its target. Layouts: chat_rows.py.
"""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macsql.config import DataConfig
from macsql.corpora import chat_prompts
from macsql.corpora.chat_rows import MalformedError, read_rows, turns_of
from macsql.corpora.corpus import Corpus, existing_root, in_words, other_layout, place
from macsql.corpora.layout import Problems, schema_of
from macsql.corpora.splits import limited, normal_text, rank, split_called, tell_apart
from macsql.counts import counted
from macsql.database.schema import Database
from macsql.errors import UserError, shown
from macsql.records import AGENTS, Agent, Example, Question, Split
from macsql.system.reading import absent, text_of

LAYOUT = "one or more *.jsonl files, each line an object with `messages`, or *.json files, each a list of such objects"
SQL_LLAMA = {"decomposer": 2029, "selector": 1009, "refiner": 337}  # rows of the instruct set, v0.5

_TEXTS = ("question", "gold_sql", "broken_sql", "error")  # keys beside `messages` that say what a prompt may not
_SHOWN = 10  # line numbers named in a sentence


@dataclass(frozen=True)
class ChatFile:
    """The examples of a file, and the lines that are none, by number from 1."""

    examples: tuple[Example, ...]
    counts: Mapping[Agent, int]  # examples per agent
    unknown: tuple[int, ...]  # well-formed rows that address none of the three agents
    malformed: Mapping[int, str]  # line -> what is wrong with it
    splits: Mapping[str, Split]  # example id -> split, where the row states one
    evidence: Mapping[str, str]  # example id -> evidence, where there is any

    @property
    def is_sql_llama(self) -> bool:
        """Whether the counts are those of the true SQL-Llama instruct file, 2029 / 1009 / 337."""
        return dict(self.counts) == SQL_LLAMA

    def under(self, name: str) -> "ChatFile":
        """The same with a name before each example's id."""
        return dataclasses.replace(
            self,
            examples=tuple(dataclasses.replace(example, id=f"{name}/{example.id}") for example in self.examples),
            splits={f"{name}/{key}": split for key, split in self.splits.items()},
            evidence={f"{name}/{key}": hint for key, hint in self.evidence.items()},
        )

    def sentences(self) -> list[str]:
        """What was read, whether it is as many as SQL-Llama's file has, and which lines are no examples."""
        told = [f"{self.counts[agent]} {agent.capitalize()}" for agent in SQL_LLAMA]  # type: ignore[index]
        likeness = "as SQL-Llama's instruct file has" if self.is_sql_llama else "not SQL-Llama's 2029, 1009, 337"
        notes = [f"Chat rows: {', '.join(told)}, {len(self.unknown)} unknown: {likeness}."]
        if self.unknown:
            notes.append(f"Lines that address none of the three agents: {_named(self.unknown)}.")
        if self.malformed:
            first, reason = next(iter(self.malformed.items()))
            notes.append(f"Malformed lines, skipped: {_named(self.malformed)} (line {first}: {reason}).")
        return notes


def read_examples(path: Path, strict: bool = False) -> ChatFile:
    """The examples of a chat file.

    System turns that are not blank become the head of the source. The agent is the row's own `agent` where it names
    one, else what the user turn shows; keys that nobody knows are let be. Raises UserError where the file cannot be
    read and, where `strict`, at the first malformed line.
    """
    examples: list[Example] = []
    unknown: list[int] = []
    malformed: dict[int, str] = {}
    splits: dict[str, Split] = {}
    evidence: dict[str, str] = {}
    ids: set[str] = set()
    for number, row in read_rows(path):
        try:
            if isinstance(row, MalformedError):
                raise row
            system, prompt, answer = turns_of(row)
            agent, split = _agent(row, prompt), _split(row)
        except MalformedError as error:
            if strict:
                raise UserError(f"{path}, line {number}: {error} (skipped with data.strict=false).") from error
            malformed[number] = str(error)
            continue
        if agent is None:
            unknown.append(number)
            continue
        own = text_of(row.get("id"))
        name = own if own and own not in ids else f"{path.stem}/{number:05d}"
        ids.add(name)
        examples.append(_example(name, agent, row, "\n".join(filter(None, (system, prompt))), prompt, answer))
        if split is not None:
            splits[name] = split
        hint = row["evidence"] if isinstance(row.get("evidence"), str) else chat_prompts.evidence_of(prompt)
        if hint:
            evidence[name] = hint
    found = Counter(example.agent for example in examples)
    counts: dict[Agent, int] = {agent: found[agent] for agent in AGENTS}
    return ChatFile(tuple(_shared(examples)), counts, tuple(unknown), malformed, splits, evidence)


def as_row(example: Example) -> dict[str, Any]:
    """An example as a row of chat JSONL in SQL-Llama's layout; `read_examples` gives the same example back."""
    record = dataclasses.asdict(example)
    turns = [("system", ""), ("user", record.pop("source")), ("assistant", record.pop("target"))]
    return {"messages": [{"role": role, "content": content} for role, content in turns], **record}


def read(data: DataConfig, state_dir: Path) -> Corpus:  # noqa: ARG001  (all formats read alike)
    """The examples of all chat files in `data.root`, and the questions that they belong to.

    Rows with the same question text stay on one side, whatever their agent. With `data.database_root` the databases
    that rows name (or whose tables they show) are found there, so that answers can be executed.
    """
    paths, file_notes = _files(data.root)
    files = {path: read_examples(path, data.strict) for path in paths}
    examples = [example for file in files.values() for example in file.examples]
    if len({example.id for example in examples}) < len(examples):  # two files with the same ids
        files = {path: file.under(path.stem) for path, file in files.items()}
        examples = [example for file in files.values() for example in file.examples]
    if not examples:
        raise _no_example(files)
    problems = Problems(data.strict)
    databases, notes = _databases(data.database_root, problems)
    notes = [*file_notes, *notes]
    if databases:
        examples = _shared([_placed(example, databases) for example in examples])
        lost = sum(example.db_id not in databases for example in examples)
        if lost:
            verb = "names" if lost == 1 else "name"
            notes.append(
                f"{counted(lost, 'row')} {verb} no database under data.database_root: nothing can be executed for them."
            )
    questions, split_notes = _questions(examples, files.values())
    notes += split_notes
    told, told_notes = tell_apart(questions, data, eval_by="question")
    questions = limited(told, data.limit, data.seed)
    kept = {question.id for question in questions}
    used = {question.db_id for question in questions}
    skipped = Counter({
        "row that addresses none of the three agents": sum(len(file.unknown) for file in files.values()),
        "malformed line": sum(len(file.malformed) for file in files.values()),
        **problems.skipped,
    })  # fmt: skip
    sentences = [sentence for file in files.values() for sentence in file.sentences()]
    return Corpus(
        "chat",
        tuple(questions),
        {db_id: database for db_id, database in databases.items() if db_id in used},
        dict(+skipped),
        (*sentences, *notes, *told_notes),
        tuple(example for example in examples if example.question_id in kept),
    )


def _no_example(files: Mapping[Path, ChatFile]) -> UserError:
    """The error for files without an example, with the reasons."""
    where = ", ".join(str(path) for path in list(files)[:3]) + (" …" if len(files) > 3 else "")
    if all(not file.unknown and not file.malformed for file in files.values()):
        return UserError(f"{where} {'is' if len(files) == 1 else 'are'} empty: expected {LAYOUT}.")
    told = []
    if unknown := sum(len(file.unknown) for file in files.values()):
        verb = "addresses" if unknown == 1 else "address"
        told.append(f"{counted(unknown, 'row')} {verb} none of the three agents ({chat_prompts.MARKS})")
    if malformed := [(path, *entry) for path, file in files.items() for entry in file.malformed.items()]:
        path, number, reason = malformed[0]
        verb = "is" if len(malformed) == 1 else "are"
        told.append(f"{counted(len(malformed), 'row')} {verb} malformed ({path.name}, line {number}: {reason})")
    return UserError(f"No row in {where} is an example: {'; '.join(told)}.")


def _named(things: Iterable[int | str]) -> str:
    numbers = list(things)
    return ", ".join(map(str, numbers[:_SHOWN])) + (
        f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    )


def _files(root: str | None) -> tuple[list[Path], list[str]]:
    """The files of data.root to read, and a sentence about those that are not."""
    if root and (path := place("data.root", root)).is_file():
        return [path], []
    folder = existing_root(root, LAYOUT)
    lines, lists = sorted(folder.glob("*.jsonl")), sorted(folder.glob("*.json"))
    if not lines and not lists:
        raise other_layout(folder, LAYOUT)
    if not lines:
        return lists, []
    beside = f"Not read, because *.jsonl files lie beside them: {_named(in_words(path.name) for path in lists)}."
    return lines, [beside] if lists else []


def _agent(row: Mapping[str, Any], prompt: str) -> Agent | None:
    """The agent that a row names, else the one that its prompt shows. Raises MalformedError for another name."""
    own = row.get("agent")
    if absent(own):
        return chat_prompts.agent_of(prompt)
    said = own.strip().lower() if isinstance(own, str) else own
    known = next((agent for agent in AGENTS if agent == said), None)
    if known is None:
        raise MalformedError(f"agent {shown(own)}, which is none of {', '.join(AGENTS)}")
    return known


def _split(row: Mapping[str, Any]) -> Split | None:
    """The split that a row states. Raises MalformedError for a word that is none."""
    own = row.get("split")
    split = split_called(own)
    if split is None and not absent(own):
        raise MalformedError(f"split {shown(own)}, which is not train, eval or test")
    return split


def _example(name: str, agent: Agent, row: Mapping[str, Any], source: str, prompt: str, answer: str) -> Example:
    read = {
        "question": chat_prompts.question_of(prompt),
        "gold_sql": "" if agent == "selector" else chat_prompts.sql_of(answer),
        "broken_sql": chat_prompts.broken_sql_of(prompt) if agent == "refiner" else "",
        "error": chat_prompts.error_of(prompt) if agent == "refiner" else "",
    }
    read |= {key: row[key] for key in _TEXTS if isinstance(row.get(key), str)}
    db_id = row["db_id"] if isinstance(row.get("db_id"), str) else chat_prompts.db_id_of(prompt)
    question_id = text_of(row.get("question_id")) or f"chat/{rank(0, normal_text(read['question'] or prompt))[:16]}"
    return Example(name, agent, question_id, db_id, source, answer, **read)


def _shared(examples: Iterable[Example]) -> list[Example]:
    """What one row of a question tells and another leaves open (its database, its gold SQL) is filled in."""
    rows = list(examples)
    db_ids = {example.question_id: example.db_id for example in reversed(rows) if example.db_id}
    golds = {example.question_id: example.gold_sql for example in reversed(rows) if example.gold_sql}
    return [
        dataclasses.replace(
            example,
            db_id=example.db_id or db_ids.get(example.question_id, ""),
            gold_sql=example.gold_sql or golds.get(example.question_id, ""),
        )
        for example in rows
    ]


def _questions(examples: Iterable[Example], files: Iterable[ChatFile]) -> tuple[list[Question], list[str]]:
    """The questions, each with the split that its first row with one states, and sentences about the others."""
    splits: dict[str, Split] = {}
    evidence: dict[str, str] = {}
    for file in files:
        splits.update(file.splits)
        evidence.update(file.evidence)
    questions: dict[str, Question] = {}
    stated: dict[str, Split] = {}
    torn: dict[str, None] = {}
    for example in examples:
        key, split = example.question_id, splits.get(example.id)
        if split is not None and stated.setdefault(key, split) != split:
            torn[key] = None
        if key not in questions:
            text, hint = example.question or example.source, evidence.get(example.id, "")
            questions[key] = Question(key, example.db_id, text, example.gold_sql, hint)
    notes = []
    if torn:
        notes.append(f"Questions whose rows state different splits, the first of them counts: {_named(torn)}.")
    if stated and len(stated) < len(questions):
        notes.append(f"Questions whose rows state no split belong to train: {len(questions) - len(stated)}.")
    return [dataclasses.replace(question, split=stated.get(key, "train")) for key, question in questions.items()], notes


def _databases(root: str | None, problems: Problems) -> tuple[dict[str, Database], list[str]]:
    """Every database below data.database_root, and sentences about what is not there, not read or there twice."""
    if root is None:
        return {}, ["No data.database_root: nothing is executed, so execution metrics do not apply."]
    folder = place("data.database_root", root)
    if not folder.is_dir():
        what = (
            "does not exist"
            if not folder.exists()
            else "is a file, not a folder"
            if folder.is_file()
            else "is not a folder"
        )
        raise UserError(f"data.database_root={root} {what}: it should name a folder with DB/DB.sqlite.")
    paths: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*.sqlite")):
        name = re.sub(r"-db(\..*)?$", "", path.stem)  # as text2sql-data names its files
        paths.setdefault(name, []).append(path)
    if not paths:
        raise UserError(f"data.database_root={root} holds no DB/DB.sqlite.")
    twice = [f"{name} ({same[0].relative_to(folder)})" for name, same in paths.items() if len(same) > 1]
    notes = [f"Databases of the same name, the first of them counts: {_named(twice)}."] if twice else []
    schemas = {name: schema_of(same[0], name, problems) for name, same in paths.items()}
    databases = {name: Database(name, paths[name][0], schema) for name, schema in schemas.items() if schema is not None}
    if not databases:
        raise UserError(f"No database under data.database_root={root} can be read: {'; '.join(problems.notes())}")
    return databases, [*notes, *problems.notes()]


def _placed(example: Example, databases: Mapping[str, Database]) -> Example:
    """The example with the database whose tables its prompt shows, where it names none and only one fits."""
    shown = chat_prompts.tables_of(example.source)
    if example.db_id or not shown:
        return example
    fitting = [db_id for db_id, database in databases.items() if shown <= database.schema.by_name.keys()]
    return dataclasses.replace(example, db_id=fitting[0]) if len(fitting) == 1 else example
