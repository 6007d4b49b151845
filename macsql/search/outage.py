"""A study's database that is away for a while, and what a running sweep does about it: it waits."""

import time
from collections.abc import Callable, Iterator

from macsql.errors import UserError, first_line

PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0)  # seconds before each further attempt; the last one again and again


class StudyAway(UserError):
    """Somebody has asked the sweep to stop while it waited."""


class Outage:
    """Waits for the database. Trials know nothing of it: they run on, and their folders keep what they give."""

    def __init__(self, renew: Callable[[], bool], interrupted: Callable[[], bool], say: Callable[[str], None]) -> None:
        """`renew` makes sure of the study's lock again: False while the database does not answer."""
        self.renew, self.interrupted, self.say = renew, interrupted, say

    def attempts(self, error: Exception) -> Iterator[None]:
        """Yields whenever it is worth asking again; endless. Raises StudyAway when interrupted while waiting."""
        reason = _reason(error)
        self.say(
            f"The study's database does not answer ({reason}); trials go on, and the sweep goes on when it is back."
        )
        attempt = 0
        while True:
            self._sleep(PAUSES[min(attempt, len(PAUSES) - 1)], reason)
            attempt += 1
            if self.renew():
                yield

    def over(self) -> None:
        """It has answered."""
        self.say("The study's database is back.")

    def _sleep(self, seconds: float, reason: str) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.interrupted():
                raise StudyAway(
                    f"Stopped while the study's database did not answer ({reason}): the same command goes on from here."
                )
            time.sleep(0.05)


def is_outage(error: BaseException | None) -> bool:
    """Whether an operation failed for the database's sake: gone, restarting, locked, its disk full."""
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

    while error is not None:
        if isinstance(error, OperationalError | InterfaceError):
            return True
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            return True
        error = error.__cause__
    return False


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error)
