"""A trial's folder on two machines: here two folders, with the calls home made directly."""

import json
import os
import random
import shutil

import pytest
from waiting import stub_config

from macsql.config import from_yaml, to_yaml
from macsql.executors import mirror
from macsql.executors.mirror import INCOMING, Mirror, parcel, unpack, whole_checkpoints


@pytest.fixture(autouse=True)
def small_messages(monkeypatch):
    monkeypatch.setattr(mirror, "CHUNK", 7)
    monkeypatch.setattr(mirror, "INTERVAL", 0.0)


@pytest.fixture
def home(stub_folder):
    return stub_folder()


def travel(home, root):
    """What a node makes of the folder at home."""
    return unpack(root, [(name, path.read_bytes()) for name, path in parcel(home).items()])


def checkpoint(folder, step, best=None):
    path = folder / "checkpoints" / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "weights").write_bytes(random.Random(step).randbytes(100))
    (path / "trainer_state.json").write_text(json.dumps({"global_step": step, "best_model_checkpoint": best}))
    return path


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def mirrored(trial, home):
    return Mirror(trial, home, mirror.log_size(home), lambda function, *arguments: function(*arguments))


def test_all_that_a_trial_reads_travels_and_its_paths_are_set_right(tmp_path, home):
    prepared, model = tmp_path / "prepared", tmp_path / "base"
    prepared.mkdir()
    model.mkdir()
    (model / "config.json").write_text("{}")
    for name in ("shop", "zoo"):
        (tmp_path / f"{name}.db").write_text(name)
    entries = [{"id": name, "path": str(tmp_path / f"{name}.db"), "schema": {}} for name in ("shop", "zoo")]
    (prepared / "databases.json").write_text(json.dumps(entries))
    row = {
        "id": "1/decomposer",
        "agent": "decomposer",
        "question_id": "1",
        "db_id": "zoo",
        "source": "q",
        "target": "a",
    }
    (prepared / "test.jsonl").write_text(json.dumps({**row, "question": "q", "gold_sql": "SELECT 1"}) + "\n")
    (home / "trial.json").write_text(json.dumps({"sweep": "s", "prepared": str(prepared)}))
    config = stub_config(tmp_path)
    config.model.path = str(model)
    (home / "config.yaml").write_text(to_yaml(config))

    root = tmp_path / "node"
    trial = travel(home, root)
    there = from_yaml((trial / "config.yaml").read_text())
    assert there.model.path == str(root / "model")
    assert there.tracking.state_dir.startswith(str(root))
    assert (root / "model" / "config.json").exists()
    about = json.loads((trial / "trial.json").read_text())
    assert about == {"sweep": "s", "prepared": str(root / "prepared")}
    paths = {e["id"]: e["path"] for e in json.loads((root / "prepared" / "databases.json").read_text())}
    assert (root / "databases" / "zoo.sqlite").read_text() == "zoo"
    assert paths["zoo"] == str(root / "databases" / "zoo.sqlite")
    assert not (root / "databases" / "shop.sqlite").exists()  # no test question asks it
    assert from_yaml((home / "config.yaml").read_text()).model.path == str(model)


