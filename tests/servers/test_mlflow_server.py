"""A sweep on PostgreSQL and an MLflow server that is killed with -9 under it: the curves are complete afterwards."""

import json
import signal

import pytest
from servers import until

from macsql.trials.events import read_events

pytestmark = pytest.mark.slow  # the server alone takes ten seconds of CPU to start


@pytest.fixture
def sweep(postgres, mlflow_server, stub_sweep, request):
    storage = postgres.create(request.node.name)
    changes = {"tracking.storage": storage, "tracking.uri": mlflow_server.uri, "sweep.name": request.node.name}
    return stub_sweep("state", changes, {"MLFLOW_HTTP_REQUEST_TIMEOUT": "3"})


def kill_mid_curves(sweep, server):
    """Start the sweep, and kill the server when it has the beginning of two curves; returns the call and the gate."""
    gate = sweep.gate(step=5)
    call = sweep.start()
    until(lambda: gate.reached() == [0, 1], "two trials")
    until(lambda: heard(server, sweep.changes["sweep.name"]) == 2, "their curves on the server")
    server.kill()
    return call, gate


def heard(server, name):
    """How many runs the server has losses of."""
    from mlflow import MlflowClient

    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name(name)
    return sum("loss" in run.data.metrics for run in client.search_runs([experiment.experiment_id]))


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
    call, gate = kill_mid_curves(sweep, mlflow_server)
    down = sweep.events()
    for trial in gate.reached():
        gate.open(trial)
    until(lambda: sweep.events() > down + 12, "events while the server is down")  # training does not wait for it
    mlflow_server.start()
    gate.open()
    assert call.wait() == 0, sweep.log
    assert_complete(sweep, mlflow_server)


def test_a_server_that_is_down_until_the_end_gets_the_rest_from_the_next_call(sweep, mlflow_server):
    sweep.more["patience"] = 1.0
    call, gate = kill_mid_curves(sweep, mlflow_server)
    gate.open()
    assert call.wait() == 0, sweep.log
    assert all(status == "FINISHED" for status, _ in told(sweep).values())
    assert "MLflow did not get all records of 4 trials" in sweep.log
    assert "run the same command again" in sweep.log
    assert "MLflow did not record the end of the sweep" in sweep.log
    mlflow_server.start()
    del sweep.more["patience"]
    assert sweep.run() == 0, sweep.log
    assert_complete(sweep, mlflow_server)


def test_a_coordinator_and_the_server_killed_together(sweep, mlflow_server):
    call, gate = kill_mid_curves(sweep, mlflow_server)
    call.signal(signal.SIGKILL)
    assert call.wait() == -signal.SIGKILL
    mlflow_server.start()
    gate.open()
    assert sweep.run() == 0, sweep.log
    assert_complete(sweep, mlflow_server)


def test_a_run_whose_creation_was_never_answered_is_taken_over(mlflow_server, tmp_path, monkeypatch):
    from mlflow import MlflowClient

    from macsql.tracking.tracker import Tracker

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
