"""What of a trial's folder has arrived elsewhere, kept in the folder as shipped.json."""

import json
from pathlib import Path

from macsql.system.files import write_whole
from macsql.trials.folder import SHIPPED


class Ledger:
    """What has arrived at MLflow of one trial, kept in its folder as shipped.json."""

    def __init__(
        self,
        run_id: str | None = None,
        events: int = 0,
        seen: dict[str, int] | None = None,
        status: str = "",
        result: int = 0,
    ) -> None:
        self.run_id = run_id
        self.events = events  # bytes of events.jsonl that have been shipped
        self.seen = seen or {}  # metric -> last step shipped
        self.status = status
        self.result = result  # which result.json was shipped with it (macsql.trials.result.stamp)

    @classmethod
    def read(cls, folder: Path) -> "Ledger":
        """The ledger of a folder; a new one where there is none, or half of one: all is then compared anew."""
        try:
            return cls(**json.loads((folder / SHIPPED).read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return cls()

    def write(self, folder: Path) -> None:
        """Put shipped.json in place in one step."""
        write_whole(folder / SHIPPED, json.dumps(vars(self)))
