"""The command: what it prints, what it writes, how it ends."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hand_made import base_config, verdicts
from rich.console import Console

from macsql import compare
from macsql.comparison import experiment
from macsql.errors import UserError
from macsql.places import REPO
from macsql.report import readme as overview
from macsql.report import terminal as table
from macsql.report.markdown import lines as markdown
from macsql.report.readme import BEGIN, END

WRITTEN = ("results.csv", "comparison.csv", "report.html")


@pytest.fixture
def ends(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["compare", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            compare.main()
        said = capsys.readouterr()
        return stop.value.code, said.out, said.err

    return run


def test_the_tables_and_the_files(ends, balance, tmp_path):
    out = tmp_path / "out"
    code, said, error = ends("balance", "--state-dir", balance.state, "--out", out, "--html", out / "report.html")
    assert (code, error) == (0, "")
    for words in (
        "Experiment 1: task balance",
        "fingerprint feedbeeffeedbeef",
        "machine: 2 cores",
        "Command: python -m macsql.sweep +experiment=balance 'data.root=my data'",
        "0.354",
        "Why these are not comparable",
        "tables are headed",
        "GPT-4 (poster)",
        "MAC-SQL with GPT-4",
        "Source: Li et al., RESDSQL (2023)",
        "EX is the strict reading of Spider's execution score",
        "Over all agents, EM (string) and ROUGE-L pool three agents, but EX pools two",
        "Conclusion: Agrees with the poster",
    ):
        assert words in said or words in " ".join(said.split()), words
    with (out / "results.csv").open() as file:
        real, undersample = csv.DictReader(file)
    assert (real["mixture"], undersample["mixture"]) == ("real", "undersample")
    assert float(real["decomposer/execution_accuracy"]) == 0.75
    assert float(real["all/rouge_l"]) == pytest.approx(0.8125)
    assert (real["machine"], real["data_fingerprint"], real["seed"]) == ("2 cores", "feedbeeffeedbeef", "0")
    assert real["command"] == "python -m macsql.sweep +experiment=balance 'data.root=my data'"
    with (out / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    first = rows[0]
    assert (first["poster_kind"], first["poster_value"], first["ours_kind"]) == ("poster", "0.354", "measured")
    assert all(row["poster_model"] == "cssupport/t5-small-awesome-text-to-sql" for row in rows)
    assert str(balance.state) not in (out / "results.csv").read_text()
    assert "<html" in (out / "report.html").read_text()


def test_a_figure_that_does_not_hold_ends_with_2(ends, balance, tmp_path):
    path = balance.state / "trials" / "balance-0000" / "result.json"
    result = json.loads(path.read_text())
    result["metrics"]["decomposer/execution_accuracy"] = 0.99
    path.write_text(json.dumps(result))
    code, said, _ = ends("balance", "--state-dir", balance.state, "--out", tmp_path)
    assert code == 2
    assert "decomposer/execution_accuracy is 0.99 in result.json, 0.75 from what is stored" in " ".join(said.split())
    with (tmp_path / "results.csv").open() as file:
        assert float(next(csv.DictReader(file))["decomposer/execution_accuracy"]) == 0.75


def test_mistakes_are_one_sentence(ends, balance, tmp_path):
    code, _, error = ends("nope", "--state-dir", balance.state)
    assert code == 1
    assert error.strip().count("\n") == 0
    assert "there are balance" in error
    code, _, error = ends("balance", "nope", "--state-dir", balance.state, "--out", tmp_path)
    assert (code, error.strip()) == (1, "--html and --out take one NAME at a time.")
    code, _, error = ends("balance", "--publish", "--html", tmp_path / "report.html")
    assert (code, error.strip()) == (1, "--publish has its own places for the files: leave out --html and --out.")
    code, _, error = ends("mine", "--state-dir", balance.state, "--publish")
    assert code == 1
    assert error.startswith("mine is not an experiment of this repository: leave out --publish")
    for flags, words in ([], "The following arguments are required: NAME"), (["a", "--hmtl"], "--hmtl"):
        code, _, error = ends(*flags)
        assert (code, error.strip().count("\n")) == (1, 0)
        assert words in error
        assert error.endswith(": see `python -m macsql.compare --help`.\n")


@pytest.mark.parametrize(
    ("flag", "name"), [("--html", "folder"), ("--html", "file/report.html"), ("--out", "file"), ("--html", "a\0b")]
)
def test_output_that_cannot_be_written_is_refused_before_anything_is_read(ends, tmp_path, flag, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("kept")
    code, said, error = ends("balance", "--state-dir", tmp_path / "nowhere", flag, tmp_path / name)
    assert (code, said) == (1, "")
    assert f": {flag} names a file" in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "kept"


def test_a_link_goes_on_pointing_and_a_pipe_is_written_to(ends, balance, tmp_path):
    page, link, pipe = tmp_path / "page.html", tmp_path / "link.html", tmp_path / "pipe"
    page.write_text("old")
    link.symlink_to(page)
    assert ends("balance", "--state-dir", balance.state, "--html", link)[0] == 0
    assert link.is_symlink()
    assert "<html" in page.read_text()
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
        assert ends("balance", "--state-dir", balance.state, "--html", pipe)[0] == 0
        assert reader.communicate(timeout=30)[0] == page.read_text()
    assert pipe.is_fifo()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_one_sentence(ends, balance):
    code, _, error = ends("balance", "--state-dir", balance.state, "--html", "/dev/full")
    assert code == 1
    assert error.startswith("/dev/full cannot be written (No space left on device)")
    assert error.count("\n") == 1
    assert Path("/dev/full").is_char_device()


def test_nobody_listening_and_an_ascii_terminal(balance, tmp_path):
    """The same work and the same lines, without a traceback."""
    command = [sys.executable, "-m", "macsql.compare", "balance", "--state-dir", balance.state, "--out", tmp_path / "o"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
        assert process.wait(timeout=120) == 0
    assert (tmp_path / "o" / "report.html").exists()
    plain = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, env=plain, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert "Conclusion: Agrees with the poster" in " ".join(done.stdout.split())


@pytest.mark.parametrize("text", ["[" * 100_000, "{}", "[1]", '{"sweep": "balance"}', "\udce4"])
@pytest.mark.parametrize("name", ["trial.json", "events.jsonl", "config.yaml", "verdicts.jsonl"])
def test_a_broken_file_of_a_trial_is_named(ends, balance, name, text):
    path = balance.state / "trials" / "balance-0000" / name
    path.write_bytes(text.encode("utf-8", "surrogateescape") + b"\n")
    code, _, error = ends("balance", "--state-dir", balance.state)
    assert code == 1
    assert "balance-0000" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("text", ["[" * 100_000, "{}", "[1]", "\udce4"])
@pytest.mark.parametrize("name", ["about.json", "databases.json", "test.jsonl"])
def test_broken_examples_are_named(ends, balance, name, text):
    (balance.prepared / name).write_bytes(text.encode("utf-8", "surrogateescape") + b"\n")
    code, _, error = ends("balance", "--state-dir", balance.state)
    if (name, text) == ("databases.json", "{}"):
        assert code == 0  # examples of no database
        return
    assert code == 1
    assert f"{balance.prepared}/{name}" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("odd", ["loop", "a\0b"])
def test_a_state_directory_that_cannot_be_read_is_named(ends, tmp_path, odd):
    state = tmp_path / odd
    if odd == "loop":
        state.mkdir()
        (state / "trials").symlink_to(state / "trials")
    code, said, error = ends("balance", "--state-dir", state)
    assert (code, said) == (1, "")
    assert error.count("\n") == 1
    assert "cannot be read" in error


@pytest.mark.parametrize("name", ["../balance", "a/b", ""])
def test_a_name_has_no_folder_in_it(ends, balance, name):
    code, _, error = ends(name, "--state-dir", balance.state)
    assert code == 1
    assert "is not a sweep's name" in error


@pytest.fixture
def experiments(monkeypatch, tmp_path):
    """A folder as the repository's experiments/, with a place for balance and generation."""
    folder = tmp_path / "experiments"
    for name in ("balance", "generation"):
        (folder / name).mkdir(parents=True)
        (folder / name / "README.md").write_text(f"# {name}\n\n{BEGIN}\nNot run yet.\n{END}\n\nafter\n")
    (folder / "README.md").write_text(f"{BEGIN}\n{END}\n")
    shutil.copy(REPO / "experiments" / "systems.json", folder)
    monkeypatch.setattr("macsql.places.EXPERIMENTS", folder)
    return folder


