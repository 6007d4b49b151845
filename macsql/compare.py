"""`python -m macsql.compare NAME ...`: an experiment's trials side by side, and beside the poster's figures."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from macsql.config import TrackingConfig
from macsql.errors import UserError
from macsql.system.files import check_output
from macsql.system.flags import Flags
from macsql.system.streams import guarded, say

if TYPE_CHECKING:
    from macsql.comparison.experiment import Comparison

STATE = Path(TrackingConfig().state_dir)
PLACES = """results.csv, comparison.csv and report.html go into experiments/NAME of the state directory, beside the
trials. If NAME is one of the repository's experiments and every planned trial of mlruns/ has finished, they go into the
repository's experiments/NAME instead, with the tables of its README. That does not overwrite results that have more
seeds, another scale or other data, unless you pass --publish."""


def main() -> None:
    """Exit code 0; 1 with one sentence where there is nothing to compare; 2 where a stored figure does not hold."""
    parser = Flags(prog="python -m macsql.compare", description=__doc__, epilog=PLACES)
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help="the sweep's name, as in lr_bs; several are compared in turn"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report to this file")
    parser.add_argument("--state-dir", type=Path, default=STATE, help=f"where the sweep kept its trials ({STATE})")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write all files into this folder")
    parser.add_argument(
        "--publish",
        action="store_true",
        help="write into experiments/NAME of the repository, whatever is there",
    )
    sys.exit(guarded(lambda: run(parser.parse_args())))


def run(arguments: argparse.Namespace) -> int:
    """What the command line asks for."""
    if len(arguments.names) > 1 and (arguments.html or arguments.out):
        raise UserError("--html and --out take one NAME at a time.")
    if arguments.publish and (arguments.html or arguments.out):
        raise UserError("--publish has its own places for the files: leave out --html and --out.")
    for name in arguments.names:
        if not name or Path(name).name != name:
            raise UserError(f"{name!r} is not a sweep's name: a name has no folder in it.")
    if arguments.out:
        check_output("--out", arguments.out / "results.csv")
    if arguments.html:
        check_output("--html", arguments.html)
    return max(_compare(name, arguments) for name in arguments.names)


def _compare(name: str, arguments: argparse.Namespace) -> int:
    if arguments.publish:
        published_folder(name)  # before anything is read
    comparison = show(name, arguments.state_dir)
    if not comparison.settings:
        return 1
    if arguments.publish or (not arguments.out and not arguments.html and _belongs(comparison, arguments.state_dir)):
        publish(comparison)
    else:
        write(comparison, arguments.out or beside(name, arguments.state_dir), arguments.html)
    return 2 if comparison.disagreements else 0


def beside(name: str, state_dir: Path) -> Path:
    """The folder beside a sweep's trials that its comparison is left in."""
    return state_dir / "experiments" / name


def _belongs(comparison: "Comparison", state_dir: Path) -> bool:
    """Whether a comparison is what came out of one of the repository's experiments, whole."""
    from macsql.places import EXPERIMENTS, INSTALLED, REPO
    from macsql.report import csv_files as results

    own = state_dir.resolve() == (REPO / STATE).resolve()
    if INSTALLED or not own or not (EXPERIMENTS / comparison.name).is_dir() or comparison.progress:
        return False
    there = results.read(EXPERIMENTS / comparison.name / "results.csv")
    made = comparison.provenance
    seeds = {row["seed"] for row in there}
    same = {(row["data_fingerprint"], row["scale"]) for row in there} <= {(made.fingerprint, made.scale)}
    if same and len(seeds) <= len(made.seeds):
        return True
    say(
        f"experiments/{comparison.name} keeps what is there, of {len(seeds)} seeds"
        f"{'' if same else ' and other data or another scale'}: --publish puts this comparison in its place."
    )
    return False


def show(name: str, state_dir: Path) -> "Comparison":
    """Print the comparison; where no trial has finished it says that in one sentence."""
    from macsql.comparison.experiment import compare
    from macsql.report import terminal as table

    comparison = compare(name, state_dir)
    if comparison.settings:
        table.show(comparison)
    else:
        say(f"Sweep {name}: {comparison.progress}, so there is nothing to compare.")
    return comparison


def write(comparison: "Comparison", folder: Path, page: Path | None = None) -> None:
    """Leave results.csv, comparison.csv and report.html in a folder; the report as `page` where that is given."""
    from macsql.report import csv_files as results
    from macsql.report import html as report

    say(f"Written: {results.write_results(comparison, folder / 'results.csv')}")
    if comparison.beside:
        say(f"Written: {results.write_comparison(comparison, folder / 'comparison.csv')}")
    say(f"Written: {report.write_html(comparison, page or folder / 'report.html')}")


def publish(comparison: "Comparison") -> None:
    """Leave an experiment's files and the table of its README in its folder, and its row in experiments/README.md."""
    from macsql.places import EXPERIMENTS
    from macsql.report import readme

    folder = published_folder(comparison.name)
    best = comparison.best
    if best is not None and best.config.data.format != "pocket":
        comparison = replace(comparison, examples=())
        say("Questions and gold SQL belong to their corpus: none are in the published page; --html FILE writes them.")
    write(comparison, folder)
    say(f"Written: {readme.write_results(comparison, folder / 'README.md')}")
    say(f"Written: {readme.write_overview(comparison, EXPERIMENTS / 'README.md')}")


def published_folder(name: str) -> Path:
    """Where the repository keeps what came out of an experiment. Raises UserError for a sweep that is none."""
    from macsql.places import EXPERIMENTS, INSTALLED

    if INSTALLED:
        raise UserError("--publish writes into experiments/ of a clone: leave it out, --html FILE writes a report.")
    if not (EXPERIMENTS / name).is_dir():
        raise UserError(
            f"{name} is not an experiment of this repository: leave out --publish, --html FILE writes a report."
        )
    return EXPERIMENTS / name


if __name__ == "__main__":
    main()
