"""Train, eval and test: groups stay together, and the same names give the same parts everywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macsql.config import DataConfig
from macsql.corpora.splits import chosen, divide, group_of, limited, normal_text, query_shape, tell_apart
from macsql.errors import UserError
from macsql.records import Question


def questions(count, databases=10, split="train"):
    return [
        Question(f"q/{n:04d}", f"db{n % databases}", f"what is {n // 2}?", f"SELECT {n % 7} FROM t{n % 5}", split=split)
        for n in range(count)
    ]


def parts(told):
    return {split: {q.id for q in told if q.split == split} for split in ("train", "eval", "test")}


@given(st.integers(0, 200), st.integers(1, 12), st.sampled_from(["question", "query", "database"]), st.integers(0, 99))
def test_divide_keeps_groups_together_and_every_question(count, databases, split_by, seed):
    told = divide(questions(count, databases), split_by, 0.2, 0.3, seed)
    assert [q.id for q in told] == [q.id for q in questions(count, databases)]
    key = group_of(split_by)
    sides = {}
    for question in told:
        assert sides.setdefault(key(question), question.split) == question.split
    groups = len(sides)
    if groups >= 3:
        assert set(sides.values()) == {"train", "eval", "test"}


def test_shares_are_of_groups():
    told = divide(questions(1000, databases=100), "database", 0.1, 0.2, 0)
    assert {split: len({q.db_id for q in told if q.split == split}) for split in ("train", "eval", "test")} == {
        "train": 70,
        "eval": 10,
        "test": 20,
    }


def test_parts_depend_on_seed_and_names_alone():
    asked = questions(200)
    assert divide(asked, "question", 0.1, 0.1, 1) == divide(list(asked), "question", 0.1, 0.1, 1)
    assert parts(divide(asked, "question", 0.1, 0.1, 1)) == parts(divide(asked[::-1], "question", 0.1, 0.1, 1))
    assert parts(divide(asked, "question", 0.1, 0.1, 1)) != parts(divide(asked, "question", 0.1, 0.1, 2))
    # pinned: another Python or machine must give the same
    assert sorted(chosen([f"db{n}" for n in range(10)], 0.3, 0)) == ["db1", "db4", "db9"]


@pytest.mark.parametrize(
    ("fraction", "groups", "expected"), [(0, 9, 0), (0.01, 9, 1), (0.5, 2, 1), (0.99, 3, 2), (0.5, 1, 0)]
)
def test_chosen_takes_at_least_one_and_never_all(fraction, groups, expected):
    assert len(chosen(map(str, range(groups)), fraction, 0)) == expected


def test_shares_that_leave_no_training_data_are_refused():
    with pytest.raises(UserError, match="leave no training data"):
        divide(questions(9), "question", 0.5, 0.5, 0)


def config(**keys):
    return DataConfig(format="spider", **keys)


def test_published_parts_hold_and_eval_is_carved_by_database():
    asked = [*questions(100), Question("t", "new", "x", "y", split="test")]
    told, notes = tell_apart(asked, config(), eval_by="database")
    assert parts(told)["test"] == {"t"}
    assert len({q.db_id for q in told if q.split == "eval"}) == 1
    assert not {q.db_id for q in told if q.split == "eval"} & {q.db_id for q in told if q.split == "train"}
    assert notes == ["There is no published eval part: it is carved out of train by database."]


def test_eval_part_serves_as_test_where_there_is_none():
    asked = questions(50) + questions(10, split="eval")
    told, notes = tell_apart(asked, config(), eval_by="question")
    assert [q.split for q in told[50:]] == ["test"] * 10
    assert parts(told)["eval"]
    assert "serve as test" in notes[0]


def test_train_alone_gives_all_three():
    told, notes = tell_apart(questions(100), config(), eval_by="database")
    assert all(parts(told).values())
    assert len(notes) == 2


def test_test_alone_stays_test():
    told, notes = tell_apart(questions(9, split="test"), config(), eval_by="database")
    assert {q.split for q in told} == {"test"}
    assert "nothing can be trained" in notes[0]


def test_a_single_database_is_told_apart_by_question():
    told, notes = tell_apart(questions(40, databases=1), config(), eval_by="database")
    assert all(parts(told).values())
    assert all("by question" in note for note in notes)


def test_other_words_tell_apart_anew():
    asked = [*questions(60), Question("t", "db1", "x", "y", split="test")]
    told, notes = tell_apart(asked, config(split_by="database", test_fraction=0.3), eval_by="database")
    assert len({q.db_id for q in told if q.split == "test"}) == 3
    assert "told apart anew by database" in notes[0]


def test_limit_is_for_each_split_and_keeps_the_order():
    asked = questions(50) + [Question(f"t{n}", "d", "x", "y", split="test") for n in range(3)]
    kept = limited(asked, 5, 0)
    assert [len(part) for part in parts(kept).values()] == [5, 0, 3]
    assert [q.id for q in kept] == sorted((q.id for q in kept), key=[q.id for q in asked].index)
    assert {q.id for q in limited(asked, 4, 0)} < {q.id for q in kept}  # a smaller limit is a part of a larger one
    assert limited(asked, 5, 1) != kept
    assert limited(asked, None, 0) == asked


def test_normal_text_and_query_shape():
    assert normal_text("  What's the   NAME, of_x?") == "what s the name of x"
    assert query_shape("SELECT a FROM t WHERE b = 'it''s'  AND c > 3.5") == query_shape(
        "select A from t where b = 'x' and c > 4"
    )
    assert query_shape("SELECT a1 FROM t2") == "select a1 from t2"
