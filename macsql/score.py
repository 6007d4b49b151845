"""`python -m macsql.score`: scores prediction files by the benchmarks' own protocols."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from macsql.database.sandbox import Sandbox
from macsql.errors import UserError
from macsql.protocols.bench import Bench, Options, Pair, Score
from macsql.protocols.by_name import PROTOCOLS, score
from macsql.protocols.files import read_pairs
from macsql.protocols.tables import component_tables, level, print_table, score_table
from macsql.records import Prediction, json_lines, read_jsonl
from macsql.system.files import check_output, write_output
from macsql.system.flags import Flags
from macsql.system.reading import read_json
from macsql.system.streams import guarded

READINGS = """\
A protocol without `-fixed` is the strict reading: the verdict that the official script gives, faults included. Report
that one. A training's metrics, the tables of `macsql compare` and the poster's figures use the strict reading too: EX
is spider-ex on the question's own database file, EM (string) compares the whole answer letter by letter, Spider EM is
spider-em. The `-fixed` protocols put plain faults of the scripts right; the table of outcomes follows spider-ex-fixed.
There are two EX because the benchmarks differ: spider-ex compares rows with their number, columns in any order, on
every database file of the test suite; bird-ex compares sets of rows, columns in their order, on one file.

spider-em-grammar (or --spider-grammar): spider-em can read only the SQL that Spider's annotators wrote and scores all
else as wrong, e.g. backticks, INNER JOIN, aliases without AS, `<>`, IN (1, 2). Models that were not trained on Spider
write these. This protocol first rewrites a prediction within that grammar where the rows stay the same, then scores it
by spider-em. The line of outcomes counts what was rewritten. It is never the official score: state it beside that."""
NAMED = 5  # gold errors told one by one; --out has all of them


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, 1 for a mistake of the user's (one sentence on stderr), 130 for Ctrl-C."""
    return guarded(lambda: run(_parser().parse_args(arguments)))


def run(args: argparse.Namespace) -> None:
    """Read both files, score them, print the tables and write the verdicts."""
    names = _protocols(args)
    if args.out:
        check_output("--out", args.out)
    pairs, places = read_pairs(args.gold, args.pred, args.agent)
    if args.export:
        _export(args)
    options = Options(args.keep_distinct, args.plug_value, args.ves_repeats, args.time_limit)
    with Sandbox(workers=args.workers) as sandbox:
        bench = Bench(args.db, sandbox, options, _tables(args, names))
        _check_databases(pairs, places, names, bench, args)
        levels = [level(pair, bench) for pair in pairs]
        scores = score(pairs, names, bench)
        if args.out:
            write_output("--out", args.out, json_lines(_verdicts(pairs, levels, scores)))
        print_table(score_table(levels, scores))
        print("percent of full marks, over the questions with a verdict")
        if args.partial:
            for heading, table in component_tables(pairs, levels, bench).items():
                print(f"\nspider-em, {heading} of its components")
                print_table(table)
        print()
        for name in names:
            _print_outcomes(name, scores[name], places)
        flags = {
            "keep-distinct": options.keep_distinct,
            "plug-value": options.plug_value,
            f"{options.ves_repeats} timed runs": {"bird-ves", "bird-rves"} & set(names),
        }
        turned = [text for text, on in flags.items() if on]
        limit = f"time limit {options.time_limit:g} s"
        print(" · ".join([f"data {bench.fingerprint(pairs)[:16]}", limit, *turned]))


def _export(args: argparse.Namespace) -> None:
    """Leave the answers of a predictions.jsonl as the official scripts read them. Raises UserError for another file."""
    from macsql.protocols.export import export

    format, _, folder = args.export.partition("=")
    answers = [row for row in read_jsonl(args.pred, Prediction) if row.agent == args.agent]
    for path in export(answers, format, Path(folder or format)):
        print(f"Written: {path}")


def _verdicts(pairs: Sequence[Pair], levels: Sequence[str], scores: dict[str, list[Score]]) -> list[dict[str, Any]]:
    rows = []
    for pair, one in zip(pairs, levels, strict=True):
        own = {name: found[pair.index] for name, found in scores.items()}
        rows.append(
            {
                "index": pair.index,
                "db_id": pair.db_id,
                "gold": pair.gold,
                "pred": pair.pred,
                "hardness": one,
                **{name: found.value for name, found in own.items()},
                "outcomes": {name: found.outcome for name, found in own.items()},
                "messages": {name: found.message for name, found in own.items() if found.message},
            }
        )
    return rows


