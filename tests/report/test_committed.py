"""What is published in experiments/ agrees with itself: tables, READMEs, overview and report were written together."""

import csv
import html
import math
import re
from statistics import fmean, stdev

import pytest
from hand_made import verdicts

from macsql.comparison.experiment import compare
from macsql.comparison.figures import title
from macsql.comparison.statistics import student_interval
from macsql.metrics import summary
from macsql.places import REPO
from macsql.records import Verdict, read_jsonl
from macsql.report.csv_files import write_comparison, write_results
from macsql.report.tables.poster import WHY

EXPERIMENTS = REPO / "experiments"
ALL = sorted({path.parent.name for path in EXPERIMENTS.glob("*/results.csv")} - {"bench"})  # bench: no sweep
REAL = (  # need data of one's own, and most of them hours on a CPU
    *("geoquery", "geoquery_pocket", "geoquery_pocket_query", "geoquery_query"),
    *("learning_curve", "learning_curve_geoquery", "real_weights", "spider_pocket"),
)
RUN = sorted(path.parent.name for path in EXPERIMENTS.glob("*/comparison.csv"))
HEAD = ["figure", "setting", "poster", "ours", "difference"]


def lines(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def written(path):
    """What stands between the marks of a README."""
    text = path.read_text(encoding="utf-8")
    return text.split("<!-- written by python -m macsql.compare -->")[1].split("<!-- end of what is written -->")[0]


def table(text, head):
    """The rows of the Markdown table whose heading begins with `head`."""
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    start = next(place for place, row in enumerate(found) if row[: len(head)] == head)
    width = len(found[start])
    return [row for row in found[start + 2 :] if len(row) == width]


def shown(value, form):
    if not value:
        return ""
    rounded = round(float(value), 3) + 0.0
    return format(rounded, form.replace(".3", ".0") if abs(rounded) >= 10 and rounded == int(rounded) else form)


@pytest.mark.parametrize("name", RUN)
def test_the_cells_of_a_readme_are_those_of_comparison_csv(name):
    kept = [row for row in lines(EXPERIMENTS / name / "comparison.csv") if not row["metric"].startswith("epoch_")]
    rows = table(written(EXPERIMENTS / name / "README.md"), HEAD)[: len(kept)]
    assert rows
    assert [row[:2] for row in rows] == [[row["title"], row["setting"]] for row in kept]
    for (_, _, poster, ours, difference, *_), row in zip(rows, kept, strict=True):
        assert poster == row["poster_value"] or float(poster.split()[0]) == float(row["poster_value"])
        assert (ours, difference) == (shown(row["ours_value"], ".3f"), shown(row["difference"], "+.3f"))


@pytest.mark.parametrize("name", RUN)
def test_a_measured_figure_is_the_mean_of_its_settings_trials(name):
    trials = lines(EXPERIMENTS / name / "results.csv")
    keys = list(trials[0])[3 : list(trials[0]).index("status")]
    settings = {}
    for trial in trials:
        label = " ".join(f"{key.rpartition('.')[2]}={trial[key]}" for key in keys) or "the one setting"
        settings.setdefault(label, []).append(trial)
    ours = lines(EXPERIMENTS / name / "comparison.csv")
    assert [row for row in ours if row["metric"] in trials[0] and row["ours_value"]]
    for row in ours:
        if row["metric"] in trials[0] and row["ours_value"]:
            setting = settings[row["setting"].rpartition("; ours: ")[2]]
            values = [float(trial[row["metric"]]) for trial in setting if trial["status"] == "FINISHED"]
            assert math.isclose(float(row["ours_value"]), fmean(values)), row["title"]
            assert math.isclose(float(row["difference"]), fmean(values) - float(row["poster_value"]), abs_tol=1e-9)


@pytest.mark.parametrize("name", ALL)
def test_readme_overview_and_report_give_one_conclusion(name):
    said = written(EXPERIMENTS / name / "README.md").strip().splitlines()[0]
    overview = table(written(EXPERIMENTS / "README.md"), ["experiment", "poster", "ours", "conclusion"])
    [row] = [row for row in overview if f"({name}/README.md)" in row[0]]
    assert row[-1].removesuffix(".") in said
    report = html.unescape((EXPERIMENTS / name / "report.html").read_text(encoding="utf-8"))
    assert said in report


def test_experiments_of_one_scale_that_hold_the_same_trial_agree():
    """Experiment 2's settings are some of 3's, and 4's model at +scale=pocket is one of 2's."""
    rate, batch = "trainer.learning_rate", "trainer.per_device_train_batch_size"
    same: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for name, size in (("lr_bs", ""), ("batch_size", ""), ("generation", "8")):
        for row in lines(EXPERIMENTS / name / "results.csv"):
            if float(row.get(rate, 5e-5)) == 5e-5 and (size == "" or row["scale"] == "pocket"):
                key = (row["scale"], row["data_fingerprint"], size or row[batch], row["seed"])
                same.setdefault(key, []).append(row)
    assert any(len(rows) > 1 for rows in same.values())
    for first, *others in same.values():
        for row in others:
            assert row["steps"] == first["steps"]  # none stopped early
            assert {key: value for key, value in row.items() if "/" in key} == {
                key: value for key, value in first.items() if "/" in key
            }


def test_the_readme_gives_the_figures_of_representation():
    trials = lines(EXPERIMENTS / "representation" / "results.csv")
    head = ["prompt style", "codec", "EM (string)", "EX", "ROUGE-L"]
    rows = table((REPO / "README.md").read_text(encoding="utf-8"), head)[1:7]
    assert len(rows) == 6  # every setting, the best one too
    for agents, codec, *shown_there in rows:
        setting = {"agents": agents.split("`")[1], "codec": codec.split("`")[1]}
        same = [trial for trial in trials if all(trial[key] == value for key, value in setting.items())]
        figures = ("all/exact_match", "all/execution_accuracy", "all/rouge_l")
        assert shown_there == [f"{fmean(float(trial[name]) for trial in same):.2f}" for name in figures], setting


@pytest.mark.parametrize("name", sorted(set(ALL) - {"generation", "random_start", *REAL}))  # one seed has no deviation
def test_every_setting_has_the_mean_of_its_trials(name):
    trials = lines(EXPERIMENTS / name / "results.csv")
    keys = list(trials[0])[3 : list(trials[0]).index("status")]
    text = written(EXPERIMENTS / name / "README.md")
    rows = table(text, ["setting", "seeds"])[: len({tuple(trial[key] for key in keys) for trial in trials})]
    heads = next(line for line in text.splitlines() if line.startswith("| setting | seeds |")).strip("| ").split(" | ")
    metric = {title(key): key for key in trials[0] if "/" in key or key.endswith("_loss")}
    assert rows
    for label, seeds, *cells in rows:
        same = [
            trial
            for trial in trials
            if label.removesuffix(" *") == " ".join(f"{key.rpartition('.')[2]}={trial[key]}" for key in keys)
        ]
        assert len(same) == int(seeds)
        values = [[float(trial[metric[head]]) for trial in same] for head in heads[2:]]
        assert cells == [f"{fmean(found):.3f} ±{stdev(found):.3f}" for found in values], label


def test_what_each_axis_does_follows_from_the_trials():
    """The table that representation's README has by hand."""
    trials = lines(EXPERIMENTS / "representation" / "results.csv")
    styles, codecs = ("mac_sql", "brief"), ("verbatim", "marks", "tokens")

    def worth(metric, weights):
        by_seed = [
            sum(
                weights.get((row["agents"], row["codec"]), 0) * float(row[metric])
                for row in trials
                if row["seed"] == seed
            )
            for seed in ("0", "1", "2")
        ]
        found = student_interval(by_seed)
        return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"

    def codec(new, old):
        return {(style, name): sign / 2 for style in styles for name, sign in ((new, 1), (old, -1))}

    def interaction(name):
        signs = {"verbatim": -1, name: 1}
        return {(style, key): sign * (1 if style == "brief" else -1) for style in styles for key, sign in signs.items()}

    effects = [
        {(style, name): (1 if style == "brief" else -1) / 3 for style in styles for name in codecs},
        codec("marks", "verbatim"),
        codec("tokens", "verbatim"),
        codec("tokens", "marks"),
        interaction("marks"),
        interaction("tokens"),
    ]
    text = (EXPERIMENTS / "representation" / "README.md").read_text(encoding="utf-8")
    said = table(text, ["effect", "EM (string), all agents"])[: len(effects)]
    assert said
    for (words, *cells), weights in zip(said, effects, strict=True):
        assert cells == [worth(metric, weights) for metric in ("all/exact_match", "all/execution_accuracy")], words


def test_what_the_base_makes_of_representation_follows_from_its_trials():
    trials = lines(EXPERIMENTS / "representation" / "base_results.csv")
    text = (EXPERIMENTS / "representation" / "README.md").read_text(encoding="utf-8")
    heads = ["prompt style", "codec", "EM (string), all agents"]
    rows = table(text, heads)[:6]
    assert len({(style, codec) for style, codec, *_ in rows}) == 6
    names = ("all/exact_match", "all/execution_accuracy", "decomposer/execution_accuracy", "refiner/fix_rate")
    for style, codec, *cells in rows:
        same = [row for row in trials if (f"`{row['agents']}`", f"`{row['codec']}`") == (style, codec)]
        values = [[float(row[name]) for row in same] for name in (*names, "all/rouge_l")]
        assert len(same) == 3
        assert cells == [f"{fmean(found):.3f} ±{stdev(found):.3f}" for found in values], (style, codec)


def columns(path):
    with path.open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file))


