"""A whole sweep in MLflow: a run of its own above those of its trials."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from macsql.tracking.tracker import Tracker


class SweepRecord:
    """A sweep in MLflow: its own run and its trials'. Connects when first used, and again as often as that fails."""

    def __init__(self, uri: str | None, state_dir: Path, name: str, tags: Mapping[str, str]) -> None:
        self.where, self.tags = (uri, state_dir, name), tags
        self._connected: tuple[Tracker, str] | None = None

    def connect(self) -> tuple[Tracker, str]:
        """The tracker and the id of the sweep's own run, which is running from now on. Raises UserError."""
        if self._connected is None:
            tracker = Tracker(*self.where)
            self._connected = tracker, tracker.parent(self.where[2], self.tags)
        return self._connected

    def sync(self, folder: Path, params: Mapping[str, Any], tags: Mapping[str, str], status: str) -> None:
        """Make MLflow agree with a trial's folder. Raises whatever keeps it from that."""
        tracker, parent = self.connect()
        tracker.sync(folder, parent, params, tags, status)

    def end(self, status: str, tags: Mapping[str, str], whole: bool = True) -> list[str]:
        """Set the sweep's own run to how it ended; returns a sentence for what MLflow did not get."""
        tracker, parent = self.connect()
        tracker.end_parent(parent, status, tags, whole)
        if not tracker.kept_back:
            return []
        return [
            f"MLflow's own place for files cannot be written to (trials: {len(tracker.kept_back)}): they are in the "
            "trials' folders alone; the runs' tag macsql.system.files names the place."
        ]
