"""macsql: sweeps of small text-to-SQL agents, compared honestly."""

__version__ = "0.1.0"
