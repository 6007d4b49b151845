"""Chat JSONL: SQL-Llama's instruct file, what `python -m macsql.build` writes, and any other file with `messages`.

A row is an example already: the user turn is its source and the assistant turn its target.
"""

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macsql.config import DataConfig
from macsql.corpora import chat_prompts
from macsql.corpora.corpus import Corpus, existing_root, other_layout
from macsql.corpora.splits import limited, normal_text, rank, tell_apart
from macsql.database.schema import Database, read_sqlite_schema
from macsql.errors import UserError
from macsql.records import AGENTS, SPLITS, Agent, Example, Question, Split

LAYOUT = "one or more *.jsonl files, each line an object with `messages`"
SQL_LLAMA = {"decomposer": 2029, "selector": 1009, "refiner": 337}  # rows of the instruct set, v0.5

_TEXTS = ("question", "gold_sql", "broken_sql", "error")  # keys beside `messages` that say what a prompt may not
_SHOWN = 10  # line numbers named in a sentence


@dataclass(frozen=True)
class ChatFile:
    """The examples of a file, and the lines that are none, by number from 1."""

    examples: tuple[Example, ...]
    counts: Mapping[Agent, int]  # examples an agent
    unknown: tuple[int, ...]  # well-formed rows that address none of the three agents
    malformed: Mapping[int, str]  # line -> what is wrong with it
    splits: Mapping[str, Split]  # example id -> split, where the row states one
    evidence: Mapping[str, str]  # example id -> evidence, where there is any

    @property
    def is_sql_llama(self) -> bool:
        """Whether the counts are those of the true SQL-Llama instruct file, 2029 / 1009 / 337."""
        return dict(self.counts) == SQL_LLAMA

    def sentences(self) -> list[str]:
        """What was read, whether it is as many as SQL-Llama's file has, and which lines are no examples."""
        told = [f"{self.counts[agent]} {agent.capitalize()}" for agent in SQL_LLAMA]  # type: ignore[index]
        verdict = "as SQL-Llama's instruct file has" if self.is_sql_llama else "not SQL-Llama's 2029, 1009, 337"
        notes = [f"Chat rows: {', '.join(told)}, {len(self.unknown)} unknown: {verdict}."]
        if self.unknown:
            notes.append(f"Lines that address none of the three agents: {_named(self.unknown)}.")
        if self.malformed:
            first, reason = next(iter(self.malformed.items()))
            notes.append(f"Malformed lines, skipped: {_named(self.malformed)} (line {first}: {reason}).")
        return notes


