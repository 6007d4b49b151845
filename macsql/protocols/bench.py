"""What a protocol is given and what it gives back: pairs of queries, databases to run them on, scores."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from macsql.database import scratch_copy
from macsql.database.opening import is_side_file
from macsql.database.sandbox import Limits, Outcome, Sandbox
from macsql.protocols.rows import Row
from macsql.spider_sql.schema import SpiderSchema, read_spider_schema

GOLD_ERROR = "gold error"
LARGEST_COPY = 512 << 20  # bytes
KEPT = 2000  # outcomes remembered: enough for the golds of one portion, and bounded

Statement = tuple[Path, str]  # a database file and a statement


@dataclass(frozen=True)
class Pair:
    """A question's gold query and the prediction for it."""

    index: int  # from 0, in the order of the gold file
    db_id: str
    gold: str
    pred: str


@dataclass(frozen=True)
class Score:
    """What one protocol says of one pair."""

    value: bool | float | None  # a verdict, or a share of the protocol's full mark; None: gold failed, so there is none
    outcome: str = ""  # how the prediction ended (a word of the sandbox), or "gold error"
    message: str = ""  # SQLite's own, where there is one

    @property
    def of_gold(self) -> bool:
        """Whether it was gold that failed, so that the score says nothing about the prediction."""
        return self.outcome == GOLD_ERROR


def gold_error(outcome: Outcome, value: bool | float | None = None) -> Score:
    """The score of a pair whose gold query fails; `value` where a protocol gives it one all the same."""
    told = outcome.message.startswith(outcome.status)  # as SQLite's "no such table: t" does
    return Score(value, GOLD_ERROR, outcome.message if told else f"{outcome.status}: {outcome.message}")


@dataclass(frozen=True)
class Options:
    """What a user may turn; all of it belongs to a score that is written down."""

    keep_distinct: bool = False  # spider-ex: leave DISTINCT where it is
    plug_value: bool = False  # spider-ex: try gold's values in the prediction
    ves_repeats: int = 100  # bird-ves, bird-rves: timed runs of each query
    time_limit: float = 30.0  # seconds for one statement; BIRD's protocols: for the pair


@dataclass
class Bench:
    """Databases, a sandbox and the outcomes so far: a statement that several protocols need runs once."""

    folder: Path  # holds <db_id>/<db_id>.sqlite
    sandbox: Sandbox
    options: Options = Options()
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # db_id -> its object in Spider's tables.json
    outcomes: dict[Statement, Outcome] = field(default_factory=dict)
    ratios: dict[tuple[Statement, Statement], tuple[float, ...]] = field(default_factory=dict)
    copies: dict[tuple[Path, tuple[str, ...]], list[list[Row]] | None] = field(default_factory=dict)
    known_files: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    known_schemas: dict[str, SpiderSchema] = field(default_factory=dict)

    def database(self, db_id: str) -> Path:
        """The main file of a database."""
        return self.folder / db_id / f"{db_id}.sqlite"

    def files(self, db_id: str) -> tuple[Path, ...]:
        """All files of a database, its test suite: whatever has `.sqlite` in its name, a `.sqlite.bak` too, but for
        what SQLite itself puts beside a database (`.sqlite-wal`, `-shm`, `-journal`)."""
        if db_id not in self.known_files:
            self.known_files[db_id] = tuple(
                sorted(
                    path
                    for path in (self.folder / db_id).iterdir()
                    if ".sqlite" in path.name and not is_side_file(path)
                )
            )
        return self.known_files[db_id]

    def schema(self, db_id: str) -> SpiderSchema:
        """A database as Spider's evaluator knows it."""
        if db_id not in self.known_schemas:
            self.known_schemas[db_id] = read_spider_schema(self.database(db_id), self.tables.get(db_id))
        return self.known_schemas[db_id]

    def run(self, jobs: Iterable[Statement]) -> dict[Statement, Outcome]:
        """The outcomes of these jobs, among others that are still remembered."""
        if len(self.outcomes) > KEPT:
            self.outcomes.clear()
        new = [job for job in dict.fromkeys(jobs) if job not in self.outcomes]
        limits = Limits(seconds=self.options.time_limit)
        self.outcomes.update(zip(new, self.sandbox.run_many(new, limits), strict=True))
        return self.outcomes

    def time_ratios(self, gold: Statement, pred: Statement) -> tuple[float, ...]:
        """Seconds of gold over seconds of the prediction, run by run; measured alone, nothing beside it."""
        if (gold, pred) not in self.ratios:
            repeats = self.options.ves_repeats
            limits = Limits(seconds=self.options.time_limit * repeats)  # the official script's limit for all runs
            pred_seconds = self.sandbox.run_repeated(*pred, repeats, limits)[1]
            gold_seconds = self.sandbox.run_repeated(*gold, repeats, limits)[1]
            pairs = zip(gold_seconds, pred_seconds, strict=False)
            self.ratios[gold, pred] = tuple(above / below for above, below in pairs if below > 0)
        return self.ratios[gold, pred]

    def run_on_copy(self, database: Path, *statements: str) -> list[list[Row]] | None:
        """The rows of each statement when they run one after another on a copy of the database in memory, where they
        may change what they like; None if one fails, all take too long together, or the file is too large to copy."""
        job = database, statements
        if job not in self.copies:
            self.copies[job] = None
            if database.stat().st_size <= LARGEST_COPY:
                self.copies[job] = scratch_copy.run(database, statements, self.options.time_limit, Limits().rows)
        return self.copies[job]

    def forget(self) -> None:
        """Drop the outcomes."""
        self.outcomes.clear()
        self.ratios.clear()
        self.copies.clear()

    def fingerprint(self, pairs: Sequence[Pair]) -> str:
        """SHA-256 over the gold queries in order and every file of their databases: two scores can be compared only
        where this is the same."""
        digest = hashlib.sha256()
        for pair in pairs:
            digest.update(f"{pair.db_id}\0{pair.gold}\0".encode(errors="surrogatepass"))
        for db_id in sorted({pair.db_id for pair in pairs}):
            for path in self.files(db_id):
                digest.update(f"{db_id}/{path.name}\0".encode(errors="surrogateescape"))
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()