def test_growing_files_are_continued_where_home_has_them(tmp_path, home):
    (home / "log.txt").write_text("first attempt\n")
    (home / "events.jsonl").write_text('{"step": 1}\n{"step": 2, "met')
    trial = travel(home, tmp_path / "node")
    both = mirrored(trial, home)
    with (trial / "events.jsonl").open("a") as events, (trial / "log.txt").open("a") as log:
        for step in range(2, 6):
            events.write(f'{{"step": {step}}}\n')
            events.flush()
            log.write(f"second attempt {step}\n")
            log.flush()
            both.look()
            assert (home / "events.jsonl").read_bytes() == (trial / "events.jsonl").read_bytes()
    steps = [json.loads(line)["step"] for line in (home / "events.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5]
    assert (home / "log.txt").read_text() == "first attempt\n" + (trial / "log.txt").read_text()


def test_home_has_the_checkpoints_that_the_trial_has(tmp_path, home):
    best = checkpoint(home, 5, "/elsewhere/checkpoints/checkpoint-5")
    trial = travel(home, tmp_path / "node")
    state = json.loads((trial / "checkpoints" / "checkpoint-5" / "trainer_state.json").read_text())
    assert state["best_model_checkpoint"] == str(trial / "checkpoints" / "checkpoint-5")
    both = mirrored(trial, home)
    new = checkpoint(trial, 10, str(trial / "checkpoints" / "checkpoint-5"))
    both.look()
    assert [path.name for path in whole_checkpoints(home)] == ["checkpoint-5", "checkpoint-10"]
    assert (home / "checkpoints" / "checkpoint-10" / "weights").read_bytes() == (new / "weights").read_bytes()
    state = json.loads((home / "checkpoints" / "checkpoint-10" / "trainer_state.json").read_text())
    assert state["best_model_checkpoint"] == str(best)
    shutil.rmtree(trial / "checkpoints" / "checkpoint-5")
    both.look()
    assert [path.name for path in whole_checkpoints(home)] == ["checkpoint-10"]


def test_half_a_checkpoint_stays_where_it_is(tmp_path, home):
    trial = travel(home, tmp_path / "node")
    both = mirrored(trial, home)
    path = checkpoint(trial, 5)
    (path / "trainer_state.json").write_text('{"global_step": 5, "best')
    both.look()
    assert not (home / "checkpoints").exists()
    assert whole_checkpoints(trial) == []


def test_a_checkpoint_that_is_given_up_while_it_travels_arrives_whole_all_the_same(tmp_path, home):
    trial = travel(home, tmp_path / "node")
    path = trial / "checkpoints" / "checkpoint-5"

    def call(function, *arguments):
        shutil.rmtree(path, ignore_errors=True)
        function(*arguments)

    both = Mirror(trial, home, 0, call)
    weights = (checkpoint(trial, 5) / "weights").read_bytes()
    both.finish()
    (there,) = whole_checkpoints(home)
    assert (there / "weights").read_bytes() == weights
    assert not (home / INCOMING).exists()


def test_a_checkpoint_that_is_given_up_before_it_travels_stays_away(tmp_path, home, monkeypatch):
    trial = travel(home, tmp_path / "node")
    both = mirrored(trial, home)
    path = checkpoint(trial, 5)
    link = os.link

    def link_late(source, target):
        (path / "weights").unlink(missing_ok=True)
        link(source, target)

    monkeypatch.setattr(os, "link", link_late)
    both.finish()
    assert whole_checkpoints(home) == []


def test_the_result_comes_last_and_config_stays_as_it_was_asked(tmp_path, home):
    asked = (home / "config.yaml").read_bytes(), (home / "trial.json").read_bytes()
    checkpoint(home, 5)
    trial = travel(home, tmp_path / "node")
    shutil.rmtree(trial / "checkpoints")  # as a finished trial does
    (trial / "result.json").write_text("{}")
    (trial / "model").mkdir()
    (trial / "model" / "weights").write_bytes(b"w" * 20)
    (trial / "verdicts.jsonl").write_text("")
    (trial / "predictions.jsonl.12.partial").write_text("half")
    calls = []

    def call(function, *arguments):
        calls.append(arguments)
        function(*arguments)

    Mirror(trial, home, 0, call).finish()
    assert [arguments[-1] for arguments in calls if isinstance(arguments[-1], str)][-1] == "result.json"
    there = files(home)
    assert (there["config.yaml"], there["trial.json"]) == asked
    assert there["model/weights"] == b"w" * 20
    assert there["verdicts.jsonl"] == b""
    assert "predictions.jsonl.12.partial" not in there
    assert whole_checkpoints(home)  # home removes them itself once it knows the result


def test_a_message_that_was_cut_short_is_written_over(home):
    mirror.write(home / "events.jsonl", b"0123456789", 0)
    mirror.write(home / "events.jsonl", b"ab", 4)
    assert (home / "events.jsonl").read_bytes() == b"0123ab"
