"""`python -m macsql.build` on a small corpus in Spider's layout: rows that read back, byte for byte the same."""

import io
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from macsql import corpora
from macsql.build import main
from macsql.config import AgentsConfig, DataConfig
from macsql.corpora.chat import read_examples
from macsql.database.sandbox import Sandbox
from macsql.factory.examples import make_examples

REPO = Path(__file__).resolve().parent.parent
TRAIN = [
    ("river", "How many ships are there?", "SELECT count(*) FROM ship"),
    (
        "river",
        "Which ships are longer than average?",
        "SELECT name FROM ship WHERE length  >  (SELECT avg(length) FROM ship)",
    ),
    ("river", "Name the long ones.", "SELECT name FROM ship WHERE length > 50"),
    ("river", "Nobody can tell.", "SELECT colour FROM ship"),
    ("lake", "Show all boats.", "SELECT * FROM boat"),
    ("lake", "Which boats have sails?", "SELECT name FROM boat WHERE sails = 'yes'"),
]
DEV = [("sea", "Which ports are there?", "SELECT name FROM port")]
TABLES = {
    "river": "CREATE TABLE ship (id INTEGER PRIMARY KEY, name TEXT, length INTEGER);"
    "INSERT INTO ship VALUES (1, 'Elbe', 40), (2, 'Oder', 60)",
    "lake": "CREATE TABLE boat (name TEXT, sails TEXT); INSERT INTO boat VALUES ('Kite', 'yes'), ('Log', 'no')",
    "sea": "CREATE TABLE port (name TEXT); INSERT INTO port VALUES ('Emden')",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("river corpus")
    for name, rows in (("train_spider.json", TRAIN), ("dev.json", DEV)):
        entries = [{"db_id": db_id, "question": text, "query": sql} for db_id, text, sql in rows]
        (folder / name).write_text(json.dumps(entries), encoding="utf-8")
    for db_id, script in TABLES.items():
        path = folder / "database" / db_id / f"{db_id}.sqlite"
        path.parent.mkdir(parents=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(script)
    return folder


def build(*settings: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command with these settings, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["macsql.build", *settings])
        patch.setattr(GlobalHydra.instance(), "hydra", None)
        with pytest.raises(SystemExit) as left:
            main()
    return int(left.value.code or 0), out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def built(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("out") / "new" / "rows.jsonl"
    command = [sys.executable, "-m", "macsql.build", "data=spider", f"data.root={root}", f"out={out}"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return out, done.stdout + done.stderr


def test_rows_have_the_layout_of_sql_llama(built: tuple[Path, str]) -> None:
    rows = [json.loads(line) for line in built[0].read_text(encoding="utf-8").splitlines()]
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert [message["role"] for message in row["messages"]][-2:] == ["user", "assistant"]
        assert row["agent"] in ("selector", "decomposer", "refiner")
        assert row["db_id"] in ("river", "lake")
        assert row["question_id"].startswith("spider/train/")
        assert row["split"] in ("train", "eval")
        assert bool(row.get("corruption")) == (row["agent"] == "refiner")
    questions = {
        agent: {row["question_id"] for row in rows if row["agent"] == agent} for agent in ("selector", "refiner")
    }
    assert len(questions["selector"]) == 5
    assert questions["refiner"] <= questions["selector"]


def test_reading_back_gives_the_same_examples(root: Path, built: tuple[Path, str], tmp_path: Path) -> None:
    corpus = corpora.read(DataConfig(format="spider", root=str(root)), tmp_path)
    asked = [question for question in corpus.questions if question.split != "test"]
    with Sandbox(1) as sandbox:
        made = make_examples(asked, corpus.databases, AgentsConfig(style="brief", value_examples=2), sandbox)
    read = read_examples(built[0], strict=True)
    assert read.examples == made.examples
    assert set(read.splits.values()) == {question.split for question in asked}


def test_counts_reasons_and_progress_are_told(built: tuple[Path, str]) -> None:
    out, told = built
    counts = Counter(json.loads(line)["agent"] for line in out.read_text(encoding="utf-8").splitlines())
    assert "Making examples: 6 of 6 questions" in told
    assert re.search(r"from 6 questions \(2 train, 4 eval\)|from 6 questions \(4 train, 2 eval\)", told)
    assert "Not among them: 1 test question, because build.splits is [train,eval]." in told
    for agent, count in counts.items():
        line = next(line for line in told.splitlines() if f" {agent} " in line)
        assert f" {count} " in line
        assert "gold SQL fails: no such column: 1" in line
    assert f"{sum(counts.values())} rows from 6 questions" in told


def test_the_same_bytes_every_time(root: Path, built: tuple[Path, str], tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(root, moved)
    again, other = tmp_path / "again.jsonl", tmp_path / "other.jsonl"
    build("data=spider", f"data.root={moved}", f"out={again}", "metrics.workers=2")
    build("data=spider", f"data.root={root}", f"out={other}", "agents.seed=7")
    assert again.read_bytes() == built[0].read_bytes()
    assert other.read_bytes() != built[0].read_bytes()


def test_mac_sql_rows_are_told_apart_by_their_prompts(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    assert build("data=spider", f"data.root={root}", f"out={out}", "agents=mac_sql")[0] == 0
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    bare = tmp_path / "bare.jsonl"
    bare.write_text("".join(json.dumps({"messages": row["messages"]}) + "\n" for row in rows), encoding="utf-8")
    read = read_examples(bare, strict=True)
    assert not read.unknown
    assert [example.agent for example in read.examples] == [row["agent"] for row in rows]
    assert [example.target for example in read.examples] == [row["messages"][-1]["content"] for row in rows]


def test_the_test_part_stays_out_unless_asked_for(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    assert build("data=spider", f"data.root={root}", f"out={out}", "build.splits=[test]")[0] == 0
    assert {json.loads(line)["db_id"] for line in out.read_text(encoding="utf-8").splitlines()} == {"sea"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["data=spider", "data.root={root}"], "out=FILE"),
        (["data=spider", "data.root={root}", "out={root}"], "is a folder"),
        (["data=spider", "data.root={root}", "out={root}/dev.json/rows.jsonl"], "cannot be written"),
        (["data=spider", "data.root={root}/nowhere", "out={root}/x.jsonl"], "does not exist"),
        (["data=spider", "data.root={root}", "out={root}/x.jsonl", "build.splits=[dev]"], "Unknown part 'dev'"),
        (["data=spider", "data.root={root}", "out={root}/x.jsonl", "agents=long"], "long"),
        (["data=spider", "data.root={root}", "out={root}/x.jsonl", "agents.style=long"], "Unknown agents.style 'long'"),
        (["data=spider", "data.root={root}", "out={root}/x.jsonl", "agents.value_examples=many"], "value_examples"),
    ],
)
def test_a_mistake_gets_one_sentence(root: Path, settings: list[str], words: str) -> None:
    code, _, err = build(*(setting.format(root=root) for setting in settings))
    assert code == 1
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert not (root / "x.jsonl").exists()


def test_rows_on_stdout_are_rows_alone(root: Path, built: tuple[Path, str]) -> None:
    command = [sys.executable, "-m", "macsql.build", "data=spider", f"data.root={root}", "out=/dev/stdout"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=120)
    assert done.stdout == built[0].read_text(encoding="utf-8")
    assert "rows from 6 questions" in done.stderr
    left = subprocess.run(f"{shlex.join(command)} | true", shell=True, cwd=REPO, capture_output=True, text=True)
    assert "Traceback" not in left.stderr


def test_a_pipe_without_a_reader_is_said_before_the_wait(root: Path, built: tuple[Path, str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    command = [sys.executable, "-m", "macsql.build", "data=spider", f"data.root={root}", f"out={tmp_path / 'pipe'}"]
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr.readline() == f"Waiting for a reader of {tmp_path / 'pipe'}.\n"
        assert (tmp_path / "pipe").read_text(encoding="utf-8") == built[0].read_text(encoding="utf-8")
        assert "rows from 6 questions" in process.communicate(timeout=60)[0]


def test_chat_rows_are_not_built_again(built: tuple[Path, str], tmp_path: Path) -> None:
    code, _, err = build("data=chat", f"data.root={built[0]}", f"out={tmp_path / 'x.jsonl'}")
    assert (code, "holds examples already" in err) == (1, True)


def test_a_set_that_does_not_fit_its_database_is_said_first(tmp_path, make_sqlite, write_json):
    make_sqlite(tmp_path / "eat-db.sqlite", "CREATE TABLE T (T_ID INTEGER); INSERT INTO T VALUES (1)")
    sentences = [{"text": f"q {n}", "question-split": "train", "variables": {}} for n in range(3)]
    golds = ["SELECT T.ID FROM T AS T", "SELECT 1 FROM T"]
    entries = [{"sql": [sql], "variables": [], "query-split": "train", "sentences": sentences} for sql in golds]
    entries[1]["sentences"] = sentences[:1]
    write_json(tmp_path / "eat.json", entries)
    code, out, _ = build("data=text2sql", f"data.root={tmp_path}", f"out={tmp_path / 'o.jsonl'}")
    assert code == 0
    assert out.startswith("Warning: 3 of the 4 questions in eat.json have a query that does not run on eat-db.sqlite: ")
    mend = "data.rename={T.ID: T_ID}"
    assert f"({mend} takes it)" in out.splitlines()[0]
    code, out, _ = build("data=text2sql", f"data.root={tmp_path}", f"out={tmp_path / 'o.jsonl'}", mend)
    assert (code, "Warning" in out) == (0, False)


def test_a_corpus_that_gives_no_row_is_an_error_and_leaves_no_file(tmp_path, write_json):
    """As with a database that is there but empty."""
    asked = {"db_id": "sea", "question": "Which?", "query": "SELECT name FROM port"}
    write_json(tmp_path / "train_spider.json", [asked])
    (tmp_path / "database" / "sea").mkdir(parents=True)
    (tmp_path / "database" / "sea" / "sea.sqlite").touch()
    out = tmp_path / "rows.jsonl"
    code, _, err = build("data=spider", f"data.root={tmp_path}", f"out={out}")
    assert code == 1
    assert err.splitlines()[-1].startswith(f"No row can be made for out={out}: of 1 question none gives one (")
    assert not out.exists()


def test_no_worker_at_all_is_named_by_its_key(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    code, _, error = build("data=spider", f"data.root={root}", f"out={out}", "metrics.workers=0")
    assert (code, error) == (1, "metrics.workers=0: at least 1 is needed.\n")
