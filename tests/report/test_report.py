"""The HTML report: what stands in it, whatever the sweep was and whatever a model wrote."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hand_made import base_config, verdicts

from macsql.comparison.experiment import Comparison, compare
from macsql.comparison.figures import title
from macsql.records import Prediction, Verdict, read_jsonl, write_jsonl
from macsql.report.html import LONGEST, seen, write_html
from macsql.report.notes import notes, reading

HOSTILE = (
    "</pre></body><script>alert(1)</script><img src=x onerror=alert(2)>"
    "{{ 7*7 }}{% raw %} \x00\x1b[31m \u202egnp.exe ]]>"
)
VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    """The elements of a page, their texts, and whether they nest."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.texts, self.ids = [], [], [], []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def count(self, tag, css=None):
        return sum(name == tag and (css is None or attrs.get("class") == css) for name, attrs in self.tags)


def page(comparison: Comparison, folder: Path) -> Page:
    return Page(write_html(comparison, folder / "report.html"))


def answer_with(folder: Path, text: str) -> None:
    """Let every answer and message of a trial be `text`."""
    predictions = [
        replace(row, question=text, raw_output=text, output=f"{text}!", target=text, gold_sql=f"{text}?", error=text)
        for row in read_jsonl(folder / "predictions.jsonl", Prediction)
    ]
    judged = [replace(row, message=text, sql=text) for row in read_jsonl(folder / "verdicts.jsonl", Verdict)]
    write_jsonl(folder / "predictions.jsonl", predictions)
    write_jsonl(folder / "verdicts.jsonl", judged)


def test_everything_the_comparison_holds_is_on_the_page(balance, tmp_path):
    comparison = compare("balance", balance.state)
    shown = page(comparison, tmp_path)
    made = comparison.provenance
    for words in (
        comparison.published.title,
        comparison.published.question,
        made.command,
        made.fingerprint,
        made.machine,
        made.scale_note,
        "20 Selector, 20 Decomposer, 20 Refiner test rows",
        *notes(comparison),
        *reading(comparison),
        *(reason.words for row in comparison.beside for reason in row.reasons),
        *(row.poster.note for row in comparison.beside),
        *(row.poster.text for row in comparison.beside),
        *(curve.doubt for curve in comparison.published.curves),
        *(row.name for row in comparison.systems),
        *(row.model for row in comparison.systems),
        *(of.note for row in comparison.systems for of in row.figures.values() if of.origin == "published"),
        "Losses by epoch",
        *(f"{loss:.6f}" for curve in comparison.published.curves for loss in (*curve.train_loss, *curve.eval_loss)),
        "Evaluation loss per epoch, all trials",
        "History",
        "Parallel coordinates",
        "poster: training loss per epoch",
    ):
        assert " ".join(words.split()) in shown.text, words
    for kind in ("measured", "poster", "published", "not"):
        assert shown.count("span", f"kind {kind}"), kind
    assert shown.count("svg", "chart small") == 2
    assert shown.count("svg", "bar") == len(comparison.contrasts)
    assert sum(name == "article" for name, _ in shown.tags) == len(comparison.examples) == 18
    anchors = {attrs["href"][1:] for name, attrs in shown.tags if name == "a"}
    assert anchors == {attrs["id"] for name, attrs in shown.tags if name == "section"}


def test_the_posters_table_is_laid_over_the_setting_it_belongs_to(balance, tmp_path):
    shown = page(compare("balance", balance.state), tmp_path).source
    for panel in re.findall(r'<svg [^>]*class="chart small".*?</svg>', shown, re.DOTALL):
        dashed = [line for line in re.findall("<polyline[^>]*>", panel) if "6 4" in line]
        assert len(dashed) == 1
        assert dashed[0].count(",") == 10  # an evaluation loss for each of ten epochs


def test_a_best_pair_without_a_table_is_a_level(sweeps, tmp_path):
    sweeps.trial("lr_bs", 0, {"trainer.learning_rate": 5e-5}, verdicts({1, 2}))
    shown = page(compare("lr_bs", sweeps.state), tmp_path)
    assert "poster: evaluation loss of its best pair (0.27)" in shown.text
    assert "poster: training loss of its best pair (0.2)" in shown.text


def test_it_asks_for_nothing_and_runs_nothing(balance, tmp_path):
    shown = page(compare("balance", balance.state), tmp_path)
    assert not {"script", "iframe", "object", "embed", "base", "form", "img"} & {name for name, _ in shown.tags}
    addresses = [attrs[key] for _, attrs in shown.tags for key in ("src", "href", "xlink:href") if key in attrs]
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert not re.search(r"url\(|@import", shown.source)
    policy = next(attrs["content"] for name, attrs in shown.tags if "http-equiv" in attrs)
    assert policy.startswith("default-src 'none'")


