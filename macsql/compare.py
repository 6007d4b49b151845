"""`python -m macsql.compare NAME`: an experiment's trials side by side, and beside the poster's figures."""

import argparse
import sys
from pathlib import Path

from macsql.errors import UserError


def main() -> None:
    """Exit code 0, or 1 with one sentence where there is nothing to compare."""
    parser = argparse.ArgumentParser(prog="python -m macsql.compare", description=__doc__)
    parser.add_argument("name", help="the sweep's name, as in lr_bs")
    parser.add_argument("--state-dir", type=Path, default=Path("mlruns"), help="where the sweep kept its trials")
    arguments = parser.parse_args()
    try:
        show(arguments.name, arguments.state_dir)
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


def show(name: str, state_dir: Path) -> None:
    """Print the comparison and leave it as experiments/<name>/results.csv."""
    from macsql.comparison import collect, table

    trials = collect.trials(name, state_dir)
    table.show(name, trials)


if __name__ == "__main__":
    main()
