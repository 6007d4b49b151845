"""What test shares with training, and what a checkpoint may have seen."""

from macsql.corpora import Corpus
from macsql.corpora.leakage import check, suspects, warning
from macsql.records import Question


def corpus(name, *questions):
    return Corpus(name, tuple(Question(*row[:4], split=row[4]) for row in questions), {}, {})


def test_nothing_shared_says_nothing():
    found = check(corpus("spider", ("1", "a", "How many?", "X", "train"), ("2", "b", "How few?", "X", "test")))
    assert (found.questions, found.databases, found.sentences()) == ((), (), [])


def test_shared_questions_and_databases_are_named():
    found = check(
        corpus(
            "spider",
            ("1", "a", "How many?", "SELECT 1", "train"),
            ("2", "a", "How few?", "SELECT 2", "eval"),
            ("3", "a", "how many", "SELECT  1", "test"),  # the same query too
            ("4", "b", "How few ?", "SELECT 2", "test"),  # of another database
            ("5", "b", "How come?", "SELECT 3", "test"),
        )
    )
    assert (found.questions, found.same_answer, found.databases, found.tested) == (("3", "4"), 1, ("a",), 3)
    assert "2 of 3 test questions" in found.sentences()[0]
    assert "share 1 database (a)" in found.sentences()[1]


def test_known_training_data_makes_a_corpus_suspect():
    known = ["Spider", "wikisql", "BIRD train"]
    assert suspects("spider", known) == ("Spider",)
    assert suspects("chat", known) == ("BIRD train",)  # its rows come from there
    assert suspects("pocket", known) == ()
    assert "may have seen Spider" in warning("Spider")
