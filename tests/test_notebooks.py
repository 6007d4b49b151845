"""Notebooks are kept without their outputs; pytest runs them (pyproject.toml, --nbmake)."""

import json

import pytest

from macsql.places import REPO

NOTEBOOKS = sorted((REPO / "notebooks").glob("*.ipynb"))
DATA = REPO / "notebooks" / "data"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_kept_without_what_it_printed(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert not [cell["id"] for cell in code if cell["outputs"] or cell["execution_count"] is not None]
    assert path.name in (REPO / "README.md").read_text(encoding="utf-8")


def test_there_are_notebooks_and_pytest_runs_them():
    assert len(NOTEBOOKS) >= 2
    settings = (REPO / "pyproject.toml").read_text(encoding="utf-8")
    assert 'testpaths = ["tests", "notebooks"]' in settings
    assert "--nbmake" in settings


def test_the_sweep_beside_them_is_small_and_names_no_place():
    files = [path for path in DATA.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 300_000
    assert not [path for path in files if path.suffix not in {".json", ".jsonl", ".yaml"}]
    assert not [path for path in files if '"/' in path.read_text(encoding="utf-8")]
