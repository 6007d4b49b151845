"""What a process that ran a model's SQL sends back, read without trusting it: plain values, nothing to import."""

import io
import pickle
from pathlib import Path
from typing import IO, Any

# Appended to the path of such a process, so that nothing installed beside the package can take the place of a module of
# the standard library.
PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])


class PlainUnpickler(pickle.Unpickler):
    """Reads plain values; a name of something to import is an error, whoever wrote it."""

    def find_class(self, module: str, name: str) -> Any:
        """Refuse."""
        raise pickle.UnpicklingError(f"{module}.{name} has no place in an answer")


def load_plain(data: bytes | IO[bytes]) -> Any:
    """The next value. Raises pickle.UnpicklingError for anything but plain values, and what a cut pickle raises."""
    return PlainUnpickler(io.BytesIO(data) if isinstance(data, bytes) else data).load()
