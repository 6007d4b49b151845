"""`python -m macsql.ask --db FILE "QUESTION"`: a question to a SQLite file, answered with SQL and its rows.

Without a question it asks for one after the other; questions on stdin are taken line by line. With `--serve` it opens
a page for a browser instead.
"""

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from macsql.config import ApiConfig, GenerationConfig, SeatsConfig, TrackingConfig
from macsql.errors import UserError
from macsql.system.flags import Flags
from macsql.system.streams import guarded, say

if TYPE_CHECKING:
    from macsql.database.schema import Database
    from macsql.pipeline.asking import Asker
    from macsql.pipeline.traces import Traces

STATE = Path(TrackingConfig().state_dir)
HISTORY = Path("~/.macsql_history")
UNANSWERED = 3  # exit code
BEAMS = 4  # answers among which --guided takes one, as in conf/generation/guided.yaml
MODELS = """REF is a model's or a trial's folder, a trial's key, a sweep (its best trial), a run's id in MLflow,
models:/NAME@ALIAS, OWNER/NAME on the hub, or pocket, which ships with macsql. Without --model the best trial in the
state directory answers: the one with the highest execution accuracy on eval questions where a sweep measured it, else
with the lowest eval_loss; where there is no trial, pocket. With --server, REF is what the server calls its model, and
the key is taken from the environment variable OPENAI_API_KEY.
Exit code 3: the question could not be answered."""
COMMANDS = "Type a question, or .schema, .trace, .help, .quit (or Ctrl-D)."


def main() -> None:
    """Exit code 0; 1 with one sentence for a mistake; 3 where the question could not be answered."""
    sys.exit(guarded(lambda: run(_parser().parse_args())))


def run(arguments: argparse.Namespace) -> int:
    """What the command line asks for."""
    from macsql.database.sandbox import Sandbox
    from macsql.pipeline.asking import LIMITS, Asker, as_typed, open_database
    from macsql.pipeline.seating import Seating, check_seats, rules_of

    _check(arguments)
    database = open_database(arguments.db) if arguments.db is not None else None
    if arguments.question is not None:
        as_typed(arguments.question)  # before the model is loaded
    config = _seats(arguments)
    check_seats(config)
    with Sandbox(1, LIMITS) as sandbox:
        seating = Seating(config, _generation(arguments), arguments.state_dir)
        asker = Asker(seating.whole(), sandbox, rules_of(config), _traces(arguments))
        for found in seating.models.values():
            if found.why:
                print(f"Model: {found.name} ({found.why}).", file=sys.stderr)
        if arguments.serve:
            from macsql.pipeline.page import serve

            serve(asker, database, arguments.host, arguments.port, arguments.upload_limit, say)
            return 0
        assert database is not None  # or _check would have said so
        shown = Shown(asker, database, arguments.evidence, arguments.json, arguments.csv, arguments.trace)
        if arguments.question is not None:
            return shown.answer(arguments.question)
        if not sys.stdin.isatty():
            codes = [shown.piped(line.strip()) for line in sys.stdin if line.strip()]
            if not codes:
                raise UserError('No question is given: write it in quotes behind the file, as in "How many rows?"')
            return max(codes)
        return _prompt(shown)


@dataclass(frozen=True)
class Shown:
    """Answers questions on stdout, in one of three forms."""

    asker: "Asker"
    database: "Database"
    evidence: str
    json: bool
    csv: bool
    trace: bool

    def piped(self, line: str) -> int:
        """The same for one of several, which is shown because nobody sees it typed; one that is none stops no other."""
        from macsql.pipeline import shown
        from macsql.pipeline.asking import as_typed
        from macsql.pipeline.turns import Answered
        from macsql.records import Question

        if not self.json:
            print(f"? {shown.clean(line)}", file=sys.stderr if self.csv else sys.stdout, flush=True)
        try:
            as_typed(line)
        except UserError as error:
            if not self.json:
                print(error, file=sys.stderr)
                return 1
            asked = Question("asked", self.database.id, line, "", self.evidence)
            say(json.dumps(shown.as_json(Answered(asked, problem=str(error)), None, False, self.trace)))
            return 1
        return self.answer(line)

    def answer(self, text: str) -> int:
        """Ask and show; returns the exit code."""
        from macsql.pipeline import shown

        answered = self.asker.ask(self.database, text, self.evidence)
        outcome, cut = self.asker.rows(self.database, answered)
        if self.json:
            say(json.dumps(shown.as_json(answered, outcome, cut, self.trace), ensure_ascii=False))
            return 0 if outcome is not None else UNANSWERED
        if self.trace:
            for line in shown.trace(answered):
                print(line, file=sys.stderr if self.csv else sys.stdout)
        if outcome is None:
            print("\n".join([shown.reason(answered), "Tried:", *shown.tried(answered)]), file=sys.stderr)
            return UNANSWERED
        if self.csv:
            sys.stdout.writelines(shown.csv_lines(outcome))
        else:
            say(answered.sql or "")
            shown.table(outcome)
        if doubt := shown.doubt(answered):
            print(doubt, file=sys.stderr)
        if cut:
            print(f"The query gives more rows than are read: these are the first {len(outcome.rows)}.", file=sys.stderr)
        return 0


