"""A whole sweep of Slurm jobs, and Ctrl-C in its terminal."""

import os
import signal

import pytest

pytest.importorskip("submitit", reason="submitit is not installed: pip install -e '.[slurm]'")

JOBS = {
    "executor": {"name": "slurm", "workers": 2, "options": {"module": "stub_trial"}},
    "search.space.trainer.weight_decay": "choice(0.0)",  # two trials
}


def test_one_interrupt_in_the_terminal_stops_jobs_with_checkpoints(stub_sweep, slurm):
    """A terminal sends it to every process of the sweep's group."""
    there = {"PATH": os.environ["PATH"], "FAKE_SLURM": str(slurm)}
    sweep = stub_sweep("state", JOBS, there)
    gate = sweep.gate(step=2)
    call = sweep.start()
    sweep.until(lambda: gate.reached() == [0, 1])
    os.killpg(call.pid, signal.SIGINT)
    assert call.wait() == 130, sweep.log
    assert not sweep.children()
    assert gate.asked() == [0, 1]
    assert len(list(sweep.state.glob("trials/*/checkpoints/state.json"))) == 2
    assert not list(sweep.state.glob("trials/*/result.json"))
    assert "goes on from here" in sweep.log
    assert sweep.run(environment=there) == 0, sweep.log
    picture = sweep.picture()
    assert picture["parent"] == ["FINISHED"]
    assert [state for _, state, _ in picture["trials"]] == ["COMPLETE"] * 2
    assert not picture["overlaps"]
    for curve in picture["curves"].values():
        assert [step for name, step, _ in curve if name == "loss"] == list(range(1, 11))
