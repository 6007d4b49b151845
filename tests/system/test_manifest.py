"""What has not changed is not made again; whatever changed, shows."""

import os
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from macsql import compare, sweep
from macsql.config import Config, SweepConfig, TrackingConfig
from macsql.system.manifest import manifest, remember, unchanged


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "files" / "below").mkdir(parents=True)
    (tmp_path / "files" / "a").write_text("a")
    (tmp_path / "files" / "below" / "b").write_text("b")
    return tmp_path / "files"


CHANGES = {
    "longer": lambda folder: (folder / "a").write_text("aa"),
    "other letters": lambda folder: (folder / "below" / "b").write_text("c"),
    "other letters, time put back": lambda folder: (
        (folder / "a").write_text("x"),
        os.utime(folder / "a", ns=(0, 0)),
    ),
    "another file": lambda folder: (folder / "below" / "c").touch(),
    "one less": lambda folder: (folder / "a").unlink(),
    "another of the name": lambda folder: ((folder / "a").unlink(), (folder / "a").write_text("b")),
    "moved": lambda folder: (folder / "a").rename(folder / "d"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_shows(folder, tmp_path, change):
    mark = tmp_path / "mark"
    assert not unchanged(mark, manifest([folder]))
    remember(mark, manifest([folder]))
    assert unchanged(mark, manifest([folder]))
    CHANGES[change](folder)
    assert not unchanged(mark, manifest([folder]))


def test_what_could_not_be_told_is_not_remembered(folder, tmp_path):
    mark = tmp_path / "mark"
    remember(mark, manifest([folder]), None)
    assert not mark.exists()
    remember(mark, manifest([folder]), "drawn")
    assert unchanged(mark, manifest([folder]), "drawn")
    assert not unchanged(mark, manifest([folder]), None)
    assert not unchanged(mark, manifest([folder]))


def test_a_file_that_is_being_written_is_not_told_of(folder):
    ahead = time.time_ns() + 60 * 10**9
    os.utime(folder / "a", ns=(ahead, ahead))  # the time of change is today's all the same: it alone counts
    assert manifest([folder]) is not None
    assert manifest([folder / "nothing"]) is None


def test_links_are_followed_once_and_may_lead_nowhere(folder, tmp_path):
    (folder / "below" / "up").symlink_to(folder)
    (folder / "nowhere").symlink_to(tmp_path / "nothing")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / "there").symlink_to(elsewhere)
    before = manifest([folder])
    assert before is not None
    (elsewhere / "file").touch()
    assert manifest([folder]) != before


def test_what_is_written_while_a_report_is_drawn_is_not_taken_for_shown(tmp_path, monkeypatch, capsys):
    config = Config(sweep=SweepConfig(name="s"), tracking=TrackingConfig(state_dir=str(tmp_path)))
    (tmp_path / "data").mkdir()
    (trial := tmp_path / "trials" / "s-0000-0123abcd").mkdir(parents=True)
    meanwhile = [lambda: (trial / "result.json").touch(), lambda: None, lambda: None]

    def read(_name, _state):
        meanwhile.pop(0)()
        return SimpleNamespace(settings=("one",))

    def write(_comparison, folder):
        folder.mkdir(parents=True, exist_ok=True)
        for file in ("results.csv", "report.html"):
            (folder / file).touch()
        print("Written")

    monkeypatch.setattr(compare, "show", read)
    monkeypatch.setattr(compare, "write", write)
    said = []
    for _ in range(3):
        sweep.show(config)
        said.append(capsys.readouterr().out.split()[0].strip(":"))
    assert said == ["Written", "Written", "Unchanged"]


@pytest.mark.slow
def test_a_complete_sweep_is_only_looked_at(tmp_path):
    command = [
        *(sys.executable, "-X", "importtime", "-m", "macsql.sweep", "+scale=pocket", f"tracking.state_dir={tmp_path}"),
        *("data.questions=8", "data.test_fraction=0.2", "trainer.max_steps=1", "trainer.learning_rate=1e-3,2e-3"),
    ]

    imported: set[str] = set()

    def run() -> tuple[str, bool, bool]:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
        imported.clear()
        imported.update(line.rpartition("|")[2].strip() for line in done.stderr.splitlines())
        return done.stdout, "mlflow" in imported, "Written:" in done.stdout

    assert run()[1:] == (True, True)
    said, mlflow, written = run()
    assert "all 2 trials are done" in said
    assert (mlflow, written) == (False, False)
    assert not imported & {"torch", "transformers"}
    (tmp_path / "experiments" / "sweep" / "report.html").unlink()
    assert run()[1:] == (False, True)
    shutil.move(tmp_path / "mlflow.db", tmp_path / "away")
    assert run()[1:] == (True, True), "MLflow gets everything anew, and the ledgers with it are drawn from anew"
    assert run()[1:] == (False, False)
    shutil.rmtree(tmp_path / "artifacts")
    assert run()[1] is True
    assert len(list((tmp_path / "artifacts").rglob("result.json"))) == 2, "MLflow's own files are sent again"
    assert run()[1:] == (False, False)
