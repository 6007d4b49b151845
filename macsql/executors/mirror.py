"""A trial's folder on a machine that does not see the coordinator's disk: what goes there, and what comes back.

    there: config.yaml trial.json events.jsonl checkpoints/   the examples, the test databases, a local base model
    back:  events.jsonl log.txt    as they grow, so that the sweep's table and MLflow stay live
           checkpoints/            each when it is whole, so that a lost machine costs at most what came after it
           everything else         when the trial has ended, result.json last: its presence means "done"

Nothing here knows how the bytes travel: `Mirror` gets a function that calls `write` or `settle` at home.
"""

import dataclasses
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from macsql.config import from_yaml, to_yaml
from macsql.records import Example, read_jsonl
from macsql.trials.checkpoints import whole_checkpoints
from macsql.trials.folder import ABOUT, CHECKPOINTS, CONFIG, EVENTS, LOCK, LOG, RESULT

SENT = (CONFIG, ABOUT, EVENTS)  # of a trial's folder, with whole checkpoints
GROWING = (EVENTS, LOG)
STAYS = (CONFIG, ABOUT, LOCK)  # what home has or needs of its own
CHUNK = 64 * 2**20  # bytes a message
INTERVAL = 1.0  # seconds between two looks for what is new
INCOMING = "incoming"  # at home: where files lie until they are whole

Home = Callable[..., None]  # home(function, *arguments): the call, made at home and over when it returns


def parcel(folder: Path) -> dict[str, Path]:
    """Name below the parcel's root -> file at home, for all that the trial in `folder` reads."""
    files = {f"trial/{name}": folder / name for name in SENT if (folder / name).exists()}
    for checkpoint in whole_checkpoints(folder):
        files.update(_below(checkpoint, f"trial/checkpoints/{checkpoint.name}"))
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    if "prepared" in about:
        prepared = Path(about["prepared"])
        files.update(_below(prepared, "prepared"))
        if (prepared / "databases.json").exists():
            used = {row.db_id for row in read_jsonl(prepared / "test.jsonl", Example)}  # training executes nothing
            entries = json.loads((prepared / "databases.json").read_text(encoding="utf-8"))
            files.update({f"databases/{e['id']}.sqlite": Path(e["path"]) for e in entries if e["id"] in used})
    model = from_yaml((folder / CONFIG).read_text(encoding="utf-8")).model.path
    if model is not None:
        files.update(_below(Path(model), "model"))
    return files


def unpack(root: Path, contents: Iterable[tuple[str, bytes]]) -> Path:
    """Write a parcel below `root` and set the paths in it right; returns the trial's folder."""
    for name, data in contents:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    trial = root / "trial"
    config = from_yaml((trial / CONFIG).read_text(encoding="utf-8"))
    config.tracking = dataclasses.replace(config.tracking, state_dir=str(root / "state"))
    if (root / "model").is_dir():
        config.model = dataclasses.replace(config.model, path=str(root / "model"))
    (trial / CONFIG).write_text(to_yaml(config), encoding="utf-8")
    if (root / "prepared").is_dir():
        _edit(trial / ABOUT, lambda about: {**about, "prepared": str(root / "prepared")})
    if (root / "prepared" / "databases.json").exists():
        place = root / "databases"
        _edit(
            root / "prepared" / "databases.json",
            lambda entries: [{**entry, "path": str(place / f"{entry['id']}.sqlite")} for entry in entries],
        )
    for checkpoint in whole_checkpoints(trial):
        _relocate(checkpoint, trial / CHECKPOINTS)
    if (trial / EVENTS).exists():  # half a line, left by a kill, would be told once more by its own trial
        text = (trial / EVENTS).read_bytes()
        (trial / EVENTS).write_bytes(text[: text.rfind(b"\n") + 1])
    return trial


