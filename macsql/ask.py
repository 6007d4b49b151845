"""`python -m macsql.ask --db FILE "QUESTION"`: a question to a SQLite file, answered with SQL and its rows."""

import argparse
import sys
from pathlib import Path

from macsql.config import GenerationConfig, TrackingConfig
from macsql.system.flags import Flags
from macsql.system.streams import guarded, say

STATE = Path(TrackingConfig().state_dir)
UNANSWERED = 3  # exit code


def main() -> None:
    """Exit code 0; 1 with one sentence for a mistake; 3 where the question could not be answered."""
    sys.exit(guarded(lambda: run(_parser().parse_args())))


def run(arguments: argparse.Namespace) -> int:
    """What the command line asks for."""
    from macsql.database.sandbox import Sandbox
    from macsql.pipeline.asking import LIMITS, Asker, as_typed, open_database
    from macsql.pipeline.seating import one_model

    database = open_database(arguments.db)
    text = as_typed(arguments.question)
    with Sandbox(1, LIMITS) as sandbox:
        found, seats = one_model(arguments.model, arguments.style, arguments.state_dir, GenerationConfig())
        if found.why:
            print(f"Model: {found.name} ({found.why}).", file=sys.stderr)
        asker = Asker(seats, sandbox)
        answered = asker.ask(database, text)
        say(answered.sql or "no SQL")
        outcome, _ = asker.rows(database, answered)
        if outcome is None or not outcome.ok:
            return UNANSWERED
        for row in outcome.rows:
            say(str(row))
    return 0


def _parser() -> Flags:
    parser = Flags(prog="python -m macsql.ask", description=__doc__)
    add = parser.add_argument
    add("question", nargs="?", metavar="QUESTION", help="in words; without it, an interactive prompt")
    add("--db", type=Path, required=True, metavar="FILE", help="the SQLite file, which is only read")
    add("--model", metavar="REF", help="a model's or trial's folder, a trial, a sweep, a run id, models:/NAME@ALIAS")
    add("--style", metavar="STYLE", help="prompt style of a model without card.json: mac_sql or brief")
    add("--state-dir", type=Path, default=STATE, metavar="DIR", help=f"where trials are kept ({STATE})")
    return parser


if __name__ == "__main__":
    main()
