"""Spider in its published layout."""

from pathlib import Path

from macsql.config import DataConfig
from macsql.corpora.corpus import Corpus, existing_root, other_layout
from macsql.corpora.layout import Problems, corpus_of, open_databases, read_rows, with_database
from macsql.database.tables_json import read_tables_json
from macsql.records import Question, Split

LAYOUT = "Spider's layout: train_spider.json and dev.json (or one of them), tables.json and database/DB/DB.sqlite"
PARTS: tuple[tuple[str, str, Split], ...] = (
    ("train", "train_spider.json", "train"),
    ("others", "train_others.json", "train"),  # older data sets in Spider's form; they belong to its training part
    ("dev", "dev.json", "test"),
)


def read(data: DataConfig, state_dir: Path) -> Corpus:  # noqa: ARG001  (all formats read alike)
    """Spider's questions: dev is test and eval a share of the training DATABASES, unless `data.split_by` says else."""
    root = existing_root(data.root, LAYOUT)
    files = [(part, root / name, split) for part, name, split in PARTS if (root / name).is_file()]
    if not files or not (root / "database").is_dir():
        raise other_layout(root, LAYOUT)
    problems = Problems(data.strict)
    questions = []
    for part, path, split in files:
        for number, row in read_rows(path, ("db_id", "question", "query"), problems):
            text = " ".join(row["question"].split())
            questions.append(
                Question(f"spider/{part}/{number:05d}", row["db_id"], text, row["query"].strip(), split=split)
            )
    schemas = read_tables_json(root / "tables.json") if (root / "tables.json").is_file() else {}
    databases = open_databases((q.db_id for q in questions), root / "database", schemas, problems)
    return corpus_of(root, with_database(questions, databases, problems), databases, data, problems)
