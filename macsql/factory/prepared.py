"""Questions to the three agents' examples, made once for each data and agents configuration and kept on disk.

The folder is named by what went into it, so that every trial with the same data reads the same bytes:

    <state_dir>/data/<key>/  train.jsonl  eval.jsonl  test.jsonl  databases.json  about.json

A corpus whose files are as they were is not read again: `<state_dir>/data/read/` says which folder came of it.
"""

import hashlib
import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from macsql import corpora
from macsql.config import Config
from macsql.corpora import leakage
from macsql.counts import counted
from macsql.database.schema import Column, Database, ForeignKey, Schema, Table
from macsql.errors import UserError
from macsql.factory.check import check
from macsql.factory.progress import making
from macsql.records import SPLITS, Example, Split, read_jsonl, write_jsonl
from macsql.system.files import new_folder, write_whole
from macsql.system.manifest import manifest

EXAMPLES_VERSION = 4  # raise it when the same configuration makes other examples than before
WORDED_BY = ("sqlglot", "inflect", "rapidfuzz")  # libraries whose versions decide what examples say


@dataclass(frozen=True)
class Prepared:
    """A folder of examples and what is known about it."""

    folder: Path

    @cached_property
    def about(self) -> dict[str, Any]:
        """Counts an agent and split, of linked values too, reasons for what was not made, notes, the fingerprint."""
        return json.loads((self.folder / "about.json").read_text(encoding="utf-8"))

    @property
    def fingerprint(self) -> str:
        """Content hash of the questions, schemas and databases; the same on every machine."""
        return self.about["fingerprint"]

    @property
    def warnings(self) -> list[str]:
        """What makes the corpus another one than was meant, to be said before all else."""
        return self.about.get("warnings", [])  # a folder of an older version has none

    @property
    def links(self) -> dict[str, dict[str, dict[str, int]]]:
        """Split -> agent -> what was counted of linked values (`factory.links`); {} where prompts have none."""
        counts = self.about.get("links", {})  # a folder of an older version has none
        return {split: agents for split, agents in counts.items() if agents}

    @property
    def left_out(self) -> list[str]:
        """A line for each reason why something of the corpus, or rows of an agent, are not among the examples."""
        skipped = self.about["skipped"]
        lines = [f"{reason}: {count}" for reason, count in skipped.get("questions", {}).items()]
        for split in SPLITS:
            for agent, reasons in skipped.get(split, {}).items():
                lines += [f"{counted(count, f'{split} {agent} row')}: {reason}" for reason, count in reasons.items()]
        return lines

    def examples(self, split: Split) -> list[Example]:
        """The examples of a split, in the corpus's order."""
        return list(read_jsonl(self.folder / f"{split}.jsonl", Example))

    @cached_property
    def databases(self) -> dict[str, Database]:
        """Database id -> database, for every database an example speaks of."""
        entries = json.loads((self.folder / "databases.json").read_text(encoding="utf-8"))
        return {entry["id"]: _database(entry) for entry in entries}


def prepare(config: Config) -> Prepared:
    """The examples for a configuration, from disk where they have been made before.

    Raises UserError where the corpus cannot be read or gives no examples to train or to test on.
    """
    check(config.agents)
    state = Path(config.tracking.state_dir)
    files = manifest(corpora.places(config.data, state))
    made_with = [EXAMPLES_VERSION, sqlite3.sqlite_version, *map(version, WORDED_BY)]
    known = state / "data" / "read" / f"{_digest([*made_with, asdict(config.data), asdict(config.agents)])}.json"
    if files is not None and (folder := _read_before(known, files, state)) is not None:
        return Prepared(folder)
    corpus = corpora.read(config.data, state)
    fingerprint = corpora.fingerprint(corpus)
    told = [corpus.name, corpus.skipped, corpus.notes, corpus.warnings]  # of the same questions, but other files
    folder = state / "data" / f"{config.data.format}-{_digest([*made_with, fingerprint, told, asdict(config.agents)])}"
    if not _whole(folder):
        shutil.rmtree(folder, ignore_errors=True)
        with new_folder(folder) as partial:  # another process may make the same meanwhile: its bytes are the same
            _make(corpus, fingerprint, config, partial)
    databases = _databases(corpus)
    if (folder / "databases.json").read_text(encoding="utf-8") != databases:  # they, or the folder, have been moved
        write_whole(folder / "databases.json", databases)
    if files is not None:
        write_whole(known, json.dumps({"files": files, "folder": folder.name, "made": manifest([folder])}))
    return Prepared(folder)


def _read_before(known: Path, files: str, state: Path) -> Path | None:
    """The folder that came of reading these very files; None where they have not been read, or it is gone."""
    try:
        before = json.loads(known.read_text(encoding="utf-8"))
        folder = state / "data" / before["folder"]
        same = before["files"] == files and before["made"] is not None and before["made"] == manifest([folder])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return folder if same else None


