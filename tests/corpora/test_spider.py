"""Spider's layout, small and whole."""

import shutil

import pytest

from macsql.config import DataConfig
from macsql.corpora import fingerprint, read
from macsql.errors import UserError

ROW = {"db_id": "zoo", "question": " How many? ", "query": "SELECT count(*) FROM t ", "query_toks": ["SELECT"]}


@pytest.fixture
def root(tmp_path, make_sqlite, write_json):
    for db_id in ("zoo", "shop", "port"):
        make_sqlite(tmp_path / f"database/{db_id}/{db_id}.sqlite", "CREATE TABLE T (a INTEGER)")
    write_json(tmp_path / "train_spider.json", [ROW, ROW, ROW | {"db_id": "shop"}, {"db_id": "zoo"}, 7])
    write_json(tmp_path / "train_others.json", [ROW | {"db_id": "shop"}])
    write_json(tmp_path / "dev.json", [ROW | {"db_id": "port"}, ROW | {"db_id": "gone"}])
    entry = {
        "db_id": "zoo",
        "table_names_original": ["t"],
        "table_names": ["tea"],
        "column_names_original": [[-1, "*"], [0, "A"]],
        "column_names": [[-1, "*"], [0, "first"]],
        "column_types": ["text", "number"],
        "primary_keys": [],
        "foreign_keys": [],
    }
    write_json(tmp_path / "tables.json", [entry])
    return tmp_path


def data(root, **keys):
    return DataConfig(format="spider", root=str(root), **keys)


def test_reads_the_parts(root):
    corpus = read(data(root), root)
    assert [(q.id, q.db_id, q.text, q.sql) for q in corpus.questions] == [
        ("spider/train/00000", "zoo", "How many?", "SELECT count(*) FROM t"),
        ("spider/train/00001", "zoo", "How many?", "SELECT count(*) FROM t"),
        ("spider/train/00002", "shop", "How many?", "SELECT count(*) FROM t"),
        ("spider/others/00000", "shop", "How many?", "SELECT count(*) FROM t"),
        ("spider/dev/00000", "port", "How many?", "SELECT count(*) FROM t"),
    ]
    assert [q.id for q in corpus.of("test")] == ["spider/dev/00000"]
    assert {q.db_id for q in corpus.of("eval")} & {q.db_id for q in corpus.of("train")} == set()
    assert dict(corpus.skipped) == {
        "row without db_id, question, query in words": 2,
        "question to a database that has no file": 1,
    }
    assert any("train_spider.json row 3, train_spider.json row 4" in note for note in corpus.notes)
    zoo, shop = corpus.databases["zoo"].schema, corpus.databases["shop"].schema
    assert [(c.name, c.type, c.full_name) for c in zoo.tables[0].columns] == [("A", "INTEGER", "first")]
    assert [(c.name, c.type) for c in shop.tables[0].columns] == [("a", "INTEGER")]  # tables.json does not know it


def test_strict_refuses_malformed_rows(root):
    with pytest.raises(UserError, match=r"train_spider.json row 3: row without"):
        read(data(root, strict=True), root)


def test_fingerprint_is_of_the_content(root, tmp_path_factory):
    first = fingerprint(read(data(root), root))
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(root, elsewhere)
    assert fingerprint(read(data(elsewhere), elsewhere)) == first
    with (elsewhere / "database/zoo/zoo.sqlite").open("ab") as file:
        file.write(b"x")
    assert fingerprint(read(data(elsewhere), elsewhere)) != first
    assert len({fingerprint(read(data(root, seed=seed), root)) for seed in range(9)}) == 2  # either database is eval
    assert fingerprint(read(data(root, limit=1), root)) != first


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda _: None, "does not exist"),
        (lambda root: root.mkdir(), "holds nothing; expected Spider's layout"),
        (lambda root: root.write_text(""), "is a file, not a folder"),
        (lambda root: (root / "train").mkdir(parents=True), "holds train/; expected Spider's layout"),
        (lambda root: ((root / "database").mkdir(parents=True), (root / "dev.json").write_text("{}")), "JSON list"),
        (lambda root: ((root / "database").mkdir(parents=True), (root / "dev.json").write_text("x")), "is not JSON"),
    ],
)
def test_other_folders_are_told_apart(tmp_path, damage, message):
    damage(tmp_path / "root")
    with pytest.raises(UserError, match=message):
        read(data(tmp_path / "root"), tmp_path)


