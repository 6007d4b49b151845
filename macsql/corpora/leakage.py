"""Whether what is tested was seen before: in training, or by the checkpoint that training starts from."""

from collections.abc import Sequence
from dataclasses import dataclass

from macsql.corpora.corpus import Corpus
from macsql.corpora.splits import normal_text
from macsql.counts import counted
from macsql.records import Question

# other names of a corpus, and corpora that its rows come from
_KIN = {"geography": ("geoquery",), "chat": ("bird", "sql-llama")}


@dataclass(frozen=True)
class Leakage:
    """What train or eval share with test."""

    tested: int  # test questions
    questions: tuple[str, ...]  # ids of test questions whose text, signs and case aside, is asked in train or eval too
    same_answer: int  # those of them that have the same query and database there: nothing is left to find out
    databases: tuple[str, ...]  # databases on both sides

    def sentences(self) -> list[str]:
        """What was found in words; nothing of what was not."""
        told = []
        if self.questions:
            told.append(
                f"{len(self.questions)} of {self.tested} test questions are asked in train or eval in the same words, "
                f"{self.same_answer} with the same query and database ({', '.join(self.questions[:3])}…)."
            )
        if self.databases:
            shown = ", ".join(self.databases[:5]) + (", …" if len(self.databases) > 5 else "")
            told.append(
                f"Train and test share {counted(len(self.databases), 'database')} ({shown}): "
                "schemas are not new to the model."
            )
        return told


def check(corpus: Corpus) -> Leakage:
    """Compare the test questions of a corpus with its other questions."""
    tested = corpus.of("test")
    seen: dict[str, list[Question]] = {}
    for question in (*corpus.of("train"), *corpus.of("eval")):
        seen.setdefault(normal_text(question.text), []).append(question)
    shared = [question for question in tested if normal_text(question.text) in seen]
    same = [
        question for question in shared if any(_same(question, other) for other in seen[normal_text(question.text)])
    ]
    databases = {question.db_id for question in tested} & {q.db_id for known in seen.values() for q in known} - {""}
    return Leakage(len(tested), tuple(q.id for q in shared), len(same), tuple(sorted(databases)))


def suspects(corpus: str, known_training_data: Sequence[str]) -> tuple[str, ...]:
    """The corpora of a checkpoint's known training data that the corpus of this name belongs to.

    A name fits where it contains the corpus's name or one of its kin: chat rows come from BIRD.
    """
    names = (corpus, *_KIN.get(corpus, ()))
    return tuple(known for known in known_training_data if any(name in known.lower() for name in names))


def warning(suspect: str) -> str:
    """What a suspect means, in a sentence."""
    return f"The base checkpoint may have seen {suspect}: scores on it may be too good."


def _same(question: Question, other: Question) -> bool:
    return question.db_id == other.db_id and question.sql.split() == other.sql.split()
