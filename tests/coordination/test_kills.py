"""A sweep is killed, interrupted and broken in every way, and the same command ends it as if nothing had happened."""

import contextlib
import os
import random
import signal
import time

import pytest
from stub_sweep import StubSweep

FINISHED = {"parent": ["FINISHED"], "unended": [], "running": 0, "overlaps": [], "left": []}


@pytest.fixture(scope="module")
def calm(tmp_path_factory, zygote):
    """What an undisturbed sweep leaves, and how many seconds it takes."""
    sweep = StubSweep(zygote, tmp_path_factory.mktemp("calm"))
    started = time.monotonic()
    assert sweep.run() == 0, sweep.log
    return sweep.picture(), time.monotonic() - started


def test_an_undisturbed_sweep(calm):
    picture, _ = calm
    assert {key: picture[key] for key in FINISHED} == FINISHED
    assert len(picture["runs"]) == 4
    assert [(index, state) for index, state, _ in picture["trials"]] == [(str(i), "COMPLETE") for i in range(4)]
    for curve in picture["curves"].values():
        assert [step for name, step, _ in curve if name == "loss"] == list(range(1, 11))
        assert [step for name, step, _ in curve if name == "eval_loss"] == [2, 4, 6, 8, 10]


def disturb(sweep, seconds, draw, rounds):
    """Call the command again and again, killing it, its children or what forks them, and let the last call end."""
    for _ in range(rounds):
        call = sweep.start()
        time.sleep(draw.uniform(0, seconds))
        for process in (*sweep.children(), *sweep.forking()):
            if draw.random() < 0.4:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        time.sleep(draw.uniform(0, 0.2))
        call.signal(signal.SIGKILL)
        call.wait()
    code = sweep.run()
    if code == 2:  # a child was killed twice; the same command tries it anew
        code = sweep.run()
    assert code == 0, sweep.log


@pytest.mark.parametrize("seed", range(1))
def test_kill_9_at_random_moments(stub_sweep, calm, seed):
    sweep, (picture, seconds) = stub_sweep(), calm
    disturb(sweep, seconds, random.Random(seed), 3)
    assert sweep.picture() == picture


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 125))
def test_kill_9_a_hundred_times(stub_sweep, calm, seed):
    sweep, (picture, seconds) = stub_sweep(), calm
    disturb(sweep, seconds, random.Random(seed), 4)
    assert sweep.picture() == picture


LINES = 980  # a few less than the lines of the house's own code that a sweep runs through


def kill_before_line(sweep, number):
    """Be killed before the n-th line that a call has not met before, and let the same command end it."""
    assert sweep.run(die_at_line=number) == -signal.SIGKILL, sweep.log
    code = sweep.run()
    return code if code != 2 else sweep.run()


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.35, 0.6, 0.85])
def test_kill_9_before_a_line(stub_sweep, calm, share):
    sweep = stub_sweep()
    assert kill_before_line(sweep, int(LINES * share)) == 0, sweep.log
    assert sweep.picture() == calm[0]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(8, LINES, 8))
def test_kill_9_before_any_line(stub_sweep, calm, number):
    sweep = stub_sweep()
    assert kill_before_line(sweep, number) == 0, sweep.log
    assert sweep.picture() == calm[0]


@pytest.mark.slow
def test_lines_are_counted_right(stub_sweep, tmp_path):
    sweep = stub_sweep()
    assert sweep.run(die_at_line=None, lines=str(tmp_path / "lines")) == 0
    assert LINES < int((tmp_path / "lines").read_text()) < LINES * 1.15


def test_a_stopped_orphan_is_ended_before_its_trial_goes_on(stub_sweep, calm):
    sweep = stub_sweep()
    gate = sweep.gate(step=4)
    call = sweep.start()
    sweep.until(lambda: len(gate.reached()) == 2)
    orphans = sweep.children()
    assert len(orphans) == 2
    for process in orphans:
        os.kill(process, signal.SIGSTOP)
    call.signal(signal.SIGKILL)
    call.wait()
    assert sweep.run(environment={}, orphan_patience=0.3) == 0, sweep.log
    assert sweep.picture() == calm[0]
    assert not set(orphans) & set(sweep.children())


def test_orphans_stop_by_themselves(stub_sweep):
    sweep = stub_sweep()
    gate = sweep.gate(step=2)
    call = sweep.start()
    sweep.until(lambda: len(gate.reached()) == 2)
    assert len(sweep.forking()) == 1
    call.signal(signal.SIGKILL)
    call.wait()
    sweep.until(lambda: not sweep.children() and not sweep.forking())
    assert not list(sweep.state.glob("trials/*/result.json"))
    assert len(list(sweep.state.glob("trials/*/checkpoints/state.json"))) == 2


def test_trials_go_on_when_the_process_that_forks_them_is_killed(stub_sweep, calm):
    sweep = stub_sweep()
    gate = sweep.gate(step=4)
    call = sweep.start()
    sweep.until(lambda: len(gate.reached()) == 2)
    trials = sweep.children()
    for process in sweep.forking():
        os.kill(process, signal.SIGKILL)
    sweep.until(lambda: not sweep.forking())
    assert sweep.children() == trials
    gate.open()
    assert call.wait() == 0, sweep.log
    assert sweep.log.count("From here on each trial imports for itself") == 1
    assert "ended by signal 9" in sweep.log
    assert "attempt 2" not in sweep.log
    assert sweep.picture() == calm[0]


