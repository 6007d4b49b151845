"""Events: whole lines only, and cut back where a resumed trial tells them again."""

import json

from macsql.trials.events import EventLog, read_events


def test_reading_goes_on_where_it_stopped(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")
    log.write(1, 0.1, {"loss": 3.0})
    first, offset = read_events(log.path)
    log.write(2, 0.2, {"loss": 2.0})
    second, _ = read_events(log.path, offset)
    assert [event.step for event in first] == [1]
    assert [event.metrics for event in second] == [{"loss": 2.0}]


def test_half_a_line_is_left_for_later(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")
    log.write(1, 0.1, {"loss": 3.0})
    line = json.dumps({"time": 0.0, "step": 2, "epoch": 0.2, "metrics": {}}) + "\n"
    with log.path.open("a") as file:
        file.write(line[:10])
    events, offset = read_events(log.path)
    assert len(events) == 1
    with log.path.open("a") as file:
        file.write(line[10:])
    assert [event.step for event in read_events(log.path, offset)[0]] == [2]


def test_a_resumed_trial_keeps_what_lies_before_its_checkpoint(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")
    for step in (1, 2, 3, 4):
        log.write(step, step / 10, {"loss": 1.0})
    resumed = EventLog(log.path, after_step=2)
    resumed.write(3, 0.3, {"loss": 0.5})
    assert [(event.step, event.metrics["loss"]) for event in read_events(log.path)[0]] == [(1, 1.0), (2, 1.0), (3, 0.5)]


def test_a_trial_from_the_start_begins_an_empty_log(tmp_path):
    EventLog(tmp_path / "events.jsonl").write(1, 0.1, {"loss": 1.0})
    assert read_events(EventLog(tmp_path / "events.jsonl").path)[0] == []


def test_a_readers_offset_holds_over_kills_and_resumes(tmp_path):
    """The reader reads between all of it; what it adds up is what a reader from the start sees, told again or not."""
    path = tmp_path / "events.jsonl"
    seen, offset = [], 0
    for after in (None, 2, 2, None, 4):
        log = EventLog(path, after)
        for step in range((after or 0) + 1, 6):
            log.write(step, step / 10, {"loss": float(step)})
            events, offset = read_events(path, offset)
            seen += [event.step for event in events]
        with path.open("a") as file:
            file.write('{"time": 0, "st')  # killed in the middle of a line
    assert set(seen) == {1, 2, 3, 4, 5}
    assert offset == path.read_bytes().rfind(b"\n") + 1
    assert [event.step for event in read_events(path)[0]] == [1, 2, 3, 4, 5]
