"""Counts in sentences: "1 question", "3 questions"."""


def counted(count: int, one: str, several: str = "") -> str:
    """A number and what there are so many of; `several` where it is not `one` with an s."""
    return f"{count} {one if count == 1 else several or f'{one}s'}"
