"""Trials on a real Ray cluster: two nodes on this machine, with and without a common disk, one of them lost."""

import signal
import sys

import pytest
from ray_cluster import add_node, lose_node, nodes_with_work, two_nodes
from remote_stub import GATED, undisturbed
from waiting import ended, open_gate, steps_told, wait_for, wait_for_gate

from macsql.config import ExecutorConfig
from macsql.errors import UserError
from macsql.executors.mirror import INCOMING, whole_checkpoints
from macsql.executors.ray import RayExecutor
from macsql.trials.process import EXIT_STOPPED
from macsql.trials.result import read_result

ray = pytest.importorskip("ray", reason="ray is not installed: pip install -e '.[ray]'")


@pytest.fixture(scope="module")
def cluster():
    with two_nodes() as cluster:
        yield cluster


@pytest.fixture
def executor(cluster):
    made = []

    def make(**options):
        config = ExecutorConfig(
            "ray", threads=1, options={"module": "remote_stub", "address": cluster.address, **options}
        )
        made.append(RayExecutor(config, None))
        return made[-1]

    yield make
    for executor in made:
        executor.close()


@pytest.mark.parametrize("shared", [True, False])
def test_trials_run_on_both_nodes_at_once_and_leave_everything_at_home(cluster, executor, stub_folder, shared):
    there = executor(shared=shared)
    assert there.slots == 2
    folders = [stub_folder(name, gated=True) for name in ("one", "two")]
    handles = [there.start(folder, slot) for slot, folder in enumerate(folders)]
    for folder in folders:
        wait_for_gate(folder)
    assert len(nodes_with_work(cluster)) == 2
    for folder in folders:
        open_gate(folder)
    assert [ended(handle) for handle in handles] == [0, 0]
    for folder in folders:
        assert read_result(folder).metrics == {"eval_loss": undisturbed(20)}
        assert steps_told(folder) == 20
        assert (folder / "log.txt").read_text() == "from step 0\n"
        assert (folder / "model" / "model.bin").stat().st_size == 1000
        assert (folder / "model" / "empty").exists()
        assert (folder / "predictions.jsonl").exists()


@pytest.mark.parametrize("shared", [True, False])
def test_a_trial_that_is_stopped_goes_on_from_there(executor, stub_folder, shared):
    there = executor(shared=shared)
    folder = stub_folder(gated=True)
    first = there.start(folder, 0)
    wait_for_gate(folder)
    first.stop()
    assert ended(first) == EXIT_STOPPED
    assert read_result(folder) is None
    last = whole_checkpoints(folder)[-1]
    assert last.name == f"checkpoint-{GATED}"
    assert f'"best_model_checkpoint": "{folder}/' in (last / "trainer_state.json").read_text()
    assert ended(there.start(folder, 0)) == 0
    assert read_result(folder).metrics == {"eval_loss": undisturbed(20)}
    assert (folder / "log.txt").read_text().splitlines() == ["from step 0", f"from step {GATED}"]


def test_a_trial_waits_for_room_and_may_be_stopped_there(executor, stub_folder):
    there = executor()
    handles = [there.start(stub_folder(str(n), gated=True), n) for n in range(3)]
    wait_for(lambda: sum(steps_told(handle.folder) > 0 for handle in handles) == 2, "two running trials")
    waiting = next(handle for handle in handles if not steps_told(handle.folder))
    assert waiting.poll() is None
    waiting.stop()
    assert ended(waiting) == EXIT_STOPPED
    for handle in handles:
        handle.kill()
    assert sorted(ended(handle) for handle in handles) == [-signal.SIGKILL, -signal.SIGKILL, EXIT_STOPPED]


def test_what_a_task_dies_of_is_in_the_log(executor, stub_folder):
    there = executor(shared=False, module="no_such_trial")
    folder = stub_folder()
    assert ended(there.start(folder, 0)) == 1
    assert "no_such_trial" in (folder / "log.txt").read_text()
    assert not (folder / INCOMING).exists() or not any((folder / INCOMING).iterdir())


@pytest.mark.parametrize("shared", [True, False])
def test_a_lost_node_costs_an_attempt_and_nothing_else(cluster, executor, stub_folder, shared):
    there = executor(shared=shared)
    folder = stub_folder(gated=True)
    first = there.start(folder, 0)
    wait_for(lambda: whole_checkpoints(folder), "a checkpoint at home")
    process = lose_node(cluster)
    add_node(cluster)
    assert ended(first) == -signal.SIGKILL
    assert "Ray lost the trial" in (folder / "log.txt").read_text()
    wait_for(lambda: not process.is_running(), "the orphan's end")
    open_gate(folder)
    assert ended(there.start(folder, 0)) == 0
    assert read_result(folder).metrics == {"eval_loss": undisturbed(20)}
    log = (folder / "log.txt").read_text().splitlines()
    assert log[0] == "from step 0"
    assert int(log[-1].removeprefix("from step ")) >= 5


def test_an_executor_that_cannot_work_is_refused_in_a_sentence(cluster):
    for options, words in [
        ({"adress": "auto"}, "executor.options.adress"),
        ({"address": "127.0.0.1:1"}, "executor.options.address=127.0.0.1:1"),
        ({"address": "ray://127.0.0.1:1"}, "host:port"),
        ({"address": cluster.address, "gpus": 1}, "No node of the Ray cluster"),
    ]:
        with pytest.raises(UserError, match=words):
            RayExecutor(ExecutorConfig("ray", threads=1, options=options), None)


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"executor=ray needs the library ray: pip install ray\."):
        RayExecutor(ExecutorConfig("ray"), None)
