"""macsql: sweeps of small text-to-SQL agents, and their comparison."""

__version__ = "0.1.0"
