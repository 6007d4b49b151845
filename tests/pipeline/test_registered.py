"""The best trial's model registered in MLflow: loaded by its name, asked in this process and over HTTP."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from teaching import SQL

from macsql.config import Config, GenerationConfig, SeatsConfig, to_yaml
from macsql.coordination.finalize import registered
from macsql.database.sandbox import Sandbox
from macsql.errors import UserError
from macsql.pipeline.asking import Asker
from macsql.pipeline.references import find
from macsql.pipeline.seating import Seating
from macsql.pipeline.served import FOLDER, permitted
from macsql.search.plan import PlannedTrial
from macsql.system.addresses import sqlite_url
from macsql.tracking.registry import check_register
from macsql.tracking.tracker import Tracker
from macsql.trials.events import EventLog
from macsql.trials.folder import CONFIG, EVENTS, MODEL
from macsql.trials.result import Result, write_result

VESSELS = [["Aurelia", 80], ["Blue Heron", 240], ["Castor", 120], ["Dunlin", 60]]


def recorded(state: Path, model: Path, key: str = "s-0000-0123abcd", **tracking: Any) -> PlannedTrial:
    """A finished trial that MLflow knows."""
    config = Config()
    config.tracking.state_dir = str(state)
    for name, value in tracking.items():
        setattr(config.tracking, name, value)
    folder = state / "trials" / key
    shutil.copytree(model, folder / MODEL)
    (folder / CONFIG).write_text(to_yaml(config))
    EventLog(folder / EVENTS).write(1, 0.5, {"loss": 0.5})
    write_result(folder, Result("FINISHED", {"eval_loss": 0.5}, steps=1))
    tracker = Tracker(config.tracking.uri, state, "s")
    tracker.sync(folder, tracker.parent("s", {}), {"a": 1}, {"macsql.sweep": "s"}, "FINISHED")
    return PlannedTrial(0, {}, 0, config, folder)


@pytest.fixture(scope="module")
def state(tmp_path_factory, taught) -> Path:
    """A state directory whose MLflow has the model as models:/s@best."""
    place = tmp_path_factory.mktemp("state of things")  # a blank in the path
    said = registered(recorded(place, taught), "s")
    assert said == "The model of s-0000-0123abcd is registered as version 1: models:/s@best"
    return place


@pytest.fixture
def databases(tmp_path, ferries, monkeypatch) -> Path:
    """A folder that the model may read, with a database in it."""
    folder = tmp_path / "databases"
    folder.mkdir()
    shutil.copy(ferries.path, folder / "ferries.sqlite")
    monkeypatch.setenv(FOLDER, str(folder))
    return folder


@pytest.mark.usefixtures("databases")
def test_a_registered_model_is_a_pyfunc_with_signature_example_and_no_code(state):
    import mlflow
    from pandas import DataFrame

    mlflow.set_tracking_uri(sqlite_url(state / "mlflow.db"))
    loaded = mlflow.pyfunc.load_model("models:/s@best")
    assert loaded.metadata.signature.inputs.input_names() == ["question", "database", "evidence"]
    assert list(loaded.input_example) == ["question", "database"]
    files = [path for path in find("models:/s@best", state).folder.parents[1].rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if path.suffix in (".py", ".pkl", ".pyc")]

    asked = [("which vessels?", "ferries.sqlite"), ("  ", "ferries.sqlite"), ("which?", "/etc/passwd"), (None, "a")]
    answers = loaded.predict(DataFrame(asked, columns=["question", "database"])).to_dict("records")
    first, empty, outside, nothing = answers
    assert (first["sql"], json.loads(first["columns"]), json.loads(first["rows"])) == (SQL, ["name", "seats"], VESSELS)
    assert (first["message"], empty["sql"], outside["sql"]) == ("", None, None)
    assert empty["message"].startswith("The question is empty")
    assert outside["message"] == "The database '/etc/passwd' is not in the folder that this model may read."
    assert nothing["message"] == "The column question holds no text in this row: a text is needed."
    [alone] = loaded.predict({"question": "which vessels?", "database": "ferries.sqlite"}).to_dict("records")
    assert alone == first


def test_the_name_resolves_where_models_are_named(state, ferries):
    """As in `macsql ask --model models:/s@best`."""
    seats = Seating(SeatsConfig(model="models:/s@best"), GenerationConfig(), state).whole()
    with Sandbox(1) as sandbox:
        answered = Asker(seats, sandbox).ask(ferries, "which vessels are there?")
    assert answered.sql == SQL


def test_registered_again_nothing_is_done_and_a_better_trial_takes_the_name(tmp_path, taught):
    first = recorded(tmp_path, taught, registered_model="boats")
    assert "as version 1: models:/boats@best" in registered(first, "s")
    assert "as version 1 already" in registered(first, "s")
    second = recorded(tmp_path, taught, "s-0001-0123abcd", registered_model="boats")
    assert "as version 2: models:/boats@best" in registered(second, "s")
    assert "as version 3" in registered(first, "s")  # it is the best again


def test_what_mlflow_does_not_take_is_one_sentence_and_costs_no_trial(tmp_path, taught):
    trial = recorded(tmp_path, taught)
    (tmp_path / "mlflow.db").write_bytes(b"no database")
    said = registered(trial, "s")
    assert said.startswith("The model was not registered. MLflow did not take the model of s-0000-0123abcd (")
    assert "\n" not in said


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"tracking.registered_model": "a/b"}, "tracking.registered_model=a/b: write a name"),
        ({"tracking.registered_model": ""}, "tracking.registered_model=: write a name"),
        ({"tracking.register": True, "agents.roles": ["selector"]}, "needs decomposer in agents.roles"),
        ({"tracking.register": True, "data.format": "chat"}, "chat file"),
    ],
)
def test_a_model_that_cannot_be_registered_is_refused_before_any_cost(change, sentence):
    config = Config()
    check_register(config)
    for key, value in change.items():
        group, name = key.split(".")
        setattr(getattr(config, group), name, value)
    with pytest.raises(UserError, match=sentence):
        check_register(config)


@pytest.mark.parametrize(
    "named",
    ["/etc/passwd", "../secret.sqlite", "out.sqlite", "a\0b", "x" * 5000, "loop", "ferries.sqlite/../../secret.sqlite"],
)
def test_no_path_leads_out_of_the_folder(databases, named):
    (databases.parent / "secret.sqlite").write_bytes((databases / "ferries.sqlite").read_bytes())
    (databases / "out.sqlite").symlink_to(databases.parent / "secret.sqlite")
    (databases / "loop").symlink_to(databases / "loop")
    with pytest.raises(UserError) as refused:
        permitted(named)
    assert str(databases) not in str(refused.value)
    assert str(refused.value).count("\n") == 0


def test_within_the_folder_a_path_is_what_the_owner_sees_there(databases, monkeypatch):
    assert permitted("ferries.sqlite").schema.tables
    assert permitted(str(databases / "ferries.sqlite")).schema.tables
    with pytest.raises(UserError, match=r"The database file none\.sqlite cannot be opened"):
        permitted("none.sqlite")
    monkeypatch.delenv(FOLDER)
    with pytest.raises(UserError, match=f"who runs it says in {FOLDER}"):
        permitted("ferries.sqlite")


def sent(port: int, rows: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Rows to a server that MLflow runs; its predictions."""
    body = json.dumps({"dataframe_records": rows}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["predictions"]


@pytest.mark.slow
def test_mlflow_serves_it_over_http(state, databases):
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    programs = Path(sys.executable).parent  # as with the environment activated: MLflow calls uvicorn by its name
    command = [programs / "mlflow", "models", "serve", "-m", "models:/s@best"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": sqlite_url(state / "mlflow.db"), FOLDER: str(databases)}
    environment["PATH"] = f"{programs}:{os.environ['PATH']}"
    before = (databases / "ferries.sqlite").read_bytes()
    log = databases.parent / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, start_new_session=True, cwd=databases.parent
        )
    try:
        until = time.monotonic() + 600
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5).read()
                break
            except (urllib.error.URLError, OSError):
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.3)
        answer, refused = sent(
            port,
            [
                {"question": "which vessels are there?", "database": "ferries.sqlite"},
                {"question": "which vessels are there?", "database": "/etc/passwd"},
            ],
        )
        assert (answer["sql"], json.loads(answer["rows"])) == (SQL, VESSELS)
        assert refused["message"] == "The database '/etc/passwd' is not in the folder that this model may read."
        assert (databases / "ferries.sqlite").read_bytes() == before
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)
