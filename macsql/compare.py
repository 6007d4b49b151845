"""`python -m macsql.compare NAME ...`: an experiment's trials side by side, and beside the poster's figures."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from macsql.errors import UserError

if TYPE_CHECKING:
    from macsql.comparison.experiment import Comparison

STATE = Path("mlruns")


def main() -> None:
    """Exit code 0; 1 with one sentence where there is nothing to compare; 2 where a stored figure does not hold."""
    parser = argparse.ArgumentParser(prog="python -m macsql.compare", description=__doc__)
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help="the sweep's name, as in lr_bs; several are compared in turn"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write a report, one file without any other")
    parser.add_argument("--state-dir", type=Path, default=STATE, help="where the sweep kept its trials (mlruns)")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where results.csv goes (experiments/NAME of the state directory)"
    )
    parser.add_argument(
        "--publish", action="store_true", help="write all of it into experiments/NAME of the repository, as make does"
    )
    arguments = parser.parse_args()
    try:
        sys.exit(run(arguments))
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


def run(arguments: argparse.Namespace) -> int:
    """What the command line asks for."""
    from macsql.comparison import report

    if len(arguments.names) > 1 and (arguments.html or arguments.out):
        raise UserError("--html and --out take one NAME at a time.")
    if arguments.publish and (arguments.html or arguments.out):
        raise UserError("--publish has its own places for the files: leave out --html and --out.")
    for path in (arguments.out, arguments.html and arguments.html.parent):
        try:
            (path or Path()).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{path} cannot be written to ({error.strerror}): name another folder.") from error
    codes = []
    for name in arguments.names:
        folder = published_folder(name) if arguments.publish else arguments.out
        comparison = show(name, arguments.state_dir, folder)
        codes.append(2 if comparison.disagreements else 0 if comparison.arms else 1)
        if comparison.arms and arguments.publish:
            publish(comparison)
        elif comparison.arms and arguments.html:
            print(f"Written: {report.write_html(comparison, arguments.html)}")
    return max(codes)


def show(name: str, state_dir: Path, out: Path | None = None) -> "Comparison":
    """Print the comparison; leave results.csv and comparison.csv in `out` or, without it, beside the sweep's trials.

    Where no trial has finished it says that in one sentence, and leaves nothing.
    """
    from macsql.comparison import results, table
    from macsql.comparison.experiment import compare

    comparison = compare(name, state_dir)
    if not comparison.arms:
        print(f"Sweep {name}: {comparison.progress}, so there is nothing to compare.")
        return comparison
    table.show(comparison)
    folder = out or state_dir / "experiments" / name
    print(f"Written: {results.write_results(comparison, folder / 'results.csv')}")
    if comparison.rows:
        print(f"Written: {results.write_comparison(comparison, folder / 'comparison.csv')}")
    return comparison


def publish(comparison: "Comparison") -> None:
    """Leave an experiment's report and the table of its README in its folder, and its row in experiments/README.md."""
    from macsql.comparison import overview, report
    from macsql.comparison.published import EXPERIMENTS

    folder = published_folder(comparison.name)
    print(f"Written: {report.write_html(comparison, folder / 'report.html')}")
    print(f"Written: {overview.write_results(comparison, folder / 'README.md')}")
    print(f"Written: {overview.write_overview(comparison, EXPERIMENTS / 'README.md')}")


def published_folder(name: str) -> Path:
    """Where the repository keeps what came out of an experiment. Raises UserError for a sweep that is none."""
    from macsql.comparison.published import EXPERIMENTS

    if not (EXPERIMENTS / name).is_dir():
        raise UserError(
            f"{name} is no experiment of this repository: leave out --publish, --html FILE writes a report."
        )
    return EXPERIMENTS / name


if __name__ == "__main__":
    main()
