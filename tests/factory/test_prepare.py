"""Examples on disk: made once, the same for everyone, and nothing left out in silence."""

import dataclasses
import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from macsql.errors import UserError
from macsql.factory.prepared import EXAMPLES_VERSION, prepare
from macsql.models.decoding import sample
from macsql.records import AGENTS


@pytest.fixture
def config(tiny, tmp_path):
    return dataclasses.replace(tiny, tracking=dataclasses.replace(tiny.tracking, state_dir=str(tmp_path)))


def test_a_configuration_is_prepared_once(config, monkeypatch):
    first = prepare(config)
    monkeypatch.setattr("macsql.factory.examples.make_examples", None)  # a second call would fail
    again = prepare(dataclasses.replace(config, seed=7))
    assert again.folder == first.folder
    assert again.examples("train") == first.examples("train")


@pytest.fixture
def chat(tiny, tmp_path):
    """A configuration over a chat file of this many rows, written anew at will."""
    file = tmp_path / "rows.jsonl"

    def write(word: str) -> None:
        rows = [
            {"agent": agent, "question": f"{word} {number}", "split": split, "messages": [
                {"role": "user", "content": f"{agent} {word} {number}"}, {"role": "assistant", "content": word}]}
            for number, split in enumerate(("train", "eval", "test")) for agent in AGENTS
        ]  # fmt: skip
        file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")

    data = dataclasses.replace(tiny.data, format="chat", root=str(file))
    config = dataclasses.replace(tiny, data=data)
    tracking = dataclasses.replace(config.tracking, state_dir=str(tmp_path / "state"))
    return dataclasses.replace(config, tracking=tracking), file, write


def unread(*_):
    raise AssertionError("the corpus is read")


def test_a_corpus_that_has_not_changed_is_not_read_again(chat, monkeypatch):
    config, _, write = chat
    write("one")
    first = prepare(config)
    monkeypatch.setattr("macsql.corpora.read", unread)
    assert prepare(config).folder == first.folder
    with pytest.raises(AssertionError):  # it is known for the configuration that it was read with, and no other
        prepare(dataclasses.replace(config, data=dataclasses.replace(config.data, limit=1)))


def test_the_built_in_databases_are_not_read_again_either(config, monkeypatch):
    first = prepare(config)
    monkeypatch.setattr("macsql.corpora.read", unread)
    assert prepare(config).folder == first.folder


@pytest.mark.parametrize("kept", ["size", "size and time", "size, time and inode"])
def test_a_changed_file_is_read_whatever_it_looks_like(chat, kept):
    """Same size, an older time, even the same inode: no program sets the time of change."""
    config, file, write = chat
    write("one")
    before, first = file.stat(), prepare(config)
    if "inode" not in kept:
        file.rename(file.with_suffix(".kept"))  # so that the new file gets another inode
    write("two")
    if "time" in kept:
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    after = prepare(config)
    assert after.fingerprint != first.fingerprint
    assert {row.target for row in after.examples("train")} == {"two"}
    write("one")
    assert prepare(config).folder == first.folder


def test_files_beside_it_and_damage_are_noticed(chat):
    config, file, write = chat
    write("one")
    first = prepare(config)
    known = next((Path(config.tracking.state_dir) / "data" / "read").iterdir())
    known.write_text("[]", encoding="utf-8")
    assert prepare(config).folder == first.folder
    shutil.rmtree(first.folder)
    assert prepare(config).examples("train") == first.examples("train")
    folder = file.parent / "folder"
    folder.mkdir()
    file.rename(folder / "a.jsonl")
    within = dataclasses.replace(config, data=dataclasses.replace(config.data, root=str(folder)))
    few = len(prepare(within).examples("train"))
    shutil.copy(folder / "a.jsonl", folder / "b.jsonl")
    assert len(prepare(within).examples("train")) == 2 * few


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
    with pytest.raises(UserError, match=r"has no test examples: none of its \d+ questions belongs to test"):
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


def test_too_few_questions_are_told_as_that(chat):
    config, file, write = chat
    write("one")
    file.write_text(file.read_text(encoding="utf-8").splitlines()[0], encoding="utf-8")
    with pytest.raises(UserError, match="1 question is too few, train, eval and test need one each"):
        prepare(config)


def test_what_was_made_is_made_anew_where_it_is_damaged(config):
    first = prepare(config)
    whole = {split: first.examples(split) for split in ("train", "eval", "test")}
    for damage in (
        lambda: (first.folder / "train.jsonl").unlink(),
        lambda: (first.folder / "eval.jsonl").write_text(""),
        lambda: (first.folder / "test.jsonl").write_text((first.folder / "test.jsonl").read_text() + "{}"),
        lambda: (first.folder / "about.json").write_text("{}"),
        lambda: (first.folder / "databases.json").unlink(),
    ):
        damage()
        again = prepare(config)
        assert again.folder == first.folder
        assert {split: again.examples(split) for split in whole} == whole
        assert again.databases == first.databases


def test_what_was_left_out_is_told_of_the_files_as_they_are(chat):
    """The examples are the same, the line that could not be read is gone."""
    config, file, write = chat
    write("one")
    good = file.read_text()
    file.write_text(good + "\nnot json")
    assert [line for line in prepare(config).left_out if "malformed" in line]
    file.write_text(good)
    assert not [line for line in prepare(config).left_out if "malformed" in line]


def test_examples_do_not_hang_on_how_answers_are_scored(config):
    hasty = dataclasses.replace(config, metrics=dataclasses.replace(config.metrics, time_limit=0.001))
    assert prepare(hasty).examples("train") == prepare(config).examples("train")
    shutil.rmtree(Path(config.tracking.state_dir) / "data")
    assert prepare(hasty).about == prepare(config).about


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"refiner_per_question": -1}, r"agents\.refiner_per_question=-1: at least 0"),
        ({"value_examples": -3}, r"agents\.value_examples=-3: at least 0"),
        ({"value_links": -1}, r"agents\.value_links=-1: at least 0"),
        ({"max_source_tokens": 0}, r"agents\.max_source_tokens=0: at least 1"),
        ({"max_target_tokens": -5}, r"agents\.max_target_tokens=-5: at least 1"),
        ({"roles": []}, r"agents\.roles names no agent"),
        ({"roles": ["judge"]}, "Unknown agent 'judge'"),
        ({"style": "long"}, r"Unknown agents\.style 'long'"),
    ],
)
def test_numbers_that_cannot_be_are_refused_before_anything_is_read(config, monkeypatch, changes, words):
    monkeypatch.setattr("macsql.corpora.read", unread)
    with pytest.raises(UserError, match=words):
        prepare(dataclasses.replace(config, agents=dataclasses.replace(config.agents, **changes)))


@pytest.mark.parametrize(("value_links", "digest"), [(0, "84fc6cbb35d6c466"), (4, "8f3621a0d04059da")])
def test_the_version_of_examples_is_that_of_what_they_say(config, value_links, digest):
    """Where this fails: raise EXAMPLES_VERSION, so that nobody is given examples of older code, and then the digest."""
    config = dataclasses.replace(config, agents=dataclasses.replace(config.agents, value_links=value_links))
    rows = [row for split in ("train", "eval", "test") for row in prepare(config).examples(split)]
    found = hashlib.sha256(json.dumps([dataclasses.astuple(row) for row in rows]).encode()).hexdigest()[:16]
    assert (EXAMPLES_VERSION, found) == (4, digest)