def _prompt(shown: Shown) -> int:
    """One question after the other from a terminal, with a history."""
    from macsql.pipeline.shown import lines_of_schema

    say(COMMANDS)
    for line in _typed():
        if line in (".quit", ".exit", ".q", "exit", "quit"):
            break
        if line == ".schema":
            tables = [(table.name, [c.name for c in table.columns]) for table in shown.database.schema.tables]
            for told in lines_of_schema(tables):
                say(told)
        elif line == ".trace":
            shown = replace(shown, trace=not shown.trace)
            say(f"The trace is {'on' if shown.trace else 'off'}.")
        elif line.startswith("."):
            say(COMMANDS)
        elif line:
            try:
                shown.answer(line)
            except UserError as error:
                say(str(error))
            except KeyboardInterrupt:
                say("Stopped.")
    return 0


def _typed() -> Iterator[str]:
    """What is typed, line by line, until Ctrl-D; Ctrl-C begins a line anew."""
    path = HISTORY.expanduser()
    with contextlib.suppress(ImportError, OSError):
        import readline

        readline.set_history_length(1000)
        readline.read_history_file(path)
    try:
        while True:
            try:
                yield input("? ").strip()
            except EOFError:
                say("")
                return
            except KeyboardInterrupt:
                say("")
    finally:
        with contextlib.suppress(ImportError, OSError):
            import readline

            readline.write_history_file(path)


def _check(arguments: argparse.Namespace) -> None:
    """Raise UserError for words that do not go together."""
    if not arguments.serve:
        if arguments.db is None:
            raise UserError("--db is missing: name the SQLite file that is to be asked.")
        return
    from macsql.pipeline.page import check

    vain = [flag for flag in ("json", "csv", "trace", "evidence") if getattr(arguments, flag)]
    if vain or arguments.question is not None:
        what = f"--{vain[0]}" if vain else "a question"
        raise UserError(f"--serve opens a page on which one asks: leave out {what}.")
    check(arguments.host, arguments.port, arguments.upload_limit)


def _traces(arguments: argparse.Namespace) -> "Traces | None":
    if not arguments.record:
        return None
    from macsql.pipeline.traces import Traces

    return Traces(None, arguments.state_dir, "ask")


def _seats(arguments: argparse.Namespace) -> SeatsConfig:
    if arguments.json and arguments.csv:
        raise UserError("--json and --csv are two forms of the same rows: choose one.")
    if arguments.server is None:
        return SeatsConfig(model=arguments.model, style=arguments.style)
    if flag := next((flag for flag in ("unconstrained", "guided") if getattr(arguments, flag)), None):
        raise UserError(f"A server's answers are never constrained or guided: leave out --{flag}, or --server.")
    if arguments.model is None:
        raise UserError("--server needs --model: what the server calls the model, as in --model gpt-4.")
    api = ApiConfig(model=arguments.model, base_url=arguments.server, style=arguments.style or "mac_sql")
    return SeatsConfig(selector="chat_api", decomposer="chat_api", refiner="chat_api", api=api)


def _generation(arguments: argparse.Namespace) -> GenerationConfig:
    local = arguments.server is None
    if arguments.guided:  # not constrained too: beams that are cost seconds per question
        return GenerationConfig(num_beams=BEAMS, guided=True)
    return GenerationConfig(constrained=local and not arguments.unconstrained)


def _parser() -> Flags:
    parser = Flags(prog="python -m macsql.ask", description=__doc__.partition("\n")[0], epilog=MODELS)
    add = parser.add_argument
    add("question", nargs="?", metavar="QUESTION", help="in words; without it, an interactive prompt")
    add("--db", type=Path, metavar="FILE", help="the SQLite file, which is only read")
    add("--model", metavar="REF", help="who answers, see below")
    add("--server", metavar="URL", help="a server that speaks as OpenAI's does, as in http://127.0.0.1:8000/v1")
    add("--unconstrained", action="store_true", help="let the model write more than SQL with this schema's names")
    add("--guided", action="store_true", help=f"of {BEAMS} unconstrained answers take the best whose SQL gives rows")
    add("--evidence", default="", metavar="TEXT", help="what words of the question mean in this database")
    add("--trace", action="store_true", help="also what each agent reads and writes")
    add("--json", action="store_true", help="the answer as a JSON object, one line for each question")
    add("--csv", action="store_true", help="the rows alone, as CSV")
    add("--record", action="store_true", help="keep each question with all turns as a trace in MLflow, too")
    add("--serve", action="store_true", help="a page for a browser; without --db it takes files (needs the extra page)")
    add("--host", default="127.0.0.1", metavar="ADDRESS", help="where the page listens: this machine alone (127.0.0.1)")
    add("--port", type=int, default=0, metavar="N", help="the page's port; 0 takes a free one")
    add("--upload-limit", type=float, default=200.0, metavar="MB", help="megabytes of a file that the page takes (200)")
    add("--style", metavar="STYLE", help="prompt style of a model without card.json: mac_sql or brief")
    add("--state-dir", type=Path, default=STATE, metavar="DIR", help=f"where trials are kept ({STATE})")
    return parser


if __name__ == "__main__":
    main()
