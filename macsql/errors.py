"""The one exception a user is meant to see, and the short form of all others."""

LONGEST = 300  # letters of an error's text that a sentence quotes


class UserError(Exception):
    """Bad input, told in one sentence that names the thing and says what would be right.

    Commands print the sentence to stderr and exit with code 1; nothing else in the house catches it.
    """


def first_line(error: BaseException) -> str:
    """The first line of what an error says, cut to LONGEST and without its full stop; its type if it says nothing."""
    lines = str(error).strip().splitlines()
    line = lines[0].strip().rstrip(".") if lines else ""
    if len(line) > LONGEST:
        line = line[: LONGEST - 1] + "…"
    return line or type(error).__name__


def with_type(error: BaseException) -> str:
    """The same with the error's type in front, which often says more: "ValueError: 3 is too few"."""
    name, line = type(error).__name__, first_line(error)
    return line if line == name else f"{name}: {line}"


def shown(value: object) -> str:
    """A value of JSON or YAML as a sentence quotes it, cut to 60 letters."""
    text = repr(value)
    text = {"None": "null", "True": "true", "False": "false"}.get(text, text)
    return text if len(text) <= 60 else f"{text[:59]}…"