class Mirror:
    """Keeps the folder at home equal to the one that the trial works in."""

    def __init__(self, trial: Path, folder: Path, log_size: int, home: Home) -> None:
        """`trial` is the folder here, `folder` the one at home, where log.txt has `log_size` bytes already."""
        self.trial, self.folder, self.home = trial, folder, home
        events = trial / EVENTS
        here = {EVENTS: events.stat().st_size if events.exists() else 0, LOG: 0}
        self.read = here  # bytes of each growing file that have been sent
        self.ahead = {EVENTS: 0, LOG: log_size}  # what home's file holds before the first byte here
        self.checkpoints = [path.name for path in whole_checkpoints(trial)]
        self.last = time.monotonic()

    def look(self) -> None:
        """Send what is new, at most once per second."""
        if time.monotonic() - self.last >= INTERVAL:
            self._send_new()
            self.last = time.monotonic()

    def finish(self) -> None:
        """Send all that is left; the trial's process has ended."""
        self._send_new()
        left = [path for path in self.trial.iterdir() if path.name not in {*GROWING, *STAYS, CHECKPOINTS}]
        for path in sorted(left, key=lambda path: path.name == RESULT):
            if path.suffix != ".partial":
                self._send(path.name, path)
        self.home(shutil.rmtree, self.folder / INCOMING, True)

    def _send_new(self) -> None:
        for name in GROWING:
            self._send_growth(name)
        whole = [path.name for path in whole_checkpoints(self.trial, self.checkpoints)]
        there = [name for name in whole if name in self.checkpoints or self._send_checkpoint(f"checkpoints/{name}")]
        if there and there != self.checkpoints:  # none: the trial has finished, and home hears of it in its own time
            self.home(keep, self.folder / CHECKPOINTS, there)
            self.checkpoints = there

    def _send_growth(self, name: str) -> None:
        path = self.trial / name
        if not path.exists():
            return
        with path.open("rb") as file:
            file.seek(self.read[name])
            while data := file.read(CHUNK):
                self.home(write, self.folder / name, data, self.ahead[name] + self.read[name])
                self.read[name] += len(data)

    def _send_checkpoint(self, name: str) -> bool:
        """Send a checkpoint; False where the trial has given it up meanwhile.

        What travels is a second set of names for the same bytes, because the trial may give it up on the way.
        """
        place, still = self.trial / name, self.trial.parent / "outgoing" / name
        before = _below(place, name)
        shutil.rmtree(still, ignore_errors=True)
        try:
            shutil.copytree(place, still, copy_function=os.link)
        except (FileNotFoundError, shutil.Error):
            return False
        if _below(place, name) != before:
            return False
        self._send(name, still)
        shutil.rmtree(still)
        return True

    def _send(self, name: str, path: Path) -> None:
        """Send a file or a whole folder under a name."""
        for part, source in (_below(path, name) if path.is_dir() else {name: path}).items():
            at = 0
            with source.open("rb") as file:
                while (data := file.read(CHUNK)) or at == 0:
                    self.home(write, self.folder / INCOMING / part, data, at)
                    at += max(1, len(data))  # an empty file is written too, once
        self.home(settle, self.folder, name)


def write(path: Path, data: bytes, at: int) -> None:
    """At home: put bytes into a file from an offset on; what lay behind it is gone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b") as file:
        file.truncate(at)
        file.seek(at)
        file.write(data)


def settle(folder: Path, name: str) -> None:
    """At home: what has come in whole takes the place of what was there, in one step."""
    new, place = folder / INCOMING / name, folder / name
    if place.is_dir():
        shutil.rmtree(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    _relocate(new, place.parent)
    new.replace(place)


def keep(checkpoints: Path, names: list[str]) -> None:
    """At home: remove the checkpoints that the trial itself has given up."""
    for path in checkpoints.glob("checkpoint-*"):
        if path.name not in names:
            shutil.rmtree(path)


def _relocate(checkpoint: Path, checkpoints: Path) -> None:
    """Set right where a checkpoint says that the best one lies: the Trainer writes a path of the machine it runs on."""
    state = checkpoint / "trainer_state.json"
    if state.exists():
        about = json.loads(state.read_text(encoding="utf-8"))
        if about.get("best_model_checkpoint"):
            about["best_model_checkpoint"] = str(checkpoints / Path(about["best_model_checkpoint"]).name)
            state.write_text(json.dumps(about, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _below(folder: Path, name: str) -> dict[str, Path]:
    return {f"{name}/{path.relative_to(folder)}": path for path in sorted(folder.rglob("*")) if path.is_file()}


def _edit(path: Path, change: Callable[[Any], Any]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8")


def log_size(folder: Path) -> int:
    """Bytes of the log that earlier attempts have left at home."""
    path = folder / LOG
    return path.stat().st_size if path.exists() else 0
