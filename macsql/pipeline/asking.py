"""One question after the other to a database file: what `macsql ask`, its page and its served model share."""

import re
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from macsql.database.opening import connect
from macsql.database.sandbox import Limits, Outcome, Sandbox, Status
from macsql.database.schema import Database, read_sqlite_schema
from macsql.errors import UserError
from macsql.pipeline.pipeline import Pipeline, Rules
from macsql.pipeline.seats import Seat
from macsql.pipeline.traces import Traces
from macsql.pipeline.turns import Answered
from macsql.records import Agent, Question

LONGEST = 2000  # letters of a question
SHOWN = 1000  # rows that are fetched where a query gives more than the sandbox takes
TYPED = str.maketrans({
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4\u02bc", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
    "\u2026": "...",
})  # fmt: skip


class Asker:
    """Three seats and a sandbox, kept for any number of questions."""

    def __init__(
        self,
        seats: Mapping[Agent, Seat],
        sandbox: Sandbox,
        rules: Rules | None = None,
        traces: Traces | None = None,
    ) -> None:
        """`traces` keeps every question with its turns."""
        self.sandbox, self.traces = sandbox, traces
        self.pipeline = Pipeline(seats, sandbox, rules, tell=traces.tell if traces else lambda *_: None)

    def ask(self, database: Database, text: str, evidence: str = "") -> Answered:
        """All that becomes of a question. Raises UserError where it is empty or too long, or nobody can be asked."""
        question = Question("asked", database.id, as_typed(text), "", evidence)
        answers = self.pipeline.answer([question], {database.id: database})
        if self.traces:
            self.traces.keep(answers)
        return answers[0]

    def rows(self, database: Database, answered: Answered) -> tuple[Outcome | None, bool]:
        """The result that answers, and whether it is only the first `SHOWN` rows of one that is too long.

        None where no query ran to its end.
        """
        chosen = answered.chosen
        if chosen is None or chosen.sql is None or chosen.outcome is None:
            return None, False
        if chosen.outcome.status is Status.TOO_MANY_ROWS:
            inner = chosen.sql.strip().rstrip(";")
            first = self.sandbox.run(database.path, f"SELECT * FROM (\n{inner}\n) LIMIT {SHOWN}")
            return (first, True) if first.ok else (None, False)
        return (chosen.outcome if chosen.runs else None), False


def as_typed(text: str) -> str:
    """A question as models know questions: straight quotes and hyphens, single blanks, none at the ends.

    Raises UserError where nothing is left, or it is longer than LONGEST.
    """
    text = text.encode("utf-8", "replace").decode("utf-8").translate(TYPED)
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    text = re.sub(r"\s*([?!.])[?!.\s]*$", r"\1", text)
    if not re.search(r"\w", text):
        raise UserError('The question is empty: write it in quotes behind the file, as in "How many rows are there?"')
    if len(text) > LONGEST:
        raise UserError(f"The question has {len(text)} letters: at most {LONGEST} are read.")
    return text


def open_database(path: Path) -> Database:
    """A SQLite file as a database, its schema read from the file. Raises UserError where there is nothing to ask."""
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder: name a SQLite file.")
    except (OSError, ValueError) as error:
        raise UserError(f"The database file {str(path)[:80]!a} cannot be opened: it is no path.") from error
    schema = read_sqlite_schema(path)
    if not schema.tables:
        with closing(connect(path)) as connection:
            views = connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'view'").fetchone()[0]
        what = "has views but no tables" if views else "has no tables"
        raise UserError(f"{path} {what}: there is nothing to ask.")
    return Database(schema.db_id, path, schema)


LIMITS = Limits(seconds=20.0, rows=100_000)  # of a query that somebody waits for
