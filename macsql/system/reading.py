"""Text and JSON that others wrote, read as it was meant or refused with the true reason.

A byte-order mark is no part of a text, and UTF-16 is told by its mark or by JSON's own first signs. Half a surrogate
pair, which JSON can spell and no file can hold, becomes the replacement character.
"""

import json
import math
import re
from pathlib import Path
from typing import Any

from macsql.errors import UserError, first_line

_HALF = re.compile("[\ud800-\udfff]")


def read_bytes(path: Path) -> bytes:
    """What a file holds. Raises UserError with the system's reason where it cannot be read."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({getattr(error, 'strerror', None) or first_line(error)}).") from error


def decoded(content: bytes, path: Path) -> str:
    """A file's text. Raises UserError where the bytes do not fit the encoding that they begin with."""
    try:
        return content.decode(json.detect_encoding(content))
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not {error.encoding.upper()} text ({error.reason} at byte {error.start}): save it as UTF-8."
        ) from error


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises UserError where it cannot be read, or is no JSON."""
    text = decoded(read_bytes(path), path)
    try:
        return parsed(text)
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}).") from error


def parsed(text: str) -> Any:
    """What a JSON text says. Raises ValueError with a short reason."""
    try:
        value = json.loads(text)
        return mended(value) if "\\u" in text else value
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except ValueError as error:
        raise ValueError(first_line(error)) from error


def mended(value: Any) -> Any:
    """The value with each half of a surrogate pair, in keys too, replaced."""
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, list):
        return [mended(item) for item in value]
    if isinstance(value, dict):
        return {mended(key): mended(item) for key, item in value.items()}
    return value


def text_of(value: Any) -> str:
    """The text that a value of JSON is: its own, or a number's digits; "" for null, NaN and what is no text at all."""
    if isinstance(value, str):
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return str(value) if number else ""


def absent(value: Any) -> bool:
    """Whether a value stands for none: null, NaN or a blank text, as tables write what is not there."""
    return value is None or value != value or (isinstance(value, str) and not value.strip())
