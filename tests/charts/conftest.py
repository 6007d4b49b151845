"""Sweeps made by hand, ready to be drawn."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "comparison"))

from sweep_fixtures import balance, sixty, sweeps

__all__ = ["balance", "sixty", "sweeps"]