def _whole(folder: Path) -> bool:
    """Whether a folder holds the examples that were made, byte for byte; databases.json may have been written anew."""
    try:
        digests = json.loads((folder / "about.json").read_text(encoding="utf-8"))["files"]
        (folder / "databases.json").read_text(encoding="utf-8")
        return bool(digests) and all(_hash(folder / name) == digest for name, digest in digests.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(thing: Any) -> str:
    return hashlib.sha256(json.dumps(thing, sort_keys=True).encode()).hexdigest()[:16]


def _make(corpus: corpora.Corpus, fingerprint: str, config: Config, folder: Path) -> None:
    from macsql.database.sandbox import Sandbox
    from macsql.factory.examples import make_examples

    counts: dict[str, dict[str, int]] = {}
    links: dict[str, Any] = {}
    partly: set[str] = set()
    plain: Counter[str] = Counter()
    skipped: dict[str, Any] = {"questions": dict(corpus.skipped)}
    asked = 0 if corpus.examples else len(corpus.questions)
    with Sandbox(config.metrics.workers) as sandbox, making(asked) as tell:
        before = 0
        for split in SPLITS:
            rows: Sequence[Example] = corpus.examples_of(split)  # a chat file's rows are examples already
            if not corpus.examples:

                def told(done: int, _: int, before: int = before) -> None:
                    tell(before + done, asked)

                made = make_examples(corpus.of(split), corpus.databases, config.agents, sandbox, progress=told)
                before += len(corpus.of(split))
                rows = made.examples
                links[split] = made.links
                partly.update(made.partly_linked)
                plain.update(made.plain)
                skipped[split] = {agent: dict(reasons) for agent, reasons in made.skipped.items()}
            rows = [row for row in rows if row.agent in config.agents.roles]
            counts[split] = {role: sum(row.agent == role for row in rows) for role in config.agents.roles}
            write_jsonl(folder / f"{split}.jsonl", rows)
            if not rows:
                raise _without(split, corpus, config)
    (folder / "databases.json").write_text(_databases(corpus), encoding="utf-8")
    notes = [*corpus.notes, *leakage.check(corpus).sentences()]
    if partly:
        few = ", ".join(sorted(partly)[:3]) + (", …" if len(partly) > 3 else "")
        notes.append(
            f"Value links: only the first rows of {counted(len(partly), 'large table')} are looked at ({few})."
        )
    notes += plain_notes(plain)
    about = {
        "corpus": corpus.name,
        "fingerprint": fingerprint,
        "counts": counts,
        "links": links,
        "skipped": skipped,
        "warnings": list(corpus.warnings),
        "notes": notes,
        "files": {f"{split}.jsonl": _hash(folder / f"{split}.jsonl") for split in SPLITS},
    }
    (folder / "about.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


def plain_notes(plain: Mapping[str, int]) -> list[str]:
    """What agents.sql=plain did, and what it means for the scores; [] where it is off."""
    if not plain:
        return []
    kept = {reason.removeprefix("kept: "): count for reason, count in plain.items() if reason.startswith("kept: ")}
    why = f" ({', '.join(f'{reason}: {count}' for reason, count in sorted(kept.items()))})" if kept else ""
    return [
        f"agents.sql=plain: the gold SQL of {plain.get('written plainly', 0)} of "
        f"{counted(sum(plain.values()), 'question')} is written plainly in the answers; kept as published: "
        f"{sum(kept.values())}{why}. Exact match of texts and the loss are against these answers; execution accuracy "
        "and Spider's exact match are against the published gold SQL."
    ]


def _without(split: Split, corpus: corpora.Corpus, config: Config) -> UserError:
    """The error for a corpus that has no examples in a split."""
    asked, all_asked = len(corpus.of(split)), len(corpus.questions)
    if asked:
        why = f"none of its {counted(asked, f'{split} question')} gives one for {', '.join(config.agents.roles)}"
    elif all_asked < len(SPLITS):
        few = f"{counted(all_asked, 'question')} {'is' if all_asked == 1 else 'are'} too few"
        why = f"{few}, train, eval and test need one each"
    else:
        why = (
            f"none of its {all_asked} questions belongs to {split}: raise the split's fraction, or tell them apart anew"
        )
    return UserError(f"data={config.data.format} has no {split} examples: {why}.")


def _databases(corpus: corpora.Corpus) -> str:
    used = {question.db_id for question in corpus.questions}
    return json.dumps([entry(database) for key, database in sorted(corpus.databases.items()) if key in used])


def entry(database: Database) -> dict[str, Any]:
    """A database as databases.json describes it."""
    return {"id": database.id, "path": str(database.path.resolve()), "schema": asdict(database.schema)}


def _database(entry: Mapping[str, Any]) -> Database:
    schema = entry["schema"]
    tables = tuple(
        Table(**{**table, "columns": tuple(Column(**column) for column in table["columns"])})
        for table in schema["tables"]
    )
    keys = tuple(ForeignKey(**key) for key in schema["foreign_keys"])
    return Database(entry["id"], Path(entry["path"]), Schema(schema["db_id"], tables, keys))
