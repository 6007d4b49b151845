"""BIRD's layouts: both parts or one, dated folders, descriptions in whatever encoding."""

import shutil

import pytest

from macsql.config import DataConfig
from macsql.corpora import read
from macsql.errors import UserError

ENTRY = {
    "db_id": "zoo",
    "table_names_original": ["animal"],
    "table_names": ["animal"],
    "column_names_original": [[-1, "*"], [0, "id"], [0, "Tag Name"], [0, "w"]],
    "column_names": [[-1, "*"], [0, "id"], [0, "the tag's name"], [0, "weight"]],
    "column_types": ["text", "integer", "text", "real"],
    "primary_keys": [[1, 2]],
    "foreign_keys": [],
}
HEAD = "original_column_name,column_name,column_description,data_format,value_description\r\n"


@pytest.fixture
def make_part(tmp_path, make_sqlite, write_json):
    def make(folder, part, rows, db_ids=("zoo",)):
        for db_id in db_ids:
            path = tmp_path / folder / f"{part}_databases/{db_id}/{db_id}.sqlite"
            make_sqlite(path, 'CREATE TABLE animal (id INTEGER, "Tag Name" TEXT, w REAL)')
        write_json(tmp_path / folder / f"{part}_tables.json", [ENTRY | {"db_id": db_id} for db_id in db_ids])
        write_json(tmp_path / folder / f"{part}.json", rows)
        return tmp_path / folder / f"{part}_databases"

    return make


def row(db_id="zoo", **keys):
    return {
        "db_id": db_id,
        "question": "How heavy?",
        "evidence": "heavy refers to w",
        "SQL": "SELECT w FROM animal",
        **keys,
    }


def data(root, **keys):
    return DataConfig(format="bird", root=str(root), **keys)


def test_reads_both_parts(tmp_path, make_part):
    make_part("train", "train", [row("a"), row("b"), row("b", evidence=None), row("gone"), {}], ("a", "b"))
    make_part("dev", "dev", [row(difficulty="moderate", question_id=0)])
    corpus = read(data(tmp_path), tmp_path)
    assert [(q.id, q.db_id, q.evidence, q.difficulty) for q in corpus.questions] == [
        ("bird/train/00000", "a", "heavy refers to w", ""),
        ("bird/train/00001", "b", "heavy refers to w", ""),
        ("bird/train/00002", "b", "", ""),
        ("bird/dev/00000", "zoo", "heavy refers to w", "moderate"),
    ]
    assert [q.id for q in corpus.of("test")] == ["bird/dev/00000"]
    assert len({q.db_id for q in corpus.of("eval")}) == 1
    assert sum(corpus.skipped.values()) == 2
    column = corpus.databases["zoo"].schema.tables[0].columns[1]
    assert (column.name, column.type, column.full_name, column.primary_key) == (
        "Tag Name",
        "TEXT",
        "the tag's name",
        True,
    )


def test_dev_alone_in_a_dated_folder(tmp_path, make_part):
    make_part("dev_20230101", "dev", [row(question="old")])
    make_part("dev_20240627", "dev", [row(question="new"), row(question="new")])
    corpus = read(data(tmp_path), tmp_path)
    assert [q.text for q in corpus.of("test")] == ["new", "new"]
    assert any("no train part" in note for note in corpus.notes)
    told = read(data(tmp_path / "dev_20240627", split_by="question"), tmp_path)  # the part's folder itself
    assert len(told.questions) == 2


def test_train_alone_is_carved(tmp_path, make_part):
    names = [f"db{n}" for n in range(10)]
    make_part("train", "train", [row(name) for name in names * 2], names)
    corpus = read(data(tmp_path), tmp_path)
    sides = [{q.db_id for q in corpus.of(split)} for split in ("train", "eval", "test")]
    assert [len(side) for side in sides] == [8, 1, 1]
    assert len(set.union(*sides)) == 10


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_descriptions(tmp_path, make_part, encoding):
    folder = make_part("dev", "dev", [row()]) / "zoo/database_description"
    folder.mkdir()
    text = (
        HEAD
        + 'id,,,integer,\r\n"tag name ",Tag Name,"what the café\r\ncalls it",text,"one of ""a"", b"\r\nghost,,x,,\r\n'
    )
    (folder / "Animal.csv").write_bytes(text.encode(encoding))
    (folder / "moved.csv").write_bytes(text.encode(encoding))
    corpus = read(data(tmp_path), tmp_path)
    descriptions = [c.description for c in corpus.databases["zoo"].schema.tables[0].columns]
    assert descriptions == ["", 'what the café calls it; one of "a", b', ""]
    assert corpus.skipped == {"description of a table that is not in the schema": 1}
    assert any("zoo/moved.csv" in note for note in corpus.notes)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\x00",
        b"\x81\x8d\xff\xfe",
        b"no,such,header\n1,2,3,4,5",
        HEAD.encode() + b'"id,never closed\x9d',
        b"\xef\xbb\xbf",
    ],
)
def test_a_broken_description_breaks_nothing(tmp_path, make_part, raw):
    folder = make_part("dev", "dev", [row()]) / "zoo/database_description"
    folder.mkdir()
    (folder / "animal.csv").write_bytes(raw)
    assert len(read(data(tmp_path), tmp_path).questions) == 1


def test_other_folders_are_refused(tmp_path, make_part):
    with pytest.raises(UserError, match="holds nothing; expected BIRD's layout"):
        read(data(tmp_path), tmp_path)
    make_part("dev", "dev", [row("gone")])
    with pytest.raises(UserError, match=r"No question in .* can be used: question to a database that has no file: 1"):
        read(data(tmp_path), tmp_path)
    make_part("train", "train", [row()])
    shutil.rmtree(tmp_path / "train/train_databases")
    with pytest.raises(UserError, match=r"train.json has no train_databases beside it"):
        read(data(tmp_path), tmp_path)


@pytest.mark.parametrize("value", [None, float("nan"), "", " "])
def test_no_evidence_is_none(tmp_path, make_part, value):
    make_part("dev", "dev", [row(evidence=value, difficulty=value)])
    (question,) = read(data(tmp_path), tmp_path).questions
    assert (question.evidence, question.difficulty) == ("", "")


@pytest.mark.parametrize("value", [["a", "b"], {"a": 1}, True])
def test_evidence_that_is_no_text_is_counted_and_left_out(tmp_path, make_part, value):
    make_part("dev", "dev", [row(evidence=value)])
    corpus = read(data(tmp_path), tmp_path)
    assert [question.evidence for question in corpus.questions] == [""]
    assert corpus.skipped == {"evidence that is not a text": 1}
