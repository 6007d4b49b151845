"""The pocket databases are the same everywhere, and their questions hold what they promise."""

import hashlib
from collections import Counter

import pytest

from macsql.config import DataConfig
from macsql.corpora import fingerprint, read
from macsql.corpora.pocket import make_database
from macsql.corpora.pocket_schemas import DATABASES
from macsql.corpora.splits import normal_text
from macsql.database.sandbox import Sandbox
from macsql.errors import UserError

# sha-256 of the files, as any machine must make them; they change with the declared schemas and values alone
DIGESTS = {
    "zoo": "64bc05c3ad85",
    "shop": "3b46ab8d4c6b",
    "school": "127d4cd83ddd",
    "port": "96b0bce05785",
    "league": "24a4f6ff9406",
    "bakery": "eb871ca0ca36",
    "orchard": "7868871abfe0",
    "observatory": "38ff3326c26d",
    "ferry": "85b7d560c382",
    "archive": "f2a73d579130",
    "clinic": "558837849d77",
    "quarry": "dd7c4aa52060",
    "choir": "1084b57079ac",
    "workshop": "a319465a799e",
    "aquarium": "c70c8b280c0a",
    "vineyard": "cd365c4a4ad3",
    "railway": "9e82c3b927c6",
    "museum_shop": "1c6564255b85",
    "beehives": "591ba8795b67",
    "newspaper": "fb28c0f82a14",
}


def data(**keys):
    return DataConfig(format="pocket", **{"questions": 60, "test_fraction": 0.2, "databases": 5} | keys)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return read(data(), tmp_path_factory.mktemp("state"))


def test_files_are_the_same_to_the_byte():
    digests = {name: hashlib.sha256(make_database(name)).hexdigest()[:12] for name in DATABASES}
    assert digests == DIGESTS


def test_every_query_runs_and_gives_rows(corpus):
    with Sandbox() as sandbox:
        for question in corpus.questions:
            outcome = sandbox.run(corpus.databases[question.db_id].path, question.sql)
            assert outcome.ok
            assert outcome.rows


def test_no_question_comes_twice(corpus):
    assert len(corpus.questions) == 300
    assert Counter(q.split for q in corpus.questions) == {"train": 210, "eval": 30, "test": 60}
    texts = [(q.db_id, normal_text(q.text)) for q in corpus.questions]
    assert len(set(texts)) == len(texts)
    assert len({q.id for q in corpus.questions}) == 300


def test_the_same_seed_gives_the_same_corpus_wherever_it_is_kept(corpus, tmp_path):
    again = read(data(), tmp_path)
    assert again.questions == corpus.questions
    assert fingerprint(again) == fingerprint(corpus)
    assert read(data(seed=1), tmp_path).questions != corpus.questions
    files = sorted((tmp_path / "pocket").iterdir())
    assert [path.stem for path in files] == sorted(list(DATABASES)[:5])  # nothing half-written beside them
    before = [path.stat().st_mtime_ns for path in files]
    read(data(), tmp_path)
    assert [path.stat().st_mtime_ns for path in files] == before  # others may be reading


def test_a_damaged_file_is_made_anew(corpus, tmp_path):
    (tmp_path / "pocket").mkdir()
    (tmp_path / "pocket/zoo.sqlite").write_bytes(b"half a file")
    assert read(data(), tmp_path).questions == corpus.questions


def test_templates_and_paraphrases_are_chosen(tmp_path):
    few = read(data(templates=["count_rows", "filter_rows"], paraphrases=1, questions=20), tmp_path)
    assert {q.difficulty for q in few.questions} == {"count_rows", "filter_rows"}
    assert all(q.text.startswith(("How many", "Show the")) for q in few.questions)


def test_by_query_no_query_lies_on_two_sides(tmp_path):
    corpus = read(data(split_by="query"), tmp_path)
    train, test = ({(q.db_id, q.sql) for q in corpus.of(split)} for split in ("train", "test"))
    assert train
    assert test
    assert not train & test


def test_by_database_train_eval_and_test_have_schemas_of_their_own(tmp_path):
    few = {"databases": 0, "questions": 10, "split_by": "database", "eval_fraction": 0.15, "test_fraction": 0.25}
    corpus = read(data(**few), tmp_path)
    ids = [{q.db_id for q in corpus.of(split)} for split in ("train", "eval", "test")]
    assert [len(found) for found in ids] == [12, 3, 5]
    assert len(set.union(*ids)) == 20
    assert corpus.notes == ("Train, eval and test have databases of their own: 12, 3 and 5 of them.",)


def test_nonsense_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"data.databases=21: data=pocket has 20 databases"):
        read(data(databases=21), tmp_path)
    with pytest.raises(UserError, match=r"data.questions must be at least 1"):
        read(data(questions=0), tmp_path)
    with pytest.raises(UserError, match=r"no template 'sing': there are count_rows, "):
        read(data(templates=["count_rows", "sing"]), tmp_path)
    with pytest.raises(UserError, match=r"data.paraphrases must be at least 1"):
        read(data(paraphrases=0), tmp_path)
