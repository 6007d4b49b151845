"""The sets of text2sql-data: variables, quotes, splits and folds."""

import json
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macsql.config import DataConfig
from macsql.corpora import read
from macsql.corpora.other_names import rename
from macsql.corpora.text2sql import fill, fill_sql
from macsql.database.schema import Column, Schema, Table
from macsql.errors import UserError


@pytest.mark.parametrize(
    ("template", "values", "expected"),
    [
        (
            'SELECT A.X FROM A AS A WHERE A.Y = "v0" ;',
            {"v0": "new york"},
            "SELECT A.X FROM A AS A WHERE A.Y = 'new york'",
        ),
        ('a = "v0" AND b = "v1"', {"v0": "v1", "v1": "x"}, "a = 'v1' AND b = 'x'"),  # all at once
        ('a = "v1" AND b = "v10"', {"v1": "x", "v10": "y"}, "a = 'x' AND b = 'y'"),
        ('a = "v0"', {"v0": "it's"}, "a = 'it''s'"),
        ('a = "v0"', {"v0": 'the "x"'}, "a = 'the \"x\"'"),
        ('a LIKE "%v0%"', {"v0": "nets"}, "a LIKE '%nets%'"),
        ("a > v0", {"v0": "2010"}, "a > 2010"),
        ("a = 'v0' AND b = 'o''clock'", {"v0": "x"}, "a = 'x' AND b = 'o''clock'"),
        ('a = ""', {}, "a = ''"),
        ("CITYalias0.v0 = xv0", {"v0": "n"}, "CITYalias0.n = xv0"),  # whole words only
    ],
)
def test_fill_sql(template, values, expected):
    assert fill_sql(template, values) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('SELECT "first name" FROM people WHERE n = "Ann" ;', "SELECT \"first name\" FROM people WHERE n = 'Ann'"),
        ('SELECT p."First Name" FROM "people" AS p', 'SELECT p."First Name" FROM "people" AS p'),
        ('SELECT n FROM other WHERE n = "first name"', "SELECT n FROM other WHERE n = 'first name'"),
        ("SELECT n FROM people WHERE n = 'first name'", "SELECT n FROM people WHERE n = 'first name'"),
    ],
)
def test_a_name_in_double_quotes_stays_a_name(template, expected):
    tables = (Table("people", (Column("first name", "TEXT"), Column("n", ""))), Table("other", (Column("n", ""),)))
    assert fill_sql(template, {}, Schema("set", tables)) == expected


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_value_survives_as_a_string(value):
    with closing(sqlite3.connect(":memory:")) as connection:
        assert connection.execute(fill_sql('SELECT "v0", "x v0" ;', {"v0": value})).fetchone() == (value, f"x {value}")


def test_fill_text():
    assert fill("rivers in state_name0 , not state_name01 ?", {"state_name0": "ohio", "state_name01": "iowa"}) == (
        "rivers in ohio , not iowa ?"
    )
    assert fill("nothing $here", {}) == "nothing $here"


def entry(sql, sentences, split="train", variables=()):
    return {"sql": [sql, "SELECT 'never'"], "sentences": sentences, "query-split": split, "variables": list(variables)}


def sentence(text, split="train", **variables):
    return {"text": text, "question-split": split, "variables": variables}


PLACE = {"name": "place0", "example": "oslo", "location": "both", "type": "place"}


@pytest.fixture
def make(tmp_path, make_sqlite, write_json):
    def make(entries, database="trips-db.sqlite"):
        make_sqlite(
            tmp_path / database, "CREATE TABLE TRIP (PLACE TEXT, DAYS INTEGER); INSERT INTO TRIP VALUES ('oslo', 3)"
        )
        write_json(tmp_path / "trips.json", entries)
        return tmp_path

    return make


def data(root, **keys):
    return DataConfig(format="text2sql", root=str(root), **keys)


TRIP = 'SELECT T.DAYS FROM TRIP AS T WHERE T.PLACE = "place0" ;'


