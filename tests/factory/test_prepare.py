"""Examples on disk: made once, the same for everyone, and nothing left out in silence."""

import dataclasses

import pytest

from macsql.errors import UserError
from macsql.factory.prepared import prepare
from macsql.models.decoding import sample


@pytest.fixture
def config(tiny, tmp_path):
    return dataclasses.replace(tiny, tracking=dataclasses.replace(tiny.tracking, state_dir=str(tmp_path)))


def test_a_configuration_is_prepared_once(config, monkeypatch):
    first = prepare(config)
    monkeypatch.setattr("macsql.factory.prepared.make_examples", None)  # a second call would fail
    again = prepare(dataclasses.replace(config, seed=7))
    assert again.folder == first.folder
    assert again.examples("train") == first.examples("train")


def test_the_fingerprint_does_not_depend_on_the_place(config, tmp_path):
    elsewhere = dataclasses.replace(
        config, tracking=dataclasses.replace(config.tracking, state_dir=str(tmp_path / "b"))
    )
    assert prepare(elsewhere).fingerprint == prepare(config).fingerprint
    assert prepare(elsewhere).folder.name == prepare(config).folder.name


def test_other_agents_settings_are_other_examples(config):
    other = dataclasses.replace(config, agents=dataclasses.replace(config.agents, style="mac_sql"))
    assert prepare(other).folder != prepare(config).folder
    assert prepare(other).fingerprint == prepare(config).fingerprint


def test_counts_and_databases_are_kept_with_the_examples(config):
    prepared = prepare(config)
    for split in ("train", "eval", "test"):
        rows = prepared.examples(split)
        counts = prepared.about["counts"][split]
        assert sum(counts.values()) == len(rows)
        assert {row.db_id for row in rows} <= set(prepared.databases)
    database = next(iter(prepared.databases.values()))
    assert database.path.exists()
    assert database.schema.tables


def test_no_question_is_on_two_sides(config):
    prepared = prepare(config)
    sides = [{row.question for row in prepared.examples(split)} for split in ("train", "eval", "test")]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]


def test_a_split_without_examples_is_refused(config):
    with pytest.raises(UserError, match="test"):
        prepare(dataclasses.replace(config, data=dataclasses.replace(config.data, test_fraction=0.0)))


def test_sample_draws_from_all_databases_and_keeps_the_order(config):
    rows = prepare(config).examples("test")
    taken = sample(rows, 4)
    assert [row for row in rows if row in taken] == taken
    assert {agent: sum(row.agent == agent for row in taken) for agent in ("selector", "decomposer", "refiner")} == {
        "selector": 4,
        "decomposer": 4,
        "refiner": 4,
    }
    assert len({row.db_id for row in taken}) > 1
    assert sample(rows, None) == rows


def test_a_state_directory_may_be_moved(config, tmp_path):
    """Examples are named by their content; the databases beside them are where they are today."""
    before = prepare(config)
    home = tmp_path / "moved"
    home.mkdir()
    for path in [path for path in tmp_path.iterdir() if path != home]:
        path.rename(home / path.name)
    moved = dataclasses.replace(config, tracking=dataclasses.replace(config.tracking, state_dir=str(home)))
    after = prepare(moved)
    assert after.folder.name == before.folder.name
    assert after.databases
    assert all(database.path.exists() for database in after.databases.values())
