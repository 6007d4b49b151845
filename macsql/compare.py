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
    parser.add_argument("--out", type=Path, metavar="DIR", help="where results.csv goes (experiments/NAME)")
    parser.add_argument("--overview", action="store_true", help="also write the table of experiments/README.md")
    arguments = parser.parse_args()
    try:
        sys.exit(run(arguments))
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


def run(arguments: argparse.Namespace) -> int:
    """What the command line asks for."""
    from macsql.comparison import overview, report
    from macsql.comparison.published import EXPERIMENTS

    for path in (arguments.out, arguments.html and arguments.html.parent):
        try:
            (path or Path()).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{path} cannot be written to ({error.strerror}): name another folder.") from error
    if len(arguments.names) > 1 and (arguments.html or arguments.out):
        raise UserError("--html and --out take one NAME at a time.")
    compared = []
    for name in arguments.names:
        compared.append(show(name, arguments.state_dir, arguments.out))
    if arguments.html:
        print(f"Written: {report.write_html(compared[0], arguments.html)}")
    if arguments.overview:
        print(f"Written: {overview.write_overview(compared, EXPERIMENTS / 'README.md')}")
    return 2 if any(item.disagreements for item in compared) else 0


def show(name: str, state_dir: Path, out: Path | None = None) -> "Comparison":
    """Print the comparison; leave results.csv and comparison.csv in `out`, and the table of its README if it has one.

    Without `out` they go to experiments/<name> where there is such an experiment and the sweep kept its state in
    mlruns/: any other is a try, and leaves them beside its trials.
    """
    from macsql.comparison import overview, results, table
    from macsql.comparison.experiment import compare
    from macsql.comparison.published import EXPERIMENTS

    comparison = compare(name, state_dir)
    table.show(comparison)
    known = state_dir.resolve() == EXPERIMENTS.parent / STATE and (EXPERIMENTS / name).is_dir()
    folder = out or (EXPERIMENTS if known else state_dir / "experiments") / name
    print(f"Written: {results.write_results(comparison, folder / 'results.csv')}")
    if comparison.rows:
        print(f"Written: {results.write_comparison(comparison, folder / 'comparison.csv')}")
    if overview.has_marks(folder / "README.md"):
        print(f"Written: {overview.write_results(comparison, folder / 'README.md')}")
    return comparison


if __name__ == "__main__":
    main()
