"""Sweeps made by hand, ready to be compared."""

from sweep_fixtures import balance, sixty, sweeps

__all__ = ["balance", "sixty", "sweeps"]