def test_no_root_and_unknown_format_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"data.root is not set"):
        read(DataConfig(format="spider"), tmp_path)
    with pytest.raises(UserError, match="it is one of pocket, synthetic, spider"):
        read(DataConfig(format="wikisql"), tmp_path)


def test_spider_itself(shared, tmp_path):
    corpus = read(data(shared / "data/spider"), tmp_path)
    train, eval_, test = (corpus.of(split) for split in ("train", "eval", "test"))
    assert (len(train) + len(eval_), len(test)) == (7000, 475)
    assert len({q.db_id for q in eval_}) == 14  # a tenth of 140
    assert not {q.db_id for q in train} & {q.db_id for q in eval_}
    assert len({q.id for q in corpus.questions}) == 7475
    assert corpus.skipped == {}
    assert corpus.databases.keys() == {q.db_id for q in corpus.questions}


@pytest.mark.parametrize("db_id", ["a" * 300, "../zoo", "zoo/../zoo", "z\0o", "."])
def test_an_id_that_can_be_no_folders_name_has_no_file(root, write_json, db_id):
    write_json(root / "train_spider.json", [ROW, ROW | {"db_id": db_id}])
    corpus = read(data(root), root)
    assert corpus.databases.keys() == {"zoo", "shop", "port"}
    assert corpus.skipped["question to a database that has no file"] == 2


@pytest.mark.parametrize("value", [None, float("nan"), ["How many?"], 3, "", " "])
def test_a_value_that_is_no_text_is_no_question(root, write_json, value):
    write_json(root / "train_spider.json", [ROW, ROW | {"question": value}])
    corpus = read(data(root), root)
    assert {q.text for q in corpus.questions} == {"How many?"}
    assert corpus.skipped["row without db_id, question, query in words"] == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_a_mark_at_the_beginning_is_no_part_of_it(root, encoding):
    before = read(data(root), root).questions
    for name in ("train_spider.json", "dev.json", "tables.json"):
        (root / name).write_bytes((root / name).read_bytes().decode().encode(encoding))
    assert read(data(root), root).questions == before


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[" * 100_000, r"train_spider.json is not JSON \(it is nested too deeply\)"),
        (b"[{]", r"train_spider.json is not JSON \(Expecting"),
        (b'["\xe9"]', r"train_spider.json is not UTF-8 text \(.* at byte 2\)"),
        (b'{"a": "' + b"b" * 1000 + b'"}', r"not \{'a': 'b{52}….$"),
    ],
)
def test_a_file_that_is_no_list_is_refused_with_the_reason(root, content, reason):
    (root / "train_spider.json").write_bytes(content)
    with pytest.raises(UserError, match=reason):
        read(data(root), root)


def test_half_characters_are_replaced(root):
    (root / "train_spider.json").write_text(
        '[{"db_id": "zoo", "question": "How \\ud83d?", "query": "SELECT \'\\udfff\'"}]'
    )
    question = read(data(root), root).questions[0]
    assert (question.text, question.sql) == ("How \ufffd?", "SELECT '\ufffd'")


@pytest.mark.parametrize("given", ["~nobody-here/x", "a" * 5000, "a\0b"])
def test_a_root_that_is_no_path_is_refused(given):
    with pytest.raises(UserError, match=r"^data.root=.* (is not a path|does not exist)"):
        read(data(given), "")