def test_reads_questions_with_their_variables(make):
    root = make(
        [
            entry(TRIP, [sentence("days in place0", place0="rome"), sentence("days in place0 ?", "test", place0="")],
                  "test", [PLACE]),
            entry("SELECT count( * ) FROM TRIP", [sentence("how many", "dev"), sentence("how many", "dev")], "dev"),
        ],
        "trips-db.added-in-2020.sqlite",
    )  # fmt: skip
    corpus = read(data(root), root)
    assert [(q.id, q.db_id, q.text, q.sql, q.split) for q in corpus.questions] == [
        ("trips/0000/000", "trips", "days in rome", "SELECT T.DAYS FROM TRIP AS T WHERE T.PLACE = 'rome'", "train"),
        ("trips/0000/001", "trips", "days in oslo ?", "SELECT T.DAYS FROM TRIP AS T WHERE T.PLACE = 'oslo'", "test"),
        ("trips/0001/000", "trips", "how many", "SELECT count( * ) FROM TRIP", "eval"),
        ("trips/0001/001", "trips", "how many", "SELECT count( * ) FROM TRIP", "eval"),  # a duplicate stays
    ]
    assert [q.split for q in read(data(root, split_by="query"), root).questions] == ["test", "test", "eval", "eval"]
    assert corpus.databases["trips"].path.name == "trips-db.added-in-2020.sqlite"


def test_what_cannot_be_used_is_counted_and_named(make):
    root = make(
        [
            entry("SELECT GHOST FROM TRIP", [sentence("a")]),
            entry("SELECT X FROM TRIP WHERE DAYS > ALL (SELECT 1)", [sentence("b"), sentence("c")]),
            entry(
                "SELECT 1",
                [sentence("d", "exclude"), sentence("e", "weird"), {"text": "f"}, sentence("g"), sentence("h")],
            ),
            {"sql": []},
        ]
    )
    corpus = read(data(root), root)
    assert [q.text for q in corpus.questions] == ["g", "h"]
    assert sum(corpus.skipped.values()) == 7
    assert corpus.skipped["gold query that does not run (no such column)"] == 1
    assert corpus.skipped["gold query that does not run (syntax)"] == 2
    assert corpus.skipped["excluded by the set itself"] == 1
    assert any("trips/0001/000, trips/0001/001" in note for note in corpus.notes)
    with pytest.raises(UserError, match=r"trips/0002/002: sentence without text"):
        read(data(root, strict=True), root)


def test_folds(make):
    root = make([entry("SELECT 1", [sentence(f"q {n} {fold}", str(fold)) for n in range(3)]) for fold in range(10)])
    corpus = read(data(root, fold=9), root)
    assert {q.text[-1] for q in corpus.of("test")} == {"9"}
    assert {q.text[-1] for q in corpus.of("eval")} == {"0"}
    assert len(corpus.of("train")) == 24
    with pytest.raises(UserError, match=r"data.fold=10 is none of this set's folds: 0, 1"):
        read(data(root, fold=10), root)


def test_split_without_test_part_says_so(make):
    root = make([entry("SELECT 1", [sentence(f"t {n}") for n in range(20)] + [sentence("d", "dev")])])
    corpus = read(data(root), root)
    assert [q.text for q in corpus.of("test")] == ["d"]
    assert len(corpus.of("eval")) == 2
    assert any("its eval questions serve as test" in note for note in corpus.notes)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["trips.json"], "holds trips.json; expected one NAME.json"),
        (["trips.json", "other-db.sqlite"], "expected one NAME.json"),
        (["trips.json", "trips-db.a.sqlite", "trips-db.b.sqlite"], "several databases for trips.json"),
        (["a.json", "a-db.sqlite", "b.json", "b-db.sqlite"], r"several sets \(a.json, b.json\)"),
    ],
)
def test_other_folders_are_refused(tmp_path, names, message):
    for name in names:
        (tmp_path / name).write_text("[]")
    with pytest.raises(UserError, match=message):
        read(data(tmp_path), tmp_path)