@pytest.mark.parametrize(
    ("number", "group"),
    [
        (signal.SIGINT, True),  # as a terminal sends it
        (signal.SIGTERM, False),
        pytest.param(signal.SIGINT, False, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, False, marks=pytest.mark.slow),
    ],
)
def test_one_interrupt_stops_with_checkpoints(stub_sweep, calm, number, group):
    sweep = stub_sweep()
    gate = sweep.gate(step=2)
    call = sweep.start()
    sweep.until(lambda: len(gate.reached()) == 2)
    if group:
        os.killpg(call.pid, number)
    else:
        call.signal(number)
    assert call.wait() == 130, sweep.log
    assert not sweep.children()
    assert not sweep.forking()
    picture = sweep.picture()
    assert picture["parent"] == ["KILLED"]
    assert not picture["unended"]
    assert {status for _, status, *_ in picture["runs"]} == {"KILLED"}
    assert len(list(sweep.state.glob("trials/*/checkpoints/state.json"))) == 2
    assert "goes on from here" in sweep.log
    assert sweep.run(environment={}) == 0
    assert sweep.picture() == calm[0]


def test_two_interrupts_end_at_once(stub_sweep, calm):
    sweep = stub_sweep()
    gate = sweep.gate(step=1, deaf=True)
    call = sweep.start()
    sweep.until(lambda: len(gate.reached()) == 2)
    call.signal(signal.SIGINT)
    sweep.until(lambda: len(gate.asked()) == 2)
    call.signal(signal.SIGINT)
    assert call.wait() == 130
    assert not sweep.children()
    assert sweep.run(environment={}) == 0
    assert sweep.picture() == calm[0]


@pytest.mark.slow
def test_an_interrupt_before_anything_goes_on_leaves_no_run_running(stub_sweep):
    """The first call is killed and leaves runs that look alive; the second is stopped before it takes them up again."""
    sweep = stub_sweep()
    gate = sweep.gate(step=2)
    call = sweep.start()
    sweep.until(lambda: len(gate.reached()) == 2)
    sweep.until(lambda: len(sweep.picture()["unended"]) == 3)
    call.signal(signal.SIGKILL)
    call.wait()
    sweep.until(lambda: not sweep.children())
    assert sweep.run(interrupted_at_once=True) == 130
    assert gate.reached() == [0, 1], "no other trial was begun"
    picture = sweep.picture()
    assert picture["parent"] == ["KILLED"]
    assert not picture["unended"]


def test_a_second_coordinator_is_refused(stub_sweep, calm):
    sweep = stub_sweep()
    gate = sweep.gate(step=2)
    call = sweep.start()
    sweep.until(lambda: len(gate.reached()) == 2)
    assert sweep.run() == 1
    assert f"already running (process {call.pid} on" in sweep.log
    call.signal(signal.SIGINT)
    assert call.wait() == 130
    assert sweep.run(environment={}) == 0
    assert sweep.picture() == calm[0]


def test_a_child_that_somebody_stops_goes_on(stub_sweep, calm):
    sweep = stub_sweep()
    gate = sweep.gate(step=3)
    call = sweep.start()
    sweep.until(lambda: len(gate.reached()) == 2)
    os.kill(sweep.children()[0], signal.SIGTERM)
    sweep.until(lambda: "(attempt 2)" in sweep.log)
    gate.open()
    assert call.wait() == 0
    assert sweep.picture() == calm[0]


def test_a_finished_sweep_that_was_killed_before_its_record_is_put_right(stub_sweep, calm):
    """Killed while only MLflow was missing: the next call has nothing to run and tells MLflow everything."""
    sweep = stub_sweep(changes={"executor.workers": 4})
    call = sweep.start(server_down_for=1000)
    sweep.until(lambda: len(list(sweep.state.glob("trials/*/result.json"))) == 4)
    sweep.until(lambda: sweep.log.count("finished after") == 4)
    call.signal(signal.SIGKILL)
    call.wait()
    assert sweep.picture()["parent"] == ["RUNNING"]
    assert sweep.run() == 0
    assert "nothing is left to run" in sweep.log
    assert sweep.picture() == calm[0]


def test_a_server_that_comes_back_has_everything_once(stub_sweep, calm):
    sweep = stub_sweep()
    assert sweep.run(server_down_for=3) == 0
    assert sweep.picture() == calm[0]


@pytest.mark.slow
def test_a_server_that_stays_away_costs_no_trial(stub_sweep, calm):
    sweep = stub_sweep()
    assert sweep.run(server_down_for=1000, patience=0.5) == 0
    assert "run the same command again to send the rest" in sweep.log
    assert len(list(sweep.state.glob("trials/*/result.json"))) == 4
    assert sweep.run() == 0
    assert sweep.picture() == calm[0]
