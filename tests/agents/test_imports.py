"""Importing an agent costs nothing: it brings no SQL parser, no sandbox and nothing of machine learning."""

import subprocess
import sys

HEAVY = ["sqlglot", "torch", "transformers", "datasets", "omegaconf", "macsql.database.sandbox"]


def test_importing_the_agents_brings_nothing_heavy() -> None:
    program = "from macsql.agents import decomposer, refiner, selector\nimport sys\nprint(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not set(HEAVY) & set(done.stdout.split())
