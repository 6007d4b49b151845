"""`python -m macsql.sweep key=1,2`: Hydra's habit, without Hydra's multirun."""

import subprocess
import sys

import pytest

from macsql.errors import UserError
from macsql.search.space import axes_as_overrides

TINY = [
    "data=pocket_five",
    "data.questions=8",
    "data.test_fraction=0.2",
    "data.eval_fraction=0.2",
    "sweep.dry_run=true",
]


@pytest.mark.parametrize(
    ("argument", "override"),
    [
        ("trainer.learning_rate=1e-4,2e-4", "++search.space.trainer.learning_rate='1e-4,2e-4'"),
        ("mixture=choice(real,undersample)", "++search.space.mixture='choice(real,undersample)'"),
        ("x=choice('a b',c)", r"++search.space.x='choice(\'a b\',c)'"),
        ("x=interval(1,2)", "++search.space.x='interval(1,2)'"),
        ("x=range(1,4)", "++search.space.x='range(1,4)'"),
    ],
)
def test_a_sweep_becomes_an_axis(argument, override):
    assert axes_as_overrides([argument]) == [override]


def test_an_axis_of_the_space_needs_no_quotes():
    assert axes_as_overrides(["search.space.x=choice(1,2)"]) == ["++search.space.x='choice(1,2)'"]


@pytest.mark.parametrize(
    "argument",
    [
        "x=1",
        "x=[1,2]",
        "x='1,2'",
        "search.seed=choice(1,2)",
        "+experiment=lr_bs",
        "--cfg",
        "x=choice(1",
        "x={a:1,b:2}",
    ],
)
def test_everything_else_stays(argument):
    assert axes_as_overrides([argument]) == [argument]


def test_two_experiments_at_once_are_refused():
    with pytest.raises(UserError, match="run the command once for each"):
        axes_as_overrides(["+experiment=lr_bs,mixtures"])


def test_a_choice_of_null_is_answered_with_what_would_be_right():
    with pytest.raises(UserError, match=r"as in data\.limit=null,3"):
        axes_as_overrides(["data.limit=choice(null,3)"])


def sweep(tmp_path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "macsql.sweep", f"tracking.state_dir={tmp_path}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_plan_of_axes_from_the_command_line(tmp_path):
    done = sweep(tmp_path, *TINY, "trainer.learning_rate=1e-4,2e-4", "mixture=choice(real,undersample)")
    assert done.returncode == 0, done.stderr
    assert "4 trials (grid)" in done.stdout
    assert "learning_rate=0.0002 mixture=undersample" in done.stdout


@pytest.mark.parametrize("flag", ["-m", "--multirun"])
def test_multirun_is_answered_with_a_sentence(flag, monkeypatch, capsys):
    from macsql import sweep

    monkeypatch.setattr(sys, "argv", ["sweep", flag, "x=1,2"])
    with pytest.raises(SystemExit) as stop:
        sweep.main()
    assert stop.value.code == 1
    assert capsys.readouterr().err == "macsql.sweep runs all trials itself: leave out -m / --multirun.\n"
