"""Replies kept in a file as they come, so that an evaluation that was killed goes on where it was."""

import dataclasses
import hashlib
import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from macsql.errors import UserError, first_line
from macsql.pipeline.turns import Ask, Ending, Reply

Key = tuple[str, str, int, str]  # question, agent, round, digest of who is asked and the prompt


class Memory(Protocol):
    """Where replies are kept."""

    def get(self, key: Key) -> Reply | None:
        """The reply kept under a key."""

    def put(self, replies: Sequence[tuple[Key, Reply]]) -> None:
        """Keep replies that were made together."""


class Forgetful:
    """Keeps nothing."""

    def get(self, key: Key) -> Reply | None:  # noqa: ARG002
        """Nothing is known."""
        return None

    def put(self, replies: Sequence[tuple[Key, Reply]]) -> None:
        """Nothing is kept."""


class Journal:
    """A JSON Lines file to which replies are appended; safe to share between threads of one process.

    A last line that a kill has cut is dropped. A question that a server did not answer is not kept: the next call asks
    again.
    """

    def __init__(self, path: Path) -> None:
        """Read what is there. Raises UserError for a file that holds something else."""
        self.path = path
        self._lock = threading.Lock()
        self._known: dict[Key, Reply] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = self._read()
        self._file = path.open("r+b" if path.exists() else "w+b")
        self._file.truncate(whole)
        self._file.seek(whole)

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: Key) -> Reply | None:
        """The reply kept under a key."""
        return self._known.get(key)

    def put(self, replies: Sequence[tuple[Key, Reply]]) -> None:
        """Append replies and see them to the disk."""
        kept = [(key, reply) for key, reply in replies if reply.ending is not Ending.NO_ANSWER]
        lines = [json.dumps({"key": key, **dataclasses.asdict(reply)}, ensure_ascii=True) + "\n" for key, reply in kept]
        with self._lock:
            self._file.write("".join(lines).encode("ascii"))
            self._file.flush()
            os.fsync(self._file.fileno())
            self._known.update(kept)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self) -> int:
        """Take in the file's whole lines; returns how many bytes they have."""
        if not self.path.exists():
            return 0
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            try:
                told = json.loads(line)
                question, agent, turn, digest = told.pop("key")
                reply = Reply(**{**told, "ending": Ending(told["ending"])})
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise UserError(
                    f"{self.path}, line {number}: not a reply of an evaluation ({first_line(error)}): remove the file, "
                    "and the same command asks anew."
                ) from error
            self._known[question, agent, turn, digest] = reply
        return whole


def key_of(ask: Ask, identity: str, prompt: str) -> Key:
    """Under what a reply is kept: the same only where the same is asked of the same."""
    digest = hashlib.sha256(f"{identity}\0{prompt}".encode("utf-8", "surrogatepass")).hexdigest()[:24]
    return ask.question.id, ask.agent, ask.round, digest