def test_wrong_content_is_refused(make, tmp_path):
    with pytest.raises(UserError, match="should hold a list"):
        read(data(make({"a": 1})), tmp_path)
    with pytest.raises(UserError, match=r"No question in .*trips.json can be used: there is none"):
        read(data(make([])), tmp_path)
    with pytest.raises(UserError, match="has one database"):
        read(data(make([]), split_by="database"), tmp_path)


def test_geoquery(shared, tmp_path):
    corpus = read(data(shared / "data/geoquery"), tmp_path)
    assert len(corpus.questions) == 595
    assert sum(corpus.skipped.values()) == 3
    assert len(corpus.of("test")) == 48  # its dev part: the test part is kept aside
    assert not any('"' in q.sql or "name0" in q.text for q in corpus.questions)
    assert {q.split for q in read(data(shared / "data/geoquery", split_by="query"), tmp_path).questions} == {
        "train",
        "eval",
        "test",
    }


LOVE = {"name": "place0", "example": None}


@pytest.mark.parametrize("value", [None, float("nan"), ""])
def test_a_value_that_is_none_is_the_entrys_example(make, value):
    corpus = read(data(make([entry(TRIP, [sentence("in place0", place0=value)] * 4, variables=[PLACE])])), "")
    assert {(q.text, q.sql[-6:]) for q in corpus.questions} == {("in oslo", "'oslo'")}


@pytest.mark.parametrize(("value", "text"), [(3, "3"), (2.5, "2.5"), ("None", "None")])
def test_numbers_and_words_are_values(make, value, text):
    corpus = read(data(make([entry(TRIP, [sentence("in place0", place0=value)] * 4, variables=[LOVE])])), "")
    assert {(q.text, q.sql.rpartition("= ")[2]) for q in corpus.questions} == {(f"in {text}", f"'{text}'")}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"variables": {"place0": None}}, "variable 'place0' without a value"),
        ({"variables": {"place0": ["oslo"]}}, "sentence without"),
        ({"variables": {"place0": True}}, "sentence without"),
        ({"variables": ["place0"]}, "sentence without"),
        ({"text": None}, "sentence without"),
        ({"text": ["a"]}, "sentence without"),
        ({"text": float("nan")}, "sentence without"),
        ({"question-split": None}, "part ''"),
        ({"question-split": "validate"}, "part 'validate', which is no"),
        ({"question-split": ["train"]}, "part ''"),
    ],
)
def test_a_sentence_with_another_value_is_named(make, changes, reason):
    good = [sentence(f"in place0 {n}", place0="x") for n in range(4)]
    root = make([entry(TRIP, [*good, sentence("in place0", place0="x") | changes], variables=[LOVE])])
    corpus = read(data(root), "")
    assert len(corpus.questions) == 4
    with pytest.raises(UserError, match=f"trips/0000/004: {reason}"):
        read(data(root, strict=True), "")


@pytest.mark.parametrize(
    "changes",
    [{"sql": None}, {"sql": [None]}, {"sql": [["SELECT 1"]]}, {"sentences": "x"}, {"variables": None},
     {"variables": [{"name": None, "example": "x"}]}, {"variables": [{"name": " "}]}, {"variables": [{}]}],
)  # fmt: skip
def test_an_entry_with_another_value_is_counted(make, changes):
    good = entry("SELECT 1", [sentence(f"a {n}") for n in range(4)])
    corpus = read(data(make([good, good | changes])), "")
    assert corpus.skipped == {"entry without sql, sentences, variables and query-split": 1}


def test_parts_have_the_names_that_others_give_them(make):
    words = ["training", "Validation", "valid", "test"]
    corpus = read(data(make([entry("SELECT 1", [sentence(f"a {word}", word) for word in words])])), "")
    assert [q.split for q in corpus.questions] == ["train", "eval", "eval", "test"]


