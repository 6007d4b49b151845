"""What a command prints reaches whoever listens: in any encoding, and work goes on when nobody listens any more."""

import codecs
import errno
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from macsql.errors import UserError, first_line

LONGEST = 600  # letters of a sentence about a mistake; what is longer loses its middle
HEAD = 400
GONE = {errno.EPIPE, errno.EIO, errno.ESHUTDOWN}  # a closed pipe, a closed terminal
PLAIN = {"·": "-", "–": "-", "—": "-", "×": "x", "…": "...", "→": "->", "−": "-", "±": "+-", "≤": "<=", "≥": ">="}


def say(line: str) -> None:
    """Print a line now. Whoever listened may be gone (a closed terminal, a `| tee` that Ctrl-C ended): work goes on."""
    try:
        print(line, flush=True)
    except OSError:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 open to the end


def guarded(run: Callable[[], int | None]) -> int:
    """Run a command line; returns its exit code.

    That is what `run` returns (None is 0), 1 with one sentence on stderr for a mistake of the user's or output that
    could not be written, 130 for Ctrl-C.
    """
    streams = lasting_streams()
    try:
        code = run() or 0
    except UserError as error:
        print(one_line(str(error)), file=sys.stderr)
        code = 1
    except OSError as error:  # a file of the user's that cannot be read: missing rights, a name that is too long
        if error.filename is None:
            raise
        print(one_line(f"{error.filename} cannot be used ({error.strerror})."), file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        code = 130
    for stream in streams:
        stream.flush()
        if lost := stream.buffer.raw.lost:
            print(f"The output could not be written completely ({lost}): send it elsewhere.", file=sys.stderr)
            code = code or 1
    return code


def one_line(text: str) -> str:
    """A sentence as one line without control characters, which a file's content may have brought in, cut to LONGEST."""
    line = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in " ".join(text.split()))
    return line if len(line) <= LONGEST else f"{line[:HEAD]} … {line[HEAD - LONGEST + 3 :]}"


def lasting_streams() -> list[Any]:
    """Put streams in place of stdout and stderr that take every text and outlive their reader; returns them.

    What the encoding lacks is written in plain letters or as an escape. Streams that are no file of the process's own,
    as under test, stay.
    """
    placed = []
    for name, number in (("stdout", 1), ("stderr", 2)):
        old = getattr(sys, name)
        if old is None:  # closed before the start, as by `>&-`
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 open to the end
        elif old is getattr(sys, f"__{name}__") and type(old) is io.TextIOWrapper and old.fileno() == number:
            old.flush()
            raw = _Lasting(number, "w", closefd=False)
            lines = old.line_buffering or old.write_through
            new = io.TextIOWrapper(io.BufferedWriter(raw), old.encoding, "macsql.plain", line_buffering=lines)
            setattr(sys, name, new)
            placed.append(new)
        elif isinstance(getattr(getattr(old, "buffer", None), "raw", None), _Lasting):  # of an earlier call
            placed.append(old)
    return placed


class _Lasting(io.FileIO):
    """A file descriptor that takes what nobody reads any more, and remembers whether something else was in the way."""

    lost = ""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            if error.errno not in GONE:
                self.lost = error.strerror or first_line(error)
            return len(data)


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    if plain := PLAIN.get(error.object[error.start]):
        return plain, error.start + 1
    escaped, _ = codecs.backslashreplace_errors(
        UnicodeEncodeError(error.encoding, error.object, error.start, error.start + 1, error.reason)
    )
    return escaped, error.start + 1


codecs.register_error("macsql.plain", _plain)
