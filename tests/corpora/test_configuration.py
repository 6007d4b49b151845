"""conf/data names every format and nothing that nobody reads."""

from dataclasses import fields
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from macsql.config import DataConfig
from macsql.corpora import FORMATS, check
from macsql.errors import UserError
from macsql.grammar import TEMPLATES

FOLDER = Path(__file__).resolve().parents[2] / "conf/data"


def test_every_format_has_its_file():
    """Beside them: the former built-in databases, and what macsql.pretrain alone reads."""
    formats = {path.stem: OmegaConf.load(path).format for path in FOLDER.glob("*.yaml")}
    others = {"pocket_five": "pocket", "generated": "generated"}
    assert formats == {name: name for name in FORMATS} | others


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
    explained = [line for line in lines if not line.startswith(("format:", "  - "))]
    assert len(explained) > 1
    assert all("#" in line for line in explained)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"format": "wikisql"}, "Unknown data.format 'wikisql': it is one of pocket, "),
        ({"split_by": "sentence"}, "Unknown data.split_by 'sentence': it is one of published, question"),
        (
            {"eval_fraction": -0.1},
            "data.eval_fraction=-0.1 is not a share of the data: write a number from 0 to below 1.",
        ),
        ({"eval_fraction": float("nan")}, "data.eval_fraction=nan is not a share"),
        ({"test_fraction": 1.0}, "data.test_fraction=1.0 is not a share"),
        ({"limit": 0}, "data.limit must be at least 1, not 0: null takes all there are."),
        ({"rename": {"A": "B"}}, "data.rename is for data=text2sql: the queries of data=pocket are taken as they are."),
    ],
)
def test_what_cannot_be_meant_is_refused_before_a_file_is_read(keys, message):
    with pytest.raises(UserError) as refused:
        check(DataConfig(**{"format": "pocket"} | keys))
    assert str(refused.value).startswith(message)