def _print_outcomes(name: str, scores: Sequence[Score], places: Sequence[str]) -> None:
    """How the predictions ended, and which gold queries failed."""
    judged = [found for found in scores if found.value is not None]
    right = f"{sum(found.value is True for found in judged)} right of {len(judged)}" if _is_verdict(judged) else ""
    counts = Counter(str(found.outcome) for found in scores)
    told = ", ".join(f"{outcome} {count}" for outcome, count in counts.most_common())
    print(f"{name}: {right}{'; ' if right else ''}{told}")
    failed = [(place, found) for place, found in zip(places, scores, strict=True) if found.of_gold]
    for place, found in failed[:NAMED]:
        print(f"  gold error, {place}: {found.message}")
    if len(failed) > NAMED:
        print(f"  ... and {len(failed) - NAMED} more gold errors")


def _is_verdict(scores: Sequence[Score]) -> bool:
    return all(isinstance(found.value, bool) for found in scores)


def _protocols(args: argparse.Namespace) -> list[str]:
    names = [name for name in args.protocol.split(",") if name]
    if args.spider_grammar:
        names.append("spider-em-grammar")
    for name in names:
        if name not in PROTOCOLS:
            raise UserError(f"There is no protocol {name!r}: choose from {', '.join(PROTOCOLS)}.")
    if not names:
        raise UserError(f"No protocol is given: choose from {', '.join(PROTOCOLS)}.")
    return list(dict.fromkeys(names))


def _tables(args: argparse.Namespace, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """db_id -> its entry in tables.json, which lies beside the databases if it is not given."""
    path = args.tables or args.db.parent / "tables.json"
    if not path.is_file():
        if args.tables or args.partial or any(PROTOCOLS[name].needs_tables for name in names):
            raise UserError(f"There is no file {path}: spider-em needs Spider's tables.json, give it with --tables.")
        return {}
    try:
        return {entry["db_id"]: entry for entry in read_json(path)}
    except (TypeError, KeyError) as error:
        raise UserError(f"{path} is not Spider's tables.json, a list of objects with db_id ({error}).") from error


def _check_databases(
    pairs: Sequence[Pair], places: Sequence[str], names: Sequence[str], bench: Bench, args: argparse.Namespace
) -> None:
    if not args.db.is_dir():
        raise UserError(f"There is no folder {args.db}: --db is the folder with <db_id>/<db_id>.sqlite.")
    for pair, place in zip(pairs, places, strict=True):
        path = bench.database(pair.db_id)
        if pair.db_id not in bench.known_schemas:
            if not path.is_file():
                raise UserError(f"{args.gold}, {place}: there is no database {pair.db_id!r}, which would be {path}.")
            if pair.db_id not in bench.tables and any(PROTOCOLS[name].needs_tables for name in names):
                raise UserError(
                    f"{args.gold}, {place}: tables.json has no database {pair.db_id!r}, spider-em needs it."
                )
            bench.schema(pair.db_id)


def _parser() -> Flags:
    about = "\n".join(f"  {name:18} {protocol.about}" for name, protocol in PROTOCOLS.items())
    parser = Flags(
        prog="python -m macsql.score",
        description="Scores predictions against gold queries and prints a table by difficulty.",
        epilog=f"protocols:\n{about}\n\n{READINGS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--protocol", required=True, metavar="P[,P...]", help="which scores, see below")
    add(
        "--gold",
        required=True,
        type=Path,
        metavar="FILE",
        help="`SQL<TAB>db_id` lines, a dev.json or predictions.jsonl",
    )
    add(
        "--pred",
        required=True,
        type=Path,
        metavar="FILE",
        help="SQL lines, BIRD's or MAC-SQL's JSON, predictions.jsonl",
    )
    add("--db", required=True, type=Path, metavar="DIR", help="folder with <db_id>/<db_id>.sqlite")
    add("--tables", type=Path, metavar="FILE", help="Spider's tables.json (default: beside the folder of --db)")
    add("--out", type=Path, metavar="FILE", help="write the verdicts, one JSON object per question")
    add(
        "--export",
        metavar="FORMAT=DIR",
        help="leave the answers of a predictions.jsonl as files of the official scripts: spider, bird or mac-sql",
    )
    add("--agent", default="decomposer", choices=["decomposer", "refiner"], help="whose answers of a predictions.jsonl")
    add("--partial", action="store_true", help="also print the components of spider-em")
    add("--spider-grammar", action="store_true", help="also score predictions brought into the grammar of spider-em")
    add("--keep-distinct", action="store_true", help="spider-ex: leave DISTINCT in the queries")
    add("--plug-value", action="store_true", help="spider-ex: try gold's values in the prediction")
    add("--ves-repeats", type=_count, default=100, metavar="N", help="timed runs of each query (default: 100)")
    add("--time-limit", type=_seconds, default=30.0, metavar="SECONDS", help="for one statement; BIRD: for both (30)")
    add("--workers", type=_count, default=min(4, os.cpu_count() or 1), metavar="N", help="sandbox processes")
    return parser


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