def read_examples(path: Path, strict: bool = False) -> ChatFile:
    """The examples of a chat file.

    A row has a user and an assistant turn, with a system turn before them where it likes; a system turn that is not
    blank becomes the head of the source. The agent is the row's own `agent` where it names one of the three, else what
    the user turn shows. Keys that nobody knows are let be. Raises UserError at the first malformed line where `strict`.
    """
    examples: list[Example] = []
    unknown: list[int] = []
    malformed: dict[int, str] = {}
    splits: dict[str, Split] = {}
    evidence: dict[str, str] = {}
    ids: set[str] = set()
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = _row(line)
            system, prompt, answer = _turns(row)
        except ValueError as error:
            if strict:
                raise UserError(f"{path}, line {number}: {error} (skipped with data.strict=false).") from error
            malformed[number] = str(error)
            continue
        agent = row["agent"] if row.get("agent") in AGENTS else chat_prompts.agent_of(prompt)
        if agent is None:
            unknown.append(number)
            continue
        own = row.get("id")
        name = own if isinstance(own, str) and own and own not in ids else f"{path.stem}/{number:05d}"
        ids.add(name)
        examples.append(_example(name, agent, row, "\n".join(filter(None, (system, prompt))), prompt, answer))
        if row.get("split") in SPLITS:
            splits[name] = row["split"]
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
    paths = _files(data.root)
    files = {path: read_examples(path, data.strict) for path in paths}
    examples = [example for file in files.values() for example in file.examples]
    if len({example.id for example in examples}) < len(examples):  # two files with the same ids
        examples = [dataclasses.replace(e, id=f"{p.stem}/{e.id}") for p, file in files.items() for e in file.examples]
    if not examples:
        raise UserError(f"No row in {', '.join(map(str, paths))} addresses one of the three agents.")
    databases, notes = _databases(data.database_root)
    if databases:
        examples = _shared([_placed(example, databases) for example in examples])
        lost = sum(example.db_id not in databases for example in examples)
        if lost:
            notes.append(f"{lost} rows name no database under data.database_root: nothing can be executed for them.")
    questions = _questions(examples, files.values())
    told, told_notes = tell_apart(questions, data, eval_by="question")
    questions = limited(told, data.limit, data.seed)
    kept = {question.id for question in questions}
    used = {question.db_id for question in questions}
    skipped = Counter({
        "row that addresses none of the three agents": sum(len(file.unknown) for file in files.values()),
        "malformed line": sum(len(file.malformed) for file in files.values()),
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


def _named(lines: Iterable[int]) -> str:
    numbers = list(lines)
    return ", ".join(map(str, numbers[:_SHOWN])) + (
        f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    )


def _files(root: str | None) -> list[Path]:
    if root and Path(root).expanduser().is_file():
        return [Path(root).expanduser()]
    folder = existing_root(root, LAYOUT)
    paths = sorted(folder.glob("*.jsonl"))
    if not paths:
        raise other_layout(folder, LAYOUT)
    return paths


def _row(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON in UTF-8 ({error})") from error
    if not isinstance(row, dict):
        raise ValueError(f"an object is expected, not {type(row).__name__}")  # noqa: TRY004  (one kind for all that is malformed)
    return row


def _turns(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """(system or "", user, assistant)."""
    messages = row.get("messages")
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise ValueError("no list of `messages`")
    roles = [message.get("role") for message in messages]
    texts = [message.get("content") for message in messages]
    if roles[:1] == ["system"]:
        system = texts[0] if isinstance(texts[0], str) and texts[0].strip() else ""
        roles, texts = roles[1:], texts[1:]
    else:
        system = ""
    if roles != ["user", "assistant"]:
        raise ValueError(f"turns {roles} where a user and an assistant are expected")
    prompt, answer = texts
    if not (isinstance(prompt, str) and isinstance(answer, str) and prompt.strip() and answer.strip()):
        raise ValueError("an empty turn, or one that is no text")
    return system, prompt, answer


def _example(name: str, agent: Agent, row: Mapping[str, Any], source: str, prompt: str, answer: str) -> Example:
    read = {
        "question": chat_prompts.question_of(prompt),
        "gold_sql": "" if agent == "selector" else chat_prompts.sql_of(answer),
        "broken_sql": chat_prompts.broken_sql_of(prompt) if agent == "refiner" else "",
        "error": chat_prompts.error_of(prompt) if agent == "refiner" else "",
    }
    read |= {key: row[key] for key in _TEXTS if isinstance(row.get(key), str)}
    db_id = row["db_id"] if isinstance(row.get("db_id"), str) else chat_prompts.db_id_of(prompt)
    own = row.get("question_id")
    question_id = (
        own if isinstance(own, str) and own else f"chat/{rank(0, normal_text(read['question'] or prompt))[:16]}"
    )
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


def _questions(examples: Iterable[Example], files: Iterable[ChatFile]) -> list[Question]:
    splits: dict[str, Split] = {}
    evidence: dict[str, str] = {}
    for file in files:
        splits.update(file.splits)
        evidence.update(file.evidence)
    questions: dict[str, Question] = {}
    for example in examples:
        if example.question_id not in questions:
            text = example.question or example.source
            hint, split = evidence.get(example.id, ""), splits.get(example.id, "train")
            questions[example.question_id] = Question(
                example.question_id, example.db_id, text, example.gold_sql, hint, split=split
            )
    return list(questions.values())


def _databases(root: str | None) -> tuple[dict[str, Database], list[str]]:
    if root is None:
        return {}, ["No data.database_root: nothing is executed, so execution metrics do not apply."]
    folder = Path(root).expanduser()
    databases = {}
    for path in sorted(folder.rglob("*.sqlite")):
        name = re.sub(r"-db(\..*)?$", "", path.stem)  # as text2sql-data names its files
        databases[name] = Database(name, path, read_sqlite_schema(path, name))
    if not databases:
        raise UserError(f"data.database_root={root} holds no DB/DB.sqlite.")
    return databases, []


def _placed(example: Example, databases: Mapping[str, Database]) -> Example:
    """The example with the database whose tables its prompt shows, where it names none and only one fits."""
    shown = chat_prompts.tables_of(example.source)
    if example.db_id or not shown:
        return example
    fitting = [db_id for db_id, database in databases.items() if shown <= database.schema.by_name.keys()]
    return dataclasses.replace(example, db_id=fitting[0]) if len(fitting) == 1 else example
