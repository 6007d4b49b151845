"""Which state of the code makes a figure."""

import subprocess
from functools import lru_cache
from pathlib import Path

from macsql import __version__

PACKAGE = Path(__file__).resolve().parent
SHORT = 12  # digits of a commit that people are shown


@lru_cache(maxsize=1)
def commit() -> str | None:
    """The checkout's commit; None where this package is not one's own checkout (installed, or no git here)."""
    tracked = _git("ls-files", Path(__file__).name)  # a .venv within somebody else's repository has a commit as well
    return _git("rev-parse", "HEAD") if tracked else None


@lru_cache(maxsize=1)
def revision() -> str:
    """The code in a word or two: "3808cd0aa1b2", "3808cd0aa1b2 with changes", or the installed version, "0.1.0"."""
    found = commit()
    if found is None:
        return __version__
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", "../conf")
    return found[:SHORT] + ("" if changed == "" else " with changes")


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *words], cwd=PACKAGE, capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
