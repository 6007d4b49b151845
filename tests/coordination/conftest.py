"""Sweeps of stub trials that can be killed."""

from stub_fixtures import stub_sweep, zygote

__all__ = ["stub_sweep", "zygote"]
