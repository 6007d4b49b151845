"""Questions for any folder of SQLite files."""

import os
import shutil

import pytest

from macsql.config import DataConfig
from macsql.corpora import read
from macsql.corpora.pocket import make_database
from macsql.errors import UserError


def data(root, **keys):
    return DataConfig(format="synthetic", root=str(root), **{"questions": 20} | keys)


@pytest.fixture
def folder(tmp_path, make_sqlite):
    root = tmp_path / "databases"
    (root / "port").mkdir(parents=True)
    (root / "zoo.sqlite").write_bytes(make_database("zoo"))
    (root / "port/port.db").write_bytes(make_database("port"))
    make_sqlite(root / "empty.sqlite", "CREATE TABLE t (x)")
    make_sqlite(root / "nothing.sqlite", "")
    (root / "noise.sqlite").write_bytes(b"no database at all" * 100)
    (root / "README.txt").write_text("not looked at")
    return root


def test_reads_a_folder_of_any_layout(folder, tmp_path):
    corpus = read(data(folder), tmp_path)
    assert corpus.databases.keys() == {"zoo", "port"}
    assert len(corpus.questions) == 40
    assert corpus.skipped["file that is not a SQLite database"] == 1
    assert corpus.skipped["database without rows"] == 2
    assert any("Database empty gives only 0 of the 20" in note for note in corpus.notes)
    assert {q.split for q in corpus.questions} == {"train", "eval", "test"}
    assert read(data(folder), tmp_path).questions == corpus.questions


def test_splits_by_database(folder, tmp_path):
    corpus = read(data(folder, split_by="database", test_fraction=0.5, eval_fraction=0), tmp_path)
    assert len({(q.db_id, q.split) for q in corpus.questions}) == 2


def test_one_file_and_equal_names(folder, tmp_path):
    assert {q.db_id for q in read(data(folder / "zoo.sqlite"), tmp_path).questions} == {"zoo"}
    shutil.copy(folder / "zoo.sqlite", folder / "port/zoo.sqlite")
    corpus = read(data(folder), tmp_path)
    assert corpus.databases.keys() == {"zoo", "port/zoo", "port"}


def test_a_small_database_gives_what_it_can(tmp_path, make_sqlite):
    path = make_sqlite(tmp_path / "tiny.sqlite", "CREATE TABLE t (c TEXT); INSERT INTO t VALUES ('a'), ('b');")
    corpus = read(data(path, questions=500), tmp_path)
    assert 3 < len(corpus.questions) < 100
    assert any("gives only" in note for note in corpus.notes)


def test_strict_refuses(folder, tmp_path):
    with pytest.raises(UserError, match=r"noise.sqlite cannot be read"):
        read(data(folder, strict=True), tmp_path)
    (folder / "noise.sqlite").unlink()
    with pytest.raises(UserError, match="it has no table with rows"):
        read(data(folder, strict=True), tmp_path)


def test_folders_without_questions_are_refused(folder, tmp_path):
    (tmp_path / "bare").mkdir()
    with pytest.raises(UserError, match="holds nothing; expected SQLite files"):
        read(data(tmp_path / "bare"), tmp_path)
    with pytest.raises(UserError, match=r"can be used: .*noise\.sqlite cannot be read .*file is not a database"):
        read(data(folder / "noise.sqlite"), tmp_path)
    with pytest.raises(UserError, match="none of the databases has a table with a name and rows"):
        read(data(folder / "empty.sqlite"), tmp_path)


def test_spider_databases(shared, tmp_path):
    corpus = read(data(shared / "data/spider/database", questions=2), tmp_path)
    assert len(corpus.databases) > 140
    assert len(corpus.questions) > 280


def test_a_damaged_file_is_named_with_its_reason(folder, tmp_path):
    path = folder / "damaged.sqlite"
    content = (folder / "zoo.sqlite").read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * len(content[4096:]))  # the schema is whole, the rows are not
    with pytest.raises(UserError, match=r"damaged\.sqlite cannot be read \(database disk image is malformed\)"):
        read(data(path), tmp_path)
    corpus = read(data(folder), tmp_path)
    assert corpus.databases.keys() == {"zoo", "port"}
    assert corpus.skipped["database that is damaged"] == 1
    assert any("Left out: " in note and "damaged.sqlite" in note for note in corpus.notes)


def test_files_of_one_name_are_databases_of_their_own(tmp_path):
    for name in ("a/zoo.sqlite", "a/zoo.db", "b/zoo.sqlite", "port.db"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(make_database("zoo"))
    assert read(data(tmp_path), tmp_path).databases.keys() == {"a/zoo.db", "a/zoo.sqlite", "b/zoo", "port"}


def test_a_name_that_is_not_utf_8_is_told_with_a_sign(tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9.sqlite"
    with open(path, "wb") as file:  # noqa: PTH123  (bytes)
        file.write(make_database("zoo"))
    corpus = read(data(tmp_path), tmp_path)
    assert corpus.databases.keys() == {"caf\ufffd"}
    assert len(corpus.questions) == 20
