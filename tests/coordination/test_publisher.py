"""The record beside the sweep: never in its way, whole in the end."""

import threading
import time

from macsql.coordination.publisher import Publisher


class Record:
    """Takes what it is given once `answers` is set; fails for the trials in `broken`, and for all while `down`."""

    def __init__(self, broken=(), down=False):
        self.broken, self.down, self.taken = set(broken), down, []
        self.answers = threading.Event()
        self.answers.set()

    def sync(self, folder, params, tags, status):  # noqa: ARG002
        self.answers.wait(60)
        if self.down or folder.name in self.broken:
            raise ConnectionError("nobody is there\nat all")
        self.taken.append((folder.name, status))


def test_one_that_cannot_be_sent_does_not_keep_the_others(tmp_path):
    record = Record(broken={"b"})
    publisher = Publisher(record)
    for name in "abcd":
        publisher.tell(tmp_path / name, "FINISHED", {}, {})
    missing = publisher.close(patience=60.0, hurry=lambda: len(publisher.missing) == 1)
    assert [folder.name for folder in missing] == ["b"]
    assert {name for name, _ in record.taken} == {"a", "c", "d"}
    assert publisher.problem == "ConnectionError: nobody is there"


def test_the_last_word_counts_and_is_sent_once(tmp_path):
    record = Record()
    publisher = Publisher(record)
    publisher.tell(tmp_path / "a", "RUNNING", {}, {})
    publisher.tell(tmp_path / "a", "FINISHED", {}, {})
    assert publisher.close(patience=60.0) == []
    assert record.taken.count(("a", "FINISHED")) == 1


def test_telling_never_waits_and_closing_waits_for_progress_only(tmp_path):
    record = Record()
    record.answers.clear()
    publisher = Publisher(record)
    for number in range(200):
        publisher.tell(tmp_path / str(number), "FINISHED", {}, {})
    assert len(publisher.close(patience=0.2)) == 200
    assert record.taken == []
    record.answers.set()
    assert publisher.close(patience=60.0) == []


def test_somebody_in_a_hurry_is_not_kept(tmp_path):
    publisher, asked = Publisher(Record(down=True)), []
    publisher.tell(tmp_path / "a", "FINISHED", {}, {})
    publisher.close(patience=60.0, hurry=lambda: not asked.append("once"))
    assert asked == ["once"]


def test_a_server_that_comes_back_gets_everything(tmp_path):
    record = Record(down=True)
    publisher = Publisher(record)
    publisher.tell(tmp_path / "a", "FINISHED", {}, {})
    while not publisher.problem:
        time.sleep(0.01)
    record.down = False
    assert publisher.close(patience=60.0) == []
    assert publisher.problem == ""
