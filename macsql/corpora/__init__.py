"""Questions and their databases, read from a folder in the corpus's published layout: one module a format."""

import importlib
from pathlib import Path

from macsql.config import DataConfig
from macsql.corpora.corpus import Corpus, fingerprint, place
from macsql.errors import UserError

__all__ = ["FORMATS", "Corpus", "fingerprint", "places", "read"]

FORMATS = ("pocket", "synthetic", "spider", "bird", "text2sql", "chat")  # a format is the module of its name


def read(data: DataConfig, state_dir: Path) -> Corpus:
    """The corpus that `data` describes, its questions told apart into train, eval and test.

    `state_dir` is where the project keeps databases that it makes itself (pocket). The same `data` and the same files
    give the same corpus on every machine. Raises UserError where the format is unknown, the folder is missing or holds
    another layout: the sentence says what was found and what is expected.
    """
    if data.format not in FORMATS:
        raise UserError(f"Unknown data.format {data.format!r}: it is one of {', '.join(FORMATS)}.")
    if data.rename and data.format != "text2sql":
        raise UserError(f"data.rename is for data=text2sql: the queries of data={data.format} are taken as they are.")
    corpus: Corpus = importlib.import_module(f"macsql.corpora.{data.format}").read(data, Path(state_dir))
    return corpus


def places(data: DataConfig, state_dir: Path) -> list[Path]:
    """The files and folders that `read` reads: while nothing in them changes, neither does the corpus."""
    if data.format == "pocket":
        from macsql.corpora.pocket import keep

        return list(keep(Path(state_dir)).values())
    given = {"data.root": data.root, "data.database_root": data.database_root}
    return [place(key, path) for key, path in given.items() if path]
