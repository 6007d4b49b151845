"""One fine-tune from the command line: what it says, and what it keeps to itself."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from macsql.train import lines, main
from macsql.trials.folder import CONFIG
from macsql.trials.result import Result, write_result

TINY = [
    *(
        "data=pocket_five",
        "data.questions=8",
        "data.test_fraction=0.2",
        "data.eval_fraction=0.2",
        "agents.value_examples=1",
    ),
    *("model=pocket_scratch", "codec=marks", "model.pocket.vocab_size=600"),
    *("model.pocket.d_model=16", "model.pocket.d_ff=32", "model.pocket.num_layers=1"),
    *("trainer.per_device_train_batch_size=8", "trainer.num_train_epochs=3", "trainer.bf16=false"),
    *("generation.max_new_tokens=8", "generation.limit=2", "executor.threads=1"),
]


def test_metrics_are_grouped_and_what_did_not_occur_is_counted():
    metrics = {
        "train_loss": 2.5,
        "eval_loss": 2.25,
        "selector/count": 4,
        "selector/rouge_l": 0.0,
        "selector/outcome/right": 0.25,
        "selector/outcome/denied": 0.0,
        "selector/outcome/timeout": 0.0,
        "refiner/count": 3,
        "refiner/outcome/right": 1.0,
        "eval/refiner/count": 2,
        "eval/refiner/outcome/timeout": 0.0,
    }
    assert [" ".join(line.split()) for line in lines(metrics)] == [
        "train_loss 2.5000",
        "eval_loss 2.2500",
        "selector: 4 answers",
        "rouge_l 0.0000",
        "outcome/right 0.2500",
        "outcomes that did not occur: 2",
        "refiner: 3 answers",
        "outcome/right 1.0000",
        "eval/refiner: 2 answers",
        "outcomes that did not occur: 1",
    ]


def test_the_command_says_what_it_does_and_nothing_else(tmp_path):
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "macsql.train",
            *TINY,
            f"tracking.state_dir={tmp_path / 'state'}",
            "tracking.register=true",
        ],
        cwd=tmp_path,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    for word in ("it/s", "missing keys", "mtime", "[transformers]"):
        assert word not in ended.stderr
    told = ended.stdout.splitlines()
    steps = [line for line in told if line.startswith("  step ")]
    assert {line.split(":")[0] for line in told[: told.index(steps[0])]} == {
        *("Left out", "Warning", "Model pocket_scratch", "Memory", "Disk")
    }
    assert [line.split(":")[0] for line in steps] == [f"  step {step}, epoch {step / 10:.2f}" for step in (10, 20, 30)]
    for line in ("  selector: 2 answers", "  decomposer: 2 answers", "  refiner: 2 answers", "finished"):
        assert line in told
    assert told[-2].startswith(f"Everything is in {tmp_path / 'state' / 'trials' / 'train-'}")
    key = Path(told[-2]).name
    assert told[-1] == f"The model of {key} is registered as version 1: models:/{key}@best"


@pytest.fixture
def command(tmp_path, monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """The command with stubs for the training and for MLflow; what MLflow was told lies in `command.told`."""
    told: list[tuple[str, dict[str, str], str]] = []

    class Tracker:
        def __init__(self, *_: Any) -> None: ...

        def sync(self, folder: Path, _: Any, __: Any, tags: dict[str, str], status: str) -> None:
            told.append((folder.name, tags, status))

    def run_folder(folder: Path, *_: Any, **__: Any) -> Result:
        assert (folder / CONFIG).exists()
        result = Result("FINISHED", {"eval_loss": 1.0})
        write_result(folder, result)
        return result

    monkeypatch.setattr("macsql.tracking.tracker.Tracker", Tracker)
    monkeypatch.setattr("macsql.train.run_folder", run_folder)

    def run(*overrides: str) -> tuple[int, str, str]:
        told.clear()
        monkeypatch.setattr(sys, "argv", ["macsql.train", f"tracking.state_dir={tmp_path / 'state'}", *overrides])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    run.told = told  # type: ignore[attr-defined]
    return run


def chat(path: Path, rows: int) -> str:
    schema = "【Database schema】\n# Table: ship\n[\n(id, id.),\n]\n"
    prompt = f"Given a {schema}【Question】\nHow many ships {{}}?\n【Evidence】\n"
    turns = [
        [("system", ""), ("user", prompt.format(number) + "Decompose the question"), ("assistant", f"SELECT {number}")]
        for number in range(rows)
    ]
    lines = [json.dumps({"messages": [{"role": role, "content": text} for role, text in row]}) for row in turns]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"data.root={path}"


def test_a_fine_tune_is_done_for_its_data_and_anew_for_other_data(command, tmp_path):
    file = tmp_path / "rows.jsonl"
    asked = ("data=chat", chat(file, 30))
    code, shown, error = command(*asked)
    assert (code, "done already" in shown) == (0, False), error
    first = command.told[0][0]
    code, shown, _ = command(*asked)
    assert (code, "done already" in shown) == (0, True)
    chat(file, 31)
    code, shown, _ = command(*asked)
    assert (code, "done already" in shown) == (0, False)
    assert command.told[0][0] != first


def test_a_run_says_what_its_figures_must_not_be_read_without(command):
    command("data=pocket_five", "data.questions=8")
    _, tags, status = command.told[-1]
    assert status == "FINISHED"
    assert tags["macsql.data"] == "pocket"
    for name in ("data_fingerprint", "model", "scale", "code", "machine", "time_limit"):
        assert tags[f"macsql.{name}"]
    command("data=pocket_five", "data.questions=8")
    [(_, again, status)] = command.told
    assert status == "FINISHED"
    assert "macsql.code" not in again  # another code may show the result; it has not made it
    assert again.items() <= tags.items()


def test_what_cannot_be_learnt_is_said_and_refused_before_training(command):
    code, shown, _ = command("data=pocket_five", "data.questions=8", "model=pocket_scratch", "codec=verbatim")
    assert code == 0
    assert "Warning: Selector (model=pocket_scratch, codec=verbatim): exact match can be at most 0 %" in shown
    code, shown, error = command(
        "data=pocket_five", "data.questions=8", "model=pocket_scratch", "audit.fail_below=0.5", "seed=7"
    )
    assert (code, command.told) == (1, [])
    assert error.startswith("The selector's exact match can be at most 0 with codec=verbatim")
    assert error.count("\n") == 1


def test_a_folder_that_is_no_trial(tmp_path, monkeypatch, capsys):
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(sys, "argv", ["macsql.train", str(tmp_path / "empty")])
    with pytest.raises(SystemExit) as ended:
        main()
    error = capsys.readouterr().err
    assert ended.value.code == 1
    assert error == f"{tmp_path / 'empty'} holds no config.yaml: name a trial's folder, or write key=value.\n"


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["data=bird", "data.root={file}"], "data.root={file} is a file, not a folder: "),
        (["data=spider", "data.root=nowhere"], "data.root=nowhere does not exist: "),
        (["data.split_by=chance"], "Unknown data.split_by 'chance': "),
    ],
)
def test_data_that_cannot_be_read_is_refused_before_anything_is_kept(command, tmp_path, overrides, sentence):
    file = tmp_path / "notes.md"
    file.write_text("no data\n")
    code, out, error = command(*(override.format(file=file) for override in overrides))
    assert (code, out, error.count("\n")) == (1, "", 1)
    assert error.startswith(sentence.format(file=file))
    assert not command.told
    assert not list((tmp_path / "state").iterdir())