def test_what_a_model_wrote_is_text_and_nothing_else(sweeps, tmp_path):
    sweeps.prepare({"selector": 4})
    folder = sweeps.trial("lr_bs", 0, {"model": HOSTILE}, verdicts({0, 1}), notes=(HOSTILE,))
    clean = page(compare("lr_bs", sweeps.state), tmp_path)
    answer_with(folder, HOSTILE)
    about = json.loads((folder / "trial.json").read_text())
    (folder / "trial.json").write_text(json.dumps(about | {"label": HOSTILE, "command": f"run '{HOSTILE}'"}))
    shown = page(compare("lr_bs", sweeps.state), tmp_path)
    assert {name for name, _ in shown.tags} == {name for name, _ in clean.tags}
    assert not [key for _, attrs in shown.tags for key in attrs if key.startswith("on")]
    assert "alert(1)" in shown.text
    assert "{{ 7*7 }}" in shown.text
    assert "⟨U+0000⟩⟨U+001B⟩[31m ⟨U+202E⟩gnp.exe" in shown.text


def test_a_state_directory_that_has_moved_keeps_its_examples(balance, tmp_path):
    moved = balance.state.rename(tmp_path / "moved")
    assert all(example.schema == "animals(id, age)" for example in compare("balance", moved).examples)


def test_half_a_character_and_endless_text_are_shown_as_far_as_they_go(sweeps, tmp_path):
    folder = sweeps.trial("lr_bs", 0, {}, verdicts({0}))
    answer_with(folder, "x" * (LONGEST + 5))
    assert f"… {6} more characters" in page(compare("lr_bs", sweeps.state), tmp_path).text
    assert seen("a\ud800b") == "a⟨U+D800⟩b"
    assert seen("line\n\ttab") == "line\n\ttab"


@pytest.mark.parametrize("status", ["FAILED", "KILLED"])
def test_a_sweep_without_a_finished_trial(sweeps, tmp_path, status):
    sweeps.trial("lr_bs", 0, {"a": 1}, [], status=status, losses=())
    sweeps.trial("lr_bs", 1, {"a": 2}, [], status=status)
    shown = page(compare("lr_bs", sweeps.state), tmp_path)
    assert status in shown.text
    assert "Examples to read" not in shown.text


def test_one_trial_has_no_search_to_draw(sweeps, tmp_path):
    sweeps.trial("generation", 0, {}, verdicts({1, 2, 3}))
    shown = page(compare("generation", sweeps.state), tmp_path)
    assert "Importance" not in shown.text
    assert "What a difference is worth" not in shown.text
    assert "0 of 2" in shown.text
    assert shown.count("svg", "chart small") == 1


def test_sixty_trials_stay_legible_and_light(sixty, tmp_path):
    shown = page(sixty, tmp_path)
    assert "the other 55 trials: " in shown.text
    assert "Importance" in shown.text
    assert shown.count("svg", "chart small") == 61
    assert "a cross is a trial without a value (1 failed)" in shown.text
    assert len(shown.source) < 700_000
    assert not re.search(r'="[^"]*\b(nan|inf)\b', shown.source)


def test_seeds_have_a_table_of_their_own(sweeps, tmp_path):
    for index in range(4):
        point, repeat = {"trainer.learning_rate": 1e-5 * (1 + index % 2)}, index // 2
        sweeps.trial("rates", index, point, verdicts(set(range(5 + index))), repeat=repeat)
    shown = page(compare("rates", sweeps.state), tmp_path)
    assert "Settings over their seeds" in shown.text
    assert "95 % (Student, seeds)" in shown.text
    assert "+0.050, +0.050" in shown.text
    assert "seed 0, the first of 2" in shown.text
    assert shown.count("tr", "best") == 3  # both seeds of the best setting, and the setting itself
    assert not shown.count("p", "question")  # of a sweep that is no experiment there is none


def test_what_a_sweep_was_decided_by_stands_in_its_table(sweeps, tmp_path):
    chosen = {"metric": ["decomposer/execution_accuracy"], "direction": ["maximize"]}
    for index, right in enumerate((range(5), range(15))):
        on_eval = verdicts(set(right), questions=16)
        sweeps.trial("rates", index, {"x": index}, verdicts({1}), config=base_config(sweep=chosen), on_eval=on_eval)
    text = page(compare("rates", sweeps.state), tmp_path).text
    assert " trial objective loss all agents Decomposer" in text
    assert f"Best by {title('eval/decomposer/execution_accuracy')}." in text
    assert "0.312" in text
    assert "0.938" in text


def test_pruned_and_unfinished_trials_are_called_so(sweeps, tmp_path):
    sweeps.trial("rates", 0, {"x": 0}, verdicts({1}))
    for index, reason in ((1, "pruned: after epoch 2"), (2, "it broke")):
        sweeps.trial("rates", index, {"x": index}, [], status="KILLED", losses=(0.1,), reason=reason)
    text = page(compare("rates", sweeps.state), tmp_path).text
    assert "1 of 3 planned trials have finished, 1 pruned, 1 killed" in text
    assert "point 1: 0.110 (pruned)" in text
    assert "point 2: 0.110 (killed)" in text
    assert text.index("point 0: 0.510") < text.index("point 1: 0.110")  # what did not finish comes last


def test_figures_that_do_not_hold_are_the_first_thing_one_reads(balance, tmp_path):
    folder = sorted((balance.state / "trials").iterdir())[0]
    told = json.loads((folder / "result.json").read_text())
    told["metrics"]["eval_loss"] = 0.001
    (folder / "result.json").write_text(json.dumps(told))
    text = page(compare("balance", balance.state), tmp_path).text
    assert "Stored figures that do not hold" in text
    assert "eval_loss is 0.001 in result.json" in text