def files(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_comparison_of_trials_that_lie_elsewhere_stays_beside_them(ends, balance, experiments):
    before = files(experiments)
    assert ends("balance", "--state-dir", balance.state)[0] == 0
    assert files(experiments) == before
    assert set(files(balance.state / "experiments")) == {f"balance/{name}" for name in WRITTEN}
    code, _, error = ends("balance", "--state-dir", balance.state, "--publish")
    assert (code, error) == (0, "")
    assert set(files(experiments)) - set(before) == {f"balance/{name}" for name in WRITTEN}
    assert "Agrees with the poster" in (experiments / "balance" / "README.md").read_text()


def test_a_whole_experiment_of_mlruns_goes_to_its_folder(ends, balance, experiments, monkeypatch):
    monkeypatch.setattr("macsql.places.REPO", balance.state.parent)
    monkeypatch.setattr("macsql.compare.STATE", Path(balance.state.name))
    monkeypatch.chdir(balance.state.parent)
    before = files(experiments)
    balance.trial("balance", 2, {"mixture": "oversample"}, [], status="FAILED")
    assert ends("balance")[0] == 0
    assert files(experiments) == before, "a trial is missing"
    shutil.rmtree(balance.state / "trials" / "balance-0002")
    assert ends("balance", "--out", balance.state / "there")[0] == 0
    assert files(experiments) == before, "--out is obeyed"
    assert ends("balance")[0] == 0
    assert set(files(experiments)) - set(before) == {f"balance/{name}" for name in WRITTEN}
    results = experiments / "balance" / "results.csv"
    for kept in (
        results.read_text().replace("feedbeef", "deadbeef"),  # other data
        results.read_text() + results.read_text().splitlines()[1].replace(",0,0,", ",1,1,") + "\n",  # more seeds
    ):
        results.write_text(kept)
        code, said, _ = ends("balance")
        assert (code, results.read_text()) == (0, kept)
        assert "experiments/balance keeps what is there" in said
    assert ends("balance", "--publish")[0] == 0
    assert results.read_text() != kept
    sweeps = balance.trial("mine", 0, {}, verdicts({1}))
    once = files(experiments)
    assert ends("mine")[0] == 0
    assert files(experiments) == once, f"{sweeps} is no experiment"


@pytest.mark.parametrize("status", ["FAILED", "KILLED"])
def test_nothing_finished_is_said_in_one_sentence(ends, sweeps, tmp_path, status):
    sweeps.trial("lr_bs", 0, {"trainer.learning_rate": 1e-4}, [], status=status)
    sweeps.trial("balance", 0, {"mixture": "real"}, verdicts({1}))
    out = tmp_path / "out"
    code, said, _ = ends("lr_bs", "--state-dir", sweeps.state, "--out", out, "--html", out / "report.html")
    assert (code, out.exists()) == (1, False)
    ended = f"0 of 1 planned trials have finished, 1 {status.lower()}"
    assert said == f"Sweep lr_bs: {ended}, so there is nothing to compare.\n"
    code, said, _ = ends("lr_bs", "balance", "--state-dir", sweeps.state)
    assert code == 1
    assert "Experiment 1" in said


def test_a_sweep_that_is_no_experiment_has_a_title_and_no_empty_sentence(ends, sweeps):
    sweeps.trial("rates", 0, {}, verdicts({0}, questions=1))
    sweeps.trial("rates", 1, {"trainer.learning_rate": 1.0}, verdicts(set(), questions=1))
    code, said, _ = ends("rates", "--state-dir", sweeps.state)
    assert code == 0
    assert said.startswith("rates\nData pocket")
    assert "Minimum detectable difference with 1 test question: 100.0% in one test" in said


@pytest.mark.parametrize("width", [80, 120, 200])
def test_a_screen_cuts_no_word_and_no_figure(width):
    lines = io.StringIO()
    table.show(experiment.compare("lr_bs", REPO / "notebooks" / "data"), Console(file=lines, width=width))
    said = lines.getvalue()
    assert "…" not in said
    assert max(map(len, said.splitlines())) <= width
    assert all(line.endswith(("│", "┤")) for line in said.splitlines() if line.startswith(("│", "├")))
    assert (" R ┃" in said) == (width == 200)  # the agents' columns need a wide one


def test_of_many_trials_a_screen_shows_the_best(sixty):
    lines = io.StringIO()
    table.show(sixty, Console(file=lines, width=170))
    said = lines.getvalue()
    trials = said[: said.index("Each setting minus")]
    assert trials.count("│ point ") == table.MOST_TRIALS
    assert "21 other trials are not shown, none of them better: see results.csv" in " ".join(said.split())
    losses = [report.figures["eval_loss"] for report in sixty.trials if report.trial.finished]
    assert f"{min(losses):.3f}" in said


def test_labels_are_not_read_as_markup(ends, sweeps, tmp_path):
    sweeps.trial("odd", 0, {"data.templates": "[bold]x[/]"}, verdicts({1}))
    sweeps.trial("odd", 1, {"data.templates": "[/]"}, verdicts({2}))
    code, said, _ = ends("odd", "--state-dir", sweeps.state, "--out", tmp_path)
    assert code == 0
    assert "templates=[bold]x[/]" in said


def test_readmes_get_their_tables_between_the_marks(ends, balance, experiments):
    balance.trial("generation", 0, {}, verdicts({0, 1, 2}), config=base_config())
    names = ("balance", "generation")
    ends(*names, "--state-dir", balance.state, "--publish")
    once = files(experiments)
    for name in (*names, "balance"):  # writing again changes nothing, in whichever order
        ends(name, "--state-dir", balance.state, "--publish")
    assert files(experiments) == once
    text = once["balance/README.md"]
    assert text.startswith("# balance\n")
    assert text.endswith(f"{END}\n\nafter\n")
    assert "Not run yet" not in text
    assert "| ROUGE-L, all agents | mixture=real | 0.354 | 0.812 | +0.459 | F1 of rouge_score, without" in text
    assert " of the whole answer; measured; 60 answers; 1 seed |" in text
    assert text.count("- Another base: the poster fine-tunes") == 1
    assert "on 2 cores; code abc, data pocket (fingerprint feedbeeffeedbeef)" in text
    table = once["README.md"]
    assert "[Experiment 1: task balance](balance/README.md)" in table
    assert "| right, Decomposer 0 of 2; right, Refiner 0 of 2; right, Selector 0 of 2 |" in table
    assert "Selector 3 of 20; Decomposer 3 of 20; Refiner 3 of 20 |" in table
    assert "- `generation`: `python -m macsql.sweep +experiment=generation" in table
    systems = table[table.index("| system |") :]
    assert "| GPT-4 (poster) | 59.39 | 66.39 | 86.75 | not applicable |" in systems
    rows = [line for line in table[: -len(systems)].splitlines() if line.startswith("|")]
    assert all(line.count("|") == 5 for line in rows)
    assert len(rows) == 4


def test_rows_under_another_heading_do_not_stay(balance, experiments):
    top = experiments / "README.md"
    stale = "| experiment | ours |\n| --- | --- |\n| [Old](old/README.md) | 1 |\n\nMade by:\n\n- `old`: x"
    top.write_text(f"{BEGIN}\n{stale}\n{END}\n")
    overview.write_overview(compare.show("balance", balance.state), top)
    assert "old" not in top.read_text()


def test_a_readme_without_marks_is_refused(tmp_path):
    path = tmp_path / "README.md"
    for text in ("", f"{END}\n{BEGIN}", f"{BEGIN}", f"{BEGIN}{BEGIN}{END}"):
        path.write_text(text)
        with pytest.raises(UserError, match="needs one line"):
            overview.write_between(path, "x")
        assert path.read_text() == text


def test_bars_and_line_breaks_stay_in_their_cell():
    assert markdown(["a"], [["x|y\nz"]]).splitlines()[-1] == "| x\\|y z |"


def test_a_learning_curve_is_drawn_in_its_readme_and_its_report(ends, sweeps, experiments):
    for index, (rows, right) in enumerate([(100, 2), (300, 9)]):
        sweeps.trial("learning_curve", index, {"mixture.rows": rows}, verdicts(set(range(right))))
    folder = experiments / "learning_curve"
    folder.mkdir()
    (folder / "README.md").write_text(f"{BEGIN}\n{END}\n")
    assert ends("learning_curve", "--state-dir", sweeps.state, "--publish")[0] == 0
    drawing = (folder / "learning_curve.svg").read_text(encoding="utf-8")
    assert "EX, Decomposer 0.10 at 100, 0.45 at 300" in drawing
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "(learning_curve.svg)" in text[text.index(BEGIN) : text.index(END)]
    assert "<h2>Learning curve</h2>" in (folder / "report.html").read_text(encoding="utf-8")
