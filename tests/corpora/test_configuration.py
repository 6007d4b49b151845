"""conf/data names every format and nothing that nobody reads."""

from dataclasses import fields
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from macsql.config import DataConfig
from macsql.corpora import FORMATS
from macsql.grammar import TEMPLATES

FOLDER = Path(__file__).resolve().parents[2] / "conf/data"


def test_every_format_has_its_file():
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == sorted(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_keys_are_those_of_the_data_configuration(name):
    path = FOLDER / f"{name}.yaml"
    loaded = OmegaConf.load(path)
    assert set(loaded) <= {field.name for field in fields(DataConfig)}
    assert loaded.format == name
    OmegaConf.merge(OmegaConf.structured(DataConfig), loaded)  # the types fit
    assert set(loaded.get("templates", [])) <= TEMPLATES.keys()
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert lines[0].startswith("# ")
    assert all("#" in line for line in lines if not line.startswith(("format:", "  - ")))
