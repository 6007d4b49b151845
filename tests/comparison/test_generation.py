"""The poster's fourth experiment over a whole test set."""

import shutil

from hand_made import verdict as judged
from hand_made import verdicts

from macsql.comparison.experiment import compare
from macsql.comparison.generation import choose
from macsql.report.conclusion import conclusion, ours_in_words


def rows():
    wrong = ["unknown column", "unknown column", "wrong rows", "gold error"]
    return [judged("decomposer", n, n < 3, "" if n < 3 else wrong[n - 3]) for n in range(7)] + [
        judged(agent, n, False) for agent in ("selector", "refiner") for n in range(7)
    ]


def test_right_and_wrong_with_the_taxonomy_as_notes(sweeps):
    sweeps.trial("generation", 0, {}, rows())
    found = compare("generation", sweeps.state)
    by_agent = {row.agent: row for row in found.answers}
    mine = by_agent["decomposer"]
    assert (mine.correct, mine.incorrect, mine.unjudged) == (3, 3, 1)
    assert mine.accuracy.value == 0.5
    assert mine.accuracy.low < 0.5 < mine.accuracy.high
    assert mine.notes == (("unknown column", 2), ("gold error", 1), ("wrong rows", 1))
    assert mine.poster.printed == "0 of 2"
    assert by_agent["selector"].accuracy.value == 0.0
    assert ours_in_words(found) == "Selector 0 of 7; Decomposer 3 of 6; Refiner 0 of 7"
    assert "0 of 2 rules out accuracies above 84%" in conclusion(found)
    assert all(any("Two examples prove nothing" in reason.words for reason in row.reasons) for row in found.beside)


def test_examples_show_what_was_asked_and_said(sweeps):
    sweeps.prepare({})
    sweeps.trial("generation", 0, {}, verdicts({1, 2}))
    shown = compare("generation", sweeps.state).examples
    assert {item.agent for item in shown} == {"selector", "decomposer", "refiner"}
    assert len(shown) == 18
    item = next(item for item in shown if item.agent == "decomposer")
    number = item.id.split("/")[0][1:]
    assert item.schema == "animals(id, age)"
    assert item.prompt == f"PROMPT {number} decomposer"
    assert (item.raw_output, item.output, item.question) == ("raw", "out", f"Question q{number}?")
    assert {item.outcome for item in shown if item.agent == "decomposer"} == {"right", "wrong rows"}


def test_examples_need_no_examples_on_disk(sweeps):
    sweeps.prepare({})
    sweeps.trial("generation", 0, {}, verdicts({1}))
    shutil.rmtree(sweeps.prepared)
    shown = compare("generation", sweeps.state).examples
    assert shown
    assert all(item.schema == item.prompt == "" for item in shown)


def test_the_choice_takes_turns_and_does_not_depend_on_the_order():
    many = [judged("decomposer", n, n < 2) for n in range(40)]
    chosen = choose(many, 6)
    assert [item.outcome for item in chosen] == [
        "wrong rows",
        "right",
        "wrong rows",
        "right",
        "wrong rows",
        "wrong rows",
    ]
    assert choose(list(reversed(many)), 6) == chosen
    assert choose([], 6) == []
    assert choose(many[:1], 6) == many[:1]
