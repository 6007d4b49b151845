"""MLflow's picture of trials: whose runs they are, and what becomes of files that it has no place for."""

import shutil

import pytest

from macsql.errors import UserError
from macsql.tracking.addresses import check_uri
from macsql.tracking.sweep_record import SweepRecord
from macsql.tracking.tracker import Tracker
from macsql.trials.events import EventLog
from macsql.trials.result import Result, write_result


def trial(state, loss):
    folder = state / "trials" / "s-0000-0123abcd"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("a: 1\n")
    EventLog(folder / "events.jsonl").write(1, 0.5, {"loss": loss})
    write_result(folder, Result("FINISHED", {"eval_loss": loss}, steps=1))
    return folder


def synced(uri, state, folder):
    tracker = Tracker(uri, state, "s")
    tracker.sync(folder, tracker.parent("s", {}), {"a": 1}, {"macsql.sweep": "s"}, "FINISHED")
    return tracker


def test_two_state_directories_on_one_server_keep_their_runs_apart(tmp_path):
    """Two people who type the same command have trials of the same names."""
    uri = f"sqlite:///{tmp_path / 'server.db'}"
    places = [(tmp_path / name, loss) for name, loss in (("mine", 0.25), ("yours", 0.75))]
    folders = [trial(state, loss) for state, loss in places]
    for (state, loss), folder in zip(places, folders, strict=True):
        for _ in range(2):  # the second time nothing is made
            tracker = synced(uri, state, folder)
        [run] = tracker.runs("s")
        assert (run.metrics["loss"], run.status) == (loss, "FINISHED")
    assert len(tracker.client.search_runs([tracker.experiment_id])) == 4


def test_a_moved_state_directory_ends_its_runs_and_says_where_the_files_are(tmp_path):
    before, after = tmp_path / "before", tmp_path / "after"
    folder = trial(before, 0.5)
    Tracker(None, before, "s").parent("s", {})
    shutil.move(before, after)
    before.write_text("in the way")  # as a home of another machine, which cannot be made here
    folder = after / folder.relative_to(before)
    record = SweepRecord(None, after, "s", {})
    record.sync(folder, {"a": 1}, {"macsql.sweep": "s"}, "FINISHED")
    [sentence] = record.end("FINISHED", {})
    assert sentence.startswith("MLflow's own place for files cannot be written to (trials: 1)")
    [run] = Tracker(None, after, "s").runs("s")
    assert run.status == "FINISHED"
    assert run.tags["macsql.system.files"].endswith("the files are in the trial's folder")
    assert record.end("FINISHED", {}) == [sentence]
    before.unlink()  # the next call tries again
    again = SweepRecord(None, after, "s", {})
    again.sync(folder, {"a": 1}, {"macsql.sweep": "s"}, "FINISHED")
    assert again.end("FINISHED", {}) == []
    [run] = Tracker(None, after, "s").runs("s")
    assert "macsql.system.files" not in run.tags
    assert (before / "artifacts" / run.run_id / "artifacts" / "result.json").exists()


def test_files_that_somebody_deleted_are_sent_again_and_others_are_not(tmp_path, monkeypatch):
    folder = trial(tmp_path, 0.5)
    synced(None, tmp_path, folder)
    [kept] = (tmp_path / "artifacts").rglob("config.yaml")
    with monkeypatch.context() as quiet:
        quiet.setattr(Tracker, "_finish", None)  # nothing is to be sent
        synced(None, tmp_path, folder)
    kept.unlink()
    synced(None, tmp_path, folder)
    assert kept.read_text() == "a: 1\n"
    shutil.rmtree(tmp_path / "artifacts")
    synced(None, tmp_path, folder)
    assert kept.read_text() == "a: 1\n"


def test_runs_of_a_study_that_is_gone_do_not_look_alive(tmp_path):
    folder = trial(tmp_path, 0.5)
    record = SweepRecord(None, tmp_path, "s", {})
    record.sync(folder, {}, {"macsql.sweep": "s"}, "RUNNING")
    shutil.rmtree(folder)
    again = SweepRecord(None, tmp_path, "s", {})
    again.end("FINISHED", {})
    [run] = Tracker(None, tmp_path, "s").runs("s")
    assert run.status == "KILLED"


@pytest.mark.parametrize("half", ["", '{"run_id": "', "[]", '{"another": 1}'])
def test_half_a_ledger_is_none_and_nothing_arrives_twice(tmp_path, half):
    folder = trial(tmp_path, 0.5)
    synced(None, tmp_path, folder)
    (folder / "shipped.json").write_text(half)
    tracker = synced(None, tmp_path, folder)
    [run] = tracker.runs("s")
    assert run.status == "FINISHED"
    assert len(tracker.client.get_metric_history(run.run_id, "loss")) == 1


def test_a_run_whose_end_has_not_arrived_is_not_taken_for_dead(tmp_path):
    folder = trial(tmp_path, 0.5)
    record = SweepRecord(None, tmp_path, "s", {})
    record.sync(folder, {}, {"macsql.sweep": "s"}, "RUNNING")
    record.end("FINISHED", {}, whole=False)
    [run] = Tracker(None, tmp_path, "s").runs("s")
    assert run.status == "RUNNING"


def test_no_password_in_an_address():
    check_uri(None)
    check_uri("http://me@host:5000")
    with pytest.raises(UserError, match="MLFLOW_TRACKING_PASSWORD"):
        check_uri("http://me:secret@host:5000")
