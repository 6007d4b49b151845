"""String exact match and ROUGE-L, on pairs written by hand and against the library that defines ROUGE-L."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from macsql.metrics.text import exact_match, rouge_l

PAIRS = [json.loads(line) for line in (Path(__file__).parent / "data" / "text_pairs.jsonl").read_text().splitlines()]
WORDS = st.lists(st.sampled_from(["select", "a", "b", "FROM", "t1", "<=", "'x'", "Ä", "\n"]), max_size=40).map(" ".join)


@pytest.mark.parametrize("pair", PAIRS, ids=[pair["why"] for pair in PAIRS])
def test_pairs(pair):
    assert exact_match(pair["target"], pair["answer"]) is pair["exact"]
    assert rouge_l(pair["target"], pair["answer"]) == pytest.approx(pair["rouge_l"], abs=1e-12)


@given(WORDS | st.text(max_size=60), WORDS | st.text(max_size=60))
def test_rouge_l_is_the_library_s(target, answer):
    library = RougeScorer(["rougeL"], use_stemmer=False)
    assert rouge_l(target, answer) == library.score(target, answer)["rougeL"].fmeasure


@given(st.text(max_size=60), st.text(max_size=60))
def test_symmetric_and_bounded(left, right):
    assert exact_match(left, right) is exact_match(right, left)
    assert rouge_l(left, right) == pytest.approx(rouge_l(right, left))
    assert 0.0 <= rouge_l(left, right) <= 1.0


def test_an_endless_answer_stays_cheap():
    """The library's table would need 20,000 x 2,000 cells."""
    start = time.perf_counter()
    assert 0 < rouge_l("a b c d " * 500, "b a " * 10_000) < 1
    assert time.perf_counter() - start < 2
