"""A sweep on PostgreSQL and an MLflow server that is killed with -9 under it: the curves are complete afterwards."""

import json
import signal
import time

import pytest
from servers import until

from macsql.training.events import read_events

pytestmark = pytest.mark.slow  # the server alone takes ten seconds of CPU to start


@pytest.fixture
def sweep(postgres, mlflow_server, stub_sweep, request):
    storage = postgres.create(request.node.name)
    changes = {"tracking.storage": storage, "tracking.uri": mlflow_server.uri, "sweep.name": request.node.name}
    return stub_sweep("state", changes, {"STUB_PAUSE": "0.4", "MLFLOW_HTTP_REQUEST_TIMEOUT": "3"})


def read_back(server, name):
    """(status of the parent, {trial: (status, {metric: [(step, value), ...]})}) as the server tells."""
    from mlflow import MlflowClient

    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name(name)
    parents, trials = [], {}
    for run in client.search_runs([experiment.experiment_id]):
        if run.data.tags["macsql.role"] == "sweep":
            parents.append(run.info.status)
            continue
        curves = {
            metric: sorted((point.step, point.value) for point in client.get_metric_history(run.info.run_id, metric))
            for metric in ("loss", "eval_loss")
        }
        files = {item.path for item in client.list_artifacts(run.info.run_id)}
        assert {"config.yaml", "result.json", "log.txt"} <= files
        assert run.data.tags["macsql.trial"] not in trials
        trials[run.data.tags["macsql.trial"]] = (run.info.status, curves)
    return parents, trials


def told(sweep):
    """The same from the trials' own files: what there is to be seen."""
    trials = {}
    for folder in (sweep.state / "trials").iterdir():
        curves = {"loss": [], "eval_loss": []}
        for event in read_events(folder / "events.jsonl")[0]:
            for metric, value in event.metrics.items():
                curves[metric].append((event.step, value))
        status = json.loads((folder / "result.json").read_text())["status"]
        trials[folder.name] = (status, curves)
    return trials


def assert_complete(sweep, server):
    trials = told(sweep)
    assert [status for status, _ in trials.values()] == ["FINISHED"] * 4
    for _, curves in trials.values():
        assert [step for step, _ in curves["loss"]] == list(range(1, 11))
    assert read_back(server, sweep.changes["sweep.name"]) == (["FINISHED"], trials)


def test_a_server_that_is_killed_and_started_again_mid_sweep(sweep, mlflow_server):
    call = sweep.start()
    until(lambda: sweep.events() > 8, "events")
    mlflow_server.kill()
    down = sweep.events()
    until(lambda: sweep.events() > down + 12, "events while the server is down")  # training does not wait for it
    mlflow_server.start()
    assert call.wait(timeout=120) == 0, sweep.log
    assert_complete(sweep, mlflow_server)


def test_a_server_that_is_down_until_the_end_gets_the_rest_from_the_next_call(sweep, mlflow_server):
    sweep.environment["STUB_PAUSE"] = "0.1"
    sweep.more["patience"] = 1.0
    call = sweep.start()
    until(lambda: sweep.events() > 4, "events")
    mlflow_server.kill()
    began = time.monotonic()
    assert call.wait(timeout=60) == 0, sweep.log
    assert time.monotonic() - began < 45
    assert all(status == "FINISHED" for status, _ in told(sweep).values())
    assert "run the same command again" in sweep.log
    mlflow_server.start()
    del sweep.more["patience"]
    assert sweep.run() == 0, sweep.log
    assert_complete(sweep, mlflow_server)


def test_a_coordinator_and_the_server_killed_together(sweep, mlflow_server):
    call = sweep.start()
    until(lambda: sweep.events() > 12, "events")
    mlflow_server.kill()
    call.signal(signal.SIGKILL)
    call.wait()
    mlflow_server.start()
    sweep.environment["STUB_PAUSE"] = "0.01"
    assert sweep.run() == 0, sweep.log
    assert_complete(sweep, mlflow_server)


def test_a_run_whose_creation_was_never_answered_is_taken_over(mlflow_server, tmp_path, monkeypatch):
    from mlflow import MlflowClient

    from macsql.tracking import Tracker

    folder = tmp_path / "trial-1"
    folder.mkdir()
    (folder / "events.jsonl").write_text('{"time": 1.0, "step": 1, "epoch": 1.0, "metrics": {"loss": 2.0}}\n')
    tracker, whole = Tracker(mlflow_server.uri, tmp_path, "unanswered"), MlflowClient.create_run

    def create_run(*arguments, **options):
        whole(*arguments, **options)
        raise ConnectionError("killed before it could answer")

    told = (folder, None, {"seed": 1}, {"macsql.sweep": "s"}, "RUNNING")
    monkeypatch.setattr(MlflowClient, "create_run", create_run)
    with pytest.raises(ConnectionError):
        tracker.sync(*told)
    monkeypatch.setattr(MlflowClient, "create_run", whole)
    tracker.sync(*told)
    (run,) = tracker.runs("s")
    assert (run.params, run.metrics) == ({"seed": "1"}, {"loss": 2.0})
