"""What an installed macsql finds: its configuration, figures and templates, outside any clone."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from macsql.__main__ import COMMANDS
from macsql.places import PACKAGE, REPO

PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder for PYTHONPATH with what the wheel holds, put together as pyproject.toml says."""
    site = tmp_path_factory.mktemp("site")
    for package in SETUPTOOLS["packages"]:
        source = REPO / SETUPTOOLS["package-dir"].get(package, package.replace(".", "/"))
        target = site / package.replace(".", "/")
        target.mkdir(parents=True, exist_ok=True)
        for pattern in ["*.py", *SETUPTOOLS["package-data"].get(package, [])]:
            for path in source.glob(pattern):
                (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target / path.relative_to(source))
    return site


def macsql(site: Path, cwd: Path, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "macsql", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def test_the_wheel_names_every_room():
    rooms = {".".join(path.parent.relative_to(REPO).parts) for path in PACKAGE.rglob("*.py")}
    assert set(SETUPTOOLS["packages"]) - set(SETUPTOOLS["package-dir"]) == rooms


def test_what_is_read_at_run_time_is_in_the_wheel(installed):
    """No file of macsql/ that is no Python, no YAML of conf/ and no JSON of experiments/ is left out."""
    for folder, target in ((PACKAGE, ""), (REPO / "conf", "conf"), (REPO / "experiments", "experiments")):
        found = folder.rglob("*.json" if target == "experiments" else "*")
        paths = [path for path in found if path.is_file() and "__pycache__" not in path.parts]
        assert len(paths) > 5
        for path in paths:
            assert (installed / "macsql" / target / path.relative_to(folder)).is_file(), path


def test_a_sweep_is_planned_from_an_empty_folder(installed, tmp_path):
    said = macsql(installed, tmp_path, "sweep", "+experiment=lr_bs", "+scale=pocket", "sweep.dry_run=true")
    assert "6 trials" in said
    assert [path.name for path in tmp_path.iterdir()] == ["mlruns"]


def test_the_figures_of_the_poster_are_there_and_nothing_is_published(installed, tmp_path):
    code = "from macsql.comparison.published import published, systems; assert published('lr_bs').figures and systems()"
    subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(installed)}, check=True
    )
    assert macsql(installed, tmp_path, "compare", "lr_bs", "--publish", code=1).startswith("--publish writes into")


def test_help_names_every_command_and_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['macsql', '--help']\n"
        "from macsql.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        "heavy = {'torch', 'hydra', 'omegaconf', 'rich', 'sqlglot', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^  macsql (\w+) ", done.stdout, re.MULTILINE) == list(COMMANDS)
    assert COMMANDS
    assert all((PACKAGE / f"{name}.py").is_file() for name in COMMANDS)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["swep"], "There is no command 'swep': choose one of sweep, "),
        (["score"], "The following arguments are required"),
    ],
)
def test_a_wrong_word_is_one_sentence(capsys, monkeypatch, words, sentence):
    from macsql.__main__ import main

    monkeypatch.setattr(sys, "argv", ["macsql", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr().err
    assert (stop.value.code, said.count("\n")) == (1, 1)
    assert said.startswith(sentence)


def test_no_sentence_names_a_distribution_that_is_not_ours():
    code, conf = list(PACKAGE.rglob("*.py")), list((REPO / "conf").rglob("*.yaml"))
    assert code
    assert conf
    for path in [*code, *conf, REPO / "README.md"]:
        assert not re.search(r"pip install '?macsql|macsql\[", path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("macsql ", "sweep train pretrain build audit evaluate score compare ask"),
        ("macsql s", "sweep score"),
        ("macsql sweep data=te", "data=text2sql"),
        ("macsql train +scale=pock", "+scale=pocket +scale=pocket_brief"),
        ("macsql audit trainer.num_tr", "trainer.num_train_epochs="),
        ("macsql score --pro", ""),
    ],
)
def test_tab_completion_in_bash(tmp_path, line, found):
    """As bash asks: the script that is installed calls `macsql` with the line so far."""
    (tmp_path / "macsql").write_text(f'#!/bin/sh\nexec {sys.executable} -c "$MAIN" "$@"\n')
    (tmp_path / "macsql").chmod(0o755)
    script = f"""
        eval "$(macsql --shell-completion install=bash)"
        COMP_LINE='{line}'; COMP_POINT={len(line)}; words=($COMP_LINE); COMP_CWORD={line.count(" ")}
        hydra_bash_completion; echo ${{COMPREPLY[@]}}"""
    main = "import sys; sys.argv[0] = 'macsql'; from macsql.__main__ import main; main()"
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "MAIN": main}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == (found, "")


@pytest.mark.slow
def test_the_wheel_is_built(tmp_path):
    source = tmp_path / "source"
    names = subprocess.run(["git", "ls-files", "-z"], cwd=REPO, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if name.startswith(("macsql/", "conf/", "experiments/")) or "/" not in name:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPO / name, source / name)
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, source], check=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        held = set(file.namelist())
    assert {"macsql/conf/config.yaml", "macsql/experiments/systems.json", "macsql/report/templates/report.css"} <= held
    assert not [name for name in held if name.startswith("tests/")]
