"""The real trial, with torch, on a cluster without a common disk: a lost node changes nothing about its numbers."""

import dataclasses
import json

import pytest
from omegaconf import OmegaConf
from waiting import ended, stub_config, wait_for

from macsql.config import ExecutorConfig, to_yaml, validate
from macsql.executors.local import LocalExecutor, Share
from macsql.executors.mirror import whole_checkpoints
from macsql.factory.prepared import prepare
from macsql.trials.result import read_result

pytest.importorskip("ray", reason="ray is not installed: pip install -e '.[ray]'")
pytestmark = pytest.mark.slow


@pytest.fixture
def trial(tmp_path):
    """Makes the folder of a tiny real trial."""
    changes = {
        "data": {"questions": 16, "test_fraction": 0.2, "eval_fraction": 0.2},
        "agents": {"value_examples": 1},
        "model": {"pocket": {"vocab_size": 600, "d_model": 16, "d_ff": 32, "num_layers": 1, "num_heads": 2}},
        "trainer": {"per_device_train_batch_size": 4, "max_steps": -1, "num_train_epochs": 4, "bf16": "false"},
        "generation": {"max_new_tokens": 8, "limit": 2},
    }
    config = validate(OmegaConf.merge(OmegaConf.structured(stub_config(tmp_path)), changes))
    prepared = prepare(config)

    def make(name):
        folder = tmp_path / "trials" / name
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(to_yaml(config))
        (folder / "trial.json").write_text(json.dumps({"sweep": "real", "prepared": str(prepared.folder.resolve())}))
        return folder

    return make


def test_a_real_trial_survives_its_node(trial):
    from ray_cluster import lose_node, two_nodes

    from macsql.executors.ray import RayExecutor

    calm = trial("calm")
    assert ended(LocalExecutor([Share(1, None)]).start(calm, 0), 300) == 0
    folder = trial("lost")
    with two_nodes() as cluster:
        config = ExecutorConfig("ray", threads=1, options={"address": cluster.address, "shared": False})
        executor = RayExecutor(config, None)
        handle = executor.start(folder, 0)
        wait_for(lambda: whole_checkpoints(folder), "a checkpoint at home", 300)
        lose_node(cluster, "macsql.train")
        assert ended(handle, 60) < 0
        assert read_result(folder) is None
        assert ended(executor.start(folder, 0), 300) == 0
        executor.close()
    mine, undisturbed = read_result(folder), read_result(calm)
    assert mine.attempt_steps < undisturbed.attempt_steps == undisturbed.steps
    same = {"seconds": 0, "parts": {}, "attempt_steps": 0}
    assert dataclasses.replace(mine, **same) == dataclasses.replace(undisturbed, **same)
    for name in ("predictions.jsonl", "verdicts.jsonl", "model/model.safetensors"):
        assert (folder / name).read_bytes() == (calm / name).read_bytes(), name
