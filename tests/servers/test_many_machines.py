"""Everything at once: a sweep on two Ray nodes, its study in PostgreSQL, its runs on an MLflow server, a node lost."""

import os
import sys
from pathlib import Path

import pytest
from servers import until
from stub_sweep import Gate
from test_mlflow_server import assert_complete

ray = pytest.importorskip("ray", reason="ray is not installed: pip install -e '.[ray]'")
sys.path.append(str(Path(__file__).resolve().parent.parent / "executors"))

from ray_cluster import lose_node, nodes_with_work, two_nodes  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("shared", [True, False])
def test_a_node_lost_mid_sweep(postgres, mlflow_server, stub_sweep, monkeypatch, tmp_path, shared):
    search = str(Path(__file__).resolve().parent.parent / "coordination")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([search, os.environ.get("PYTHONPATH", "")]))
    gate = Gate(tmp_path / "gate", step=5)
    for variable, value in gate.environment.items():
        monkeypatch.setenv(variable, value)  # Ray's processes take it from here
    name = f"lost_node_{shared}".lower()
    with two_nodes() as cluster:
        executor = {"address": cluster.address, "module": "stub_trial", "shared": shared}
        changes = {
            "tracking.storage": postgres.create(name),
            "tracking.uri": mlflow_server.uri,
            "sweep.name": name,
            "executor": {"name": "ray", "workers": None, "threads": 1, "options": executor},
        }
        sweep = stub_sweep("state", changes)
        call = sweep.start()
        until(lambda: gate.reached() == [0, 1], "trials on both nodes")
        assert len(nodes_with_work(cluster, "stub_trial")) == 2
        lose_node(cluster, "stub_trial")
        until(lambda: "(attempt 2)" in sweep.log, "another attempt")
        gate.open()
        assert call.wait(timeout=200) == 0, sweep.log
    assert_complete(sweep, mlflow_server)
