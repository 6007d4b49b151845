"""Train, eval and test told apart: deterministic, by hashes of stable names instead of a random state.

What is held together is a group: a database, a query or a question text. A group never lies on two sides.
"""

import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence

from macsql.config import DataConfig
from macsql.errors import UserError
from macsql.records import SPLITS, Question, Split

GROUPS = ("published", "question", "query", "database")

# what corpora call the three parts
_PARTS: dict[str, Split] = {
    "train": "train", "training": "train",
    "eval": "eval", "evaluation": "eval", "validation": "eval", "valid": "eval", "val": "eval", "dev": "eval",
    "development": "eval",
    "test": "test", "testing": "test",
}  # fmt: skip
_LITERAL = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|\b\d+(?:\.\d+)?\b")


def rank(seed: int, name: str) -> str:
    """A key that sorts names in an order that looks random but depends on the seed and the name alone."""
    return hashlib.sha256(f"{seed}\0{name}".encode("utf-8", "surrogatepass")).hexdigest()


def split_called(word: object) -> Split | None:
    """The split that a corpus's own word means; None for a word that means none of them."""
    return _PARTS.get(word.strip().lower()) if isinstance(word, str) else None


def check_split_by(split_by: str) -> None:
    """Raise UserError for a word that `data.split_by` does not take."""
    if split_by not in GROUPS:
        raise UserError(f"Unknown data.split_by {split_by!r}: it is one of {', '.join(GROUPS)}.")


def normal_text(text: str) -> str:
    """A question's text as far as two of them count as the same: case, spaces and signs aside."""
    return " ".join(re.sub(r"[^\w\s]|_", " ", text.casefold()).split())


def query_shape(sql: str) -> str:
    """A query without its literal values and its case, as the query split of text2sql-data tells queries apart."""
    return " ".join(_LITERAL.sub("?", sql).casefold().split())


def group_of(split_by: str) -> Callable[[Question], str]:
    """Question -> name of the group that stays on one side, for question, query and database."""
    if split_by == "database":
        return lambda question: question.db_id
    if split_by == "query":
        return lambda question: f"{question.db_id}\0{query_shape(question.sql)}"
    return lambda question: f"{question.db_id}\0{normal_text(question.text)}"


def chosen(groups: Iterable[str], fraction: float, seed: int) -> set[str]:
    """About `fraction` of the different groups; at least one, and never all, where there are two or more."""
    names = sorted(set(groups), key=lambda name: rank(seed, name))
    if fraction == 0 or len(names) < 2:
        return set()
    return set(names[: min(len(names) - 1, max(1, round(fraction * len(names))))])


def carve(
    questions: Sequence[Question], part: Split, fraction: float, split_by: str, seed: int, source: Split = "train"
) -> list[Question]:
    """Move about `fraction` of the groups of `source` into `part`; the order of the questions stays."""
    key = group_of(split_by)
    # the part's name is in the seed's place so that test and eval are drawn apart
    names = chosen((f"{part}\0{key(q)}" for q in questions if q.split == source), fraction, seed)
    return [
        dataclasses.replace(q, split=part) if q.split == source and f"{part}\0{key(q)}" in names else q
        for q in questions
    ]


def divide(
    questions: Sequence[Question], split_by: str, eval_fraction: float, test_fraction: float, seed: int
) -> list[Question]:
    """All questions told apart anew by groups, whatever split they had; fractions are shares of all groups."""
    if eval_fraction + test_fraction >= 1:
        raise UserError(
            f"data.eval_fraction {eval_fraction} and data.test_fraction {test_fraction} leave no training data."
        )
    pooled = [dataclasses.replace(question, split="train") for question in questions]
    tested = carve(pooled, "test", test_fraction, split_by, seed)
    return carve(tested, "eval", eval_fraction / (1 - test_fraction), split_by, seed)


def tell_apart(questions: Sequence[Question], data: DataConfig, eval_by: str) -> tuple[list[Question], list[str]]:
    """The questions with their splits as `data` wants them, and sentences about every split that is not published.

    `split_by` "published" keeps the parts that the questions come with: a missing eval part is carved out of train by
    `eval_by`; where the test part is missing, the eval part takes its place. Any other word tells them apart anew.
    """
    notes: list[str] = []
    if data.split_by != "published":
        notes.append(f"Train, eval and test are told apart anew by {data.split_by}: the published parts do not hold.")
        return divide(questions, data.split_by, data.eval_fraction, data.test_fraction, data.seed), notes
    told = list(questions)
    present = {question.split for question in told}
    if present == {"test"}:
        return told, ["There is no train part: questions can be asked, but nothing can be trained."]
    by = eval_by
    if by == "database" and len({q.db_id for q in told if q.split == "train"}) < 2:
        by = "question"  # a single database cannot lie on two sides
    if "test" not in present and "eval" in present:
        told = [dataclasses.replace(q, split="test") if q.split == "eval" else q for q in told]
        notes.append("There is no published test part: its eval questions serve as test.")
    elif "test" not in present:
        told = carve(told, "test", data.test_fraction, by, data.seed)
        notes.append(f"There is no published test part: it is carved out of train by {by}.")
    if not any(question.split == "eval" for question in told):
        told = carve(told, "eval", data.eval_fraction, by, data.seed)
        notes.append(f"There is no published eval part: it is carved out of train by {by}.")
    return told, notes


def limited(questions: Sequence[Question], limit: int | None, seed: int) -> list[Question]:
    """At most `limit` questions of each split, drawn by seed, in the corpus's order."""
    if limit is None:
        return list(questions)
    kept: set[str] = set()
    for split in SPLITS:
        ids = [question.id for question in questions if question.split == split]
        kept.update(sorted(ids, key=lambda name: rank(seed, name))[:limit])
    return [question for question in questions if question.id in kept]
