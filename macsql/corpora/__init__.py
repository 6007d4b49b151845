"""Questions and their databases, read from a folder in the corpus's published layout: one module per format."""

import importlib
from pathlib import Path

from macsql.config import DataConfig
from macsql.corpora.corpus import Corpus, existing_root, fingerprint, place
from macsql.corpora.splits import check_split_by
from macsql.errors import UserError

__all__ = ["FORMATS", "Corpus", "check", "fingerprint", "places", "read"]

FILES = ("synthetic", "chat")  # formats whose data.root may be one file
FORMATS = ("pocket", "synthetic", "spider", "bird", "text2sql", "chat")  # a format is the module of its name


def read(data: DataConfig, state_dir: Path) -> Corpus:
    """The corpus that `data` describes, its questions told apart into train, eval and test.

    `state_dir` is where the project keeps databases that it makes itself (pocket). The same `data` and the same files
    give the same corpus on every machine. Raises UserError where the format is unknown, the folder is missing or holds
    another layout: the sentence says what was found and what is expected.
    """
    check(data)
    corpus: Corpus = importlib.import_module(f"macsql.corpora.{data.format}").read(data, Path(state_dir))
    return corpus


def check(data: DataConfig) -> None:
    """Raise UserError for what can be wrong with the configuration before a file is read."""
    if data.format not in FORMATS:
        raise UserError(f"Unknown data.format {data.format!r}: it is one of {', '.join(FORMATS)}.")
    check_split_by(data.split_by)
    layout = getattr(importlib.import_module(f"macsql.corpora.{data.format}"), "LAYOUT", None)
    one_file = data.format in FILES and data.root and place("data.root", data.root).is_file()
    if layout and not one_file:
        existing_root(data.root, layout)
    for key, share in (("eval_fraction", data.eval_fraction), ("test_fraction", data.test_fraction)):
        if not 0 <= share < 1:
            raise UserError(f"data.{key}={share} is not a share of the data: write a number from 0 to below 1.")
    if data.limit is not None and data.limit < 1:
        raise UserError(f"data.limit must be at least 1, not {data.limit}: null takes all there are.")
    if data.rename and data.format != "text2sql":
        raise UserError(f"data.rename is for data=text2sql: the queries of data={data.format} are taken as they are.")


def places(data: DataConfig, state_dir: Path) -> list[Path]:
    """The files and folders that `read` reads: while nothing in them changes, neither does the corpus."""
    if data.format == "pocket":
        from macsql.corpora.pocket import keep

        return list(keep(Path(state_dir), data.databases).values())
    given = {"data.root": data.root, "data.database_root": data.database_root}
    return [place(key, path) for key, path in given.items() if path]