@pytest.mark.parametrize(
    ("folds", "fold", "message"),
    [
        ("0", 0, "This set has fold 0 alone: one is needed for test"),
        ("01", 0, "This set has folds 0 and 1: one is needed for test"),
        ("012", 3, "data.fold=3 is none of this set's folds: 0, 1, 2."),
        (["train"], 1, "data.fold=1: this set has no numbered folds, leave it out."),
    ],
)
def test_a_fold_that_cannot_be_is_told_why(make, folds, fold, message):
    root = make([entry("SELECT 1", [sentence(f"a {part}", part) for part in folds])])
    with pytest.raises(UserError) as refused:
        read(data(root, fold=fold), "")
    assert str(refused.value).startswith(message)


OLD = 'SELECT TRIPalias0.ID FROM TRIP AS TRIPalias0 WHERE TRIPalias0.ID = "trip.id ID" AND TRIPalias0.DAYS > 0'


@pytest.fixture
def restaurants(tmp_path, make_sqlite, write_json):
    """Most of its queries have a name that the database has otherwise, as the public Restaurants."""
    make_sqlite(tmp_path / "eat-db.sqlite", "CREATE TABLE TRIP (TRIP_ID TEXT, DAYS INTEGER, IDEA TEXT)")
    old, good = entry(OLD, [sentence(f"old {n}") for n in range(7)]), [sentence(f"good {n}") for n in range(3)]
    write_json(tmp_path / "eat.json", [old, entry("SELECT DAYS FROM TRIP", good)])
    return tmp_path


def test_a_set_that_does_not_fit_its_database_is_said_first_with_the_mend(restaurants):
    corpus = read(data(restaurants), "")
    assert corpus.warnings == (
        "7 of the 10 questions in eat.json have a query that does not run on eat-db.sqlite: 7 times there is no column "
        "TRIP.ID, and the nearest is TRIP.TRIP_ID (data.rename={TRIP.ID: TRIP_ID} takes it).",
    )
    mended = read(data(restaurants, rename={"TRIP.ID": "TRIP_ID"}), "")
    assert (len(mended.questions), mended.warnings) == (10, ())
    assert mended.questions[0].sql == (
        "SELECT TRIPalias0.TRIP_ID FROM TRIP AS TRIPalias0 "
        "WHERE TRIPalias0.TRIP_ID = 'trip.id ID' AND TRIPalias0.DAYS > 0"
    )
    (restaurants / "eat.json").write_text(json.dumps([entry(OLD, [sentence("a")])]))
    with pytest.raises(UserError, match=r"^1 of the 1 questions in eat.json .* is TRIP.TRIP_ID \(data.rename="):
        read(data(restaurants), "")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"TRIP.ID": "TRIPID"}, "the database has no TRIPID for TRIP.ID, the nearest is TRIP_ID"),
        ({"TRIP.GHOST": "TRIP_ID"}, "no query has TRIP.GHOST"),
    ],
)
def test_a_rename_that_cannot_be_meant_is_refused(restaurants, names, message):
    with pytest.raises(UserError, match=message):
        read(data(restaurants, rename=names), "")


@pytest.mark.parametrize(
    ("sql", "names", "expected"),
    [
        ("SELECT ID FROM trips", {"trips": "TRIP", "ID": "trip id"}, 'SELECT "trip id" FROM TRIP'),
        ("SELECT T.id, U.id FROM TRIP T JOIN U", {"TRIP.ID": "N"}, "SELECT T.N, U.id FROM TRIP T JOIN U"),
        ("SELECT trip . ID FROM trip WHERE 'trip.ID'", {"TRIP.ID": "N"}, "SELECT trip . N FROM trip WHERE 'trip.ID'"),
        ("SELECT T.IDS FROM TRIP AS T", {"TRIP.ID": "N"}, "SELECT T.IDS FROM TRIP AS T"),
    ],
)  # fmt: skip
def test_rename(sql, names, expected):
    assert rename(sql, names) == expected


def test_rename_is_for_these_sets_alone(tmp_path):
    with pytest.raises(UserError, match=r"data\.rename is for data=text2sql"):
        read(DataConfig(format="spider", root=str(tmp_path), rename={"A": "B"}), tmp_path)
