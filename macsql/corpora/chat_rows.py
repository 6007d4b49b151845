"""Rows of chat files, whatever layout their turns have: who says what.

    messages        [{"role": "user", "content": TEXT or parts}, ...]     OpenAI, SQL-Llama, `macsql.build`
    conversations   [{"from": "human", "value": TEXT}, ...]               ShareGPT
    instruction, input, output                                            Alpaca
    prompt, completion                                                    TRL; texts, or lists of messages

A file has one object per line, or is one JSON array. A row is one question to an agent and its answer, behind any
number of system turns; what else it may be is refused with the reason.
"""

import codecs
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from macsql.errors import shown
from macsql.system.reading import absent, decoded, parsed, read_bytes

_SAID_BY = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant",
}  # fmt: skip
_LISTS = ("messages", "conversations", "conversation")


class MalformedError(Exception):
    """What is wrong with a row, in words."""


class Turns(NamedTuple):
    """What a row says."""

    system: str  # "" where there is no such turn, or a blank one
    user: str
    assistant: str


def read_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any] | MalformedError]]:
    """(number from 1, row or what is wrong with it) for each line that is not blank, or item of an array.

    Raises UserError where the file cannot be read.
    """
    content = read_bytes(path).removeprefix(codecs.BOM_UTF8)
    encoding = json.detect_encoding(content)
    begins = content[:4096].decode(encoding, errors="replace").lstrip()[:1]
    if begins == "[" and (items := _items(content)) is not None:
        yield from ((number, _row(item)) for number, item in enumerate(items, start=1))
        return
    # in UTF-8 a line that is not leaves the others whole
    lines = content.split(b"\n") if encoding.startswith("utf-8") else decoded(content, path).encode().split(b"\n")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield number, _row(parsed(line.decode("utf-8-sig")))
            except UnicodeDecodeError as error:
                yield number, MalformedError(f"not JSON in UTF-8 ({error.reason} at byte {error.start})")
            except ValueError as error:
                yield number, MalformedError(f"not JSON ({error})")


def turns_of(row: Mapping[str, Any]) -> Turns:
    """The turns of a row. Raises MalformedError with the reason why they are none to train on."""
    said = _said(row)
    system = []
    while said and said[0][0] == "system":
        system.append(said.pop(0)[1])
    if not said:
        raise MalformedError("no turns" + (" but of the system" if system else ""))
    if [role for role, _ in said] != ["user", "assistant"]:
        roles = ", ".join(role for role, _ in said[:6]) + (", …" if len(said) > 6 else "")
        raise MalformedError(f"turns of [{roles}] where one of a user and one of an assistant are expected")
    (_, user), (_, assistant) = said
    for role, text in said:
        if not text.strip():
            raise MalformedError(f"an empty {role} turn")
    return Turns("\n".join(text for text in system if text.strip()), user, assistant)


def _items(content: bytes) -> list[Any] | None:
    """The items of a file that is one JSON array; None for another, as for lines that hold an array each."""
    try:
        value = parsed(content.decode(json.detect_encoding(content)))
    except ValueError:
        return None
    return value if isinstance(value, list) else None


def _row(value: Any) -> Mapping[str, Any] | MalformedError:
    return value if isinstance(value, dict) else MalformedError(f"an object is expected, not {shown(value)}")


def _said(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(role, text) of each turn."""
    row = {key: value for key, value in row.items() if isinstance(value, str) or not absent(value)}
    for key in _LISTS:
        if key in row:
            return _listed(key, row[key])
    if "instruction" in row and "output" in row:
        if row.get("history"):
            raise MalformedError("a `history` of earlier turns, where one question and one answer are expected")
        asked = [_text("instruction", row["instruction"]), _text("input", row.get("input", ""))]
        system = _text("system", row.get("system", ""))
        turns = [("user", "\n".join(text for text in asked if text.strip()))]
        return [*([("system", system)] if system else []), *turns, ("assistant", _text("output", row["output"]))]
    if "prompt" in row and "completion" in row:
        prompt, completion = row["prompt"], row["completion"]
        if isinstance(prompt, list) and isinstance(completion, list):
            return _listed("prompt", prompt) + _listed("completion", completion)
        return [("user", _text("prompt", prompt)), ("assistant", _text("completion", completion))]
    raise MalformedError("no `messages`, `conversations`, `instruction` and `output`, or `prompt` and `completion`")


def _listed(key: str, turns: Any) -> list[tuple[str, str]]:
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise MalformedError(f"no list of turns under `{key}`")
    said = []
    for turn in turns:
        own = turn.get("role", turn.get("from"))
        role = _SAID_BY.get(own.strip().lower()) if isinstance(own, str) else None
        if role is None:
            raise MalformedError(f"a turn of the role {shown(own)}, where system, user and assistant are known")
        said.append((role, _text(f"{role} turn", turn.get("content", turn.get("value")))))
    return said


def _text(whose: str, content: Any) -> str:
    """A text, or the texts of its parts together."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_part(whose, part) for part in content)
    raise MalformedError(f"{whose}: {shown(content)} is not a text")


def _part(whose: str, part: Any) -> str:
    text = part.get("text") if isinstance(part, dict) else part
    if not isinstance(text, str):
        kind = part.get("type") if isinstance(part, dict) else part
        raise MalformedError(f"{whose}: a part that is not a text ({shown(kind)})")
    return text