@pytest.mark.parametrize("name", ALL)
def test_what_is_committed_was_written_by_this_code(name, sweeps, tmp_path):
    """Headings and words that every comparison has: a change of them asks for the committed ones to be written anew."""
    sweeps.trial(name, 0, {"x": 1}, verdicts({1}))
    now = compare(name, sweeps.state)
    write_results(now, tmp_path / "results.csv")
    fixed = [title for title in columns(tmp_path / "results.csv") if "/" not in title and title != "x"]
    kept = columns(EXPERIMENTS / name / "results.csv")
    assert [title for title in kept if title in fixed] == fixed
    assert len(set(kept)) == len(kept)
    text = written(EXPERIMENTS / name / "README.md")
    report = html.unescape((EXPERIMENTS / name / "report.html").read_text(encoding="utf-8"))
    assert f" code {lines(EXPERIMENTS / name / 'results.csv')[0]['code']}, data " in text
    for note in now.published.notes:  # an experiment need not have any
        assert note in report
    if now.beside:
        write_comparison(now, tmp_path / "comparison.csv")
        assert columns(EXPERIMENTS / name / "comparison.csv") == columns(tmp_path / "comparison.csv")
        head = ["figure", "setting", "poster", "ours", "difference", "protocol; origin; answers; seeds"]
        assert table(text, head)
        assert f"{WHY}:" in text
        assert WHY in report


def test_all_have_been_run():
    poster = {"balance", "batch_size", "generation", "lr_bs", "mixtures", "representation"}
    assert set(ALL) - set(REAL) == {*poster, "random_start"}
    assert "geoquery" in ALL
    assert set(RUN) >= poster - {"mixtures"}  # of which the poster has no figure
    assert all(
        re.search(r"^Made by `python -m macsql", written(EXPERIMENTS / name / "README.md"), re.M) for name in ALL
    )


KEPT = sorted(EXPERIMENTS.glob("*/*verdicts.jsonl"))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_published_figures_follow_from_the_verdicts_beside_them(path):
    part = "eval/" if path.name.startswith("eval_") else ""
    derived = {f"{part}{name}": value for name, value in summary(list(read_jsonl(path, Verdict))).items()}
    assert derived["eval/decomposer/count" if part else "decomposer/count"] >= 48
    trials = lines(path.parent / "results.csv")  # one of which gave these answers
    assert any(all(math.isclose(float(trial[name]), value) for name, value in derived.items()) for trial in trials)
