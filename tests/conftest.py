"""Fixtures for the whole house; the hub is off so that a hidden download fails."""

import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with development data (GeoQuery, Spider, known verdicts); tests that need it skip without it."""
    folder = Path(os.environ.get("MACSQL_SHARED", REPO.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}: set MACSQL_SHARED")
    return folder
