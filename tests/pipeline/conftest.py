"""A model that answers."""

from pathlib import Path

import pytest
from teaching import teach


@pytest.fixture(scope="session")
def taught(tmp_path_factory) -> Path:
    """The folder of a model that writes teaching.SQL."""
    return teach(tmp_path_factory.mktemp("taught"))
