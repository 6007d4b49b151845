"""The pipeline on a benchmark: a model of random weights, the gold SQL or nobody in the seats; kills in between."""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from macsql import corpora
from macsql.comparison.evaluated import FOLDER, evaluations
from macsql.config import Config, DataConfig, validate
from macsql.corpora import Corpus
from macsql.errors import UserError
from macsql.evaluate import Evaluation, check
from macsql.evaluation.cells import benchmark_of, cells_of
from macsql.evaluation.matrix import worths
from macsql.pipeline.memory import Journal
from macsql.pipeline.seating import Seating
from macsql.pipeline.turns import Ending, Reply
from macsql.protocols.bench import Score
from macsql.records import Question

WHOSE_SEATS = ("Selector", "Decomposer", "Refiner")
GOLD = ["SELECT name FROM vessel", "SELECT count(*) FROM landing", "SELECT max(built) FROM vessel"]


@pytest.fixture(scope="module")
def spider(tmp_path_factory, ferries) -> Path:
    """Twelve questions in Spider's layout."""
    root = tmp_path_factory.mktemp("spider")
    (root / "database" / "ferries").mkdir(parents=True)
    shutil.copy(ferries.path, root / "database" / "ferries" / "ferries.sqlite")
    words = ["What are the names of all ships?", "How many landings are there?", "When was the newest built?"]
    rows = [
        {"db_id": "ferries", "question": f"{words[n % 3]}{' Tell me.' * (n // 3)}", "query": GOLD[n % 3]}
        for n in range(12)
    ]
    (root / "dev.json").write_text(json.dumps(rows), encoding="utf-8")
    return root


def configured(spider: Path, state: Path, model: Path | None = None, **seats) -> Config:
    return validate(
        OmegaConf.create(
            {
                "data": {"format": "spider", "root": str(spider)},
                "agents": {"style": "brief"},
                "codec": {"name": "marks"},
                "mixture": {"name": "real"},
                "model": {"name": "pocket"},
                "generation": {"batch_size": 5, "max_new_tokens": 6},
                "search": {"sampler": "grid"},
                "executor": {"name": "local"},
                "tracking": {"state_dir": str(state)},
                "seats": {"model": str(model) if model else None, "skip_small": False, **seats},
                "evaluate": {"export": ["spider", "bird", "mac-sql"]},
            }
        )
    )


def evaluated(config: Config) -> Evaluation:
    check(config)
    state = Path(config.tracking.state_dir)
    evaluation = Evaluation(config, Seating(config.seats, config.generation, state), corpora.read(config.data, state))
    assert evaluation.run() == 0
    return evaluation


def left(folder: Path) -> dict[str, str]:
    """What an evaluation left that does not hang on the clock."""
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".jsonl", ".sql", ".csv", ".md", ".svg") and path.name != "answers.jsonl"
    }


def no_mlflow(monkeypatch):
    monkeypatch.setattr("macsql.tracking.evaluations.record_evaluation", lambda *_: None)


def test_the_oracle_scores_all_points_and_leaves_the_official_files(spider, tmp_path, capsys):
    seats = dict.fromkeys(("selector", "decomposer", "refiner"), "oracle")
    config = configured(spider, tmp_path, **seats)
    config.tracking.trace = True
    folder = evaluated(config).folder
    [one] = evaluations(tmp_path)
    assert one.scores == {"spider-ex": 1.0, "spider-em": 1.0, "bird-steps": 1.0}
    assert (one.questions, one.part, one.name, one.limited) == (12, "dev", "oracle", False)
    assert one.metrics["selector/answerable"] == one.metrics["decomposer/execution_accuracy"] == 1.0
    assert (folder / "model" / "spider" / "pred.sql").read_text().splitlines() == GOLD * 4
    assert len(json.loads((folder / "model" / "bird" / "predict.json").read_text())) == 12
    said = capsys.readouterr().out
    assert "100.0 (74-100)" in said
    assert "GPT-4 (poster)" in said
    assert "100 (n = 12 of 1034)" in said
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    [run] = client.search_runs([client.get_experiment_by_name("evaluate").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["pipeline/spider-ex"] == 1.0
    assert run.data.params["seats.decomposer"] == "oracle"
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {
        *("predictions.jsonl", "turns.jsonl", "verdicts.jsonl"),
    }
    traces = client.search_traces([run.info.experiment_id])
    assert {trace.info.tags["macsql.question"] for trace in traces} == {f"spider/dev/{n:05d}" for n in range(12)}
    assert {span.outputs["sql"] for trace in traces for span in trace.data.spans if span.name == "decomposer"} == {
        *GOLD
    }


def test_an_evaluation_cut_off_anywhere_ends_as_one_that_was_not(spider, tiny_model, tmp_path, monkeypatch):
    no_mlflow(monkeypatch)
    config = configured(spider, tmp_path / "whole", tiny_model)
    folder = evaluated(config).folder
    journal, expected = (folder / "answers.jsonl").read_bytes(), left(folder)
    assert journal.count(b"\n") == 24  # Selector and Decomposer; a model of random weights writes nothing to refine
    dice = random.Random(0)
    for place in (len(journal) - 1, dice.randrange(len(journal))):
        state = tmp_path / str(place)
        again = state / FOLDER / folder.name
        again.mkdir(parents=True)
        (again / "answers.jsonl").write_bytes(journal[:place])
        assert evaluated(configured(spider, state, tiny_model)).folder == again
        assert left(again) == expected
    asked = []
    monkeypatch.setattr("macsql.pipeline.seats.ModelSeat._written", lambda *_: asked.append(1))
    evaluated(config)
    assert not asked
    assert (folder / "answers.jsonl").read_bytes() == journal


def test_the_matrix_says_what_each_agent_is_worth(spider, tiny_model, tmp_path, monkeypatch, capsys):
    no_mlflow(monkeypatch)
    evaluated(configured(spider, tmp_path, tiny_model, matrix=True))
    cells = {one.cell: one for one in evaluations(tmp_path)}
    assert set(cells) == {
        "model",
        *(f"{a} {w}" for a in ("selector", "decomposer", "refiner") for w in ("oracle", "none")),
    }
    assert cells["decomposer oracle"].scores["spider-ex"] == 1.0
    assert cells["decomposer none"].scores["spider-ex"] == 0.0
    assert cells["selector oracle"].seats["selector"] == "oracle"
    said = capsys.readouterr().out
    assert "What each agent is worth" in said
    assert "+100.0 (+100.0 to +100.0; 12 : 0)" in said
    assert "+0.0 (no question differs)" in said
    [folder] = (tmp_path / FOLDER).iterdir()
    assert "| Decomposer | +0.0 (no question differs) | 1 | +100.0 (+100.0 to +100.0; 12 : 0) | 0.0029 | 12 |" in (
        folder / "evaluation.md"
    ).read_text(encoding="utf-8")
    with (folder / "questions.csv").open(encoding="utf-8") as file:
        marks = list(csv.DictReader(file))
    assert list(marks[0]) == ["id", *cells]
    assert {(row["model"], row["decomposer oracle"]) for row in marks} == {("0", "1")}
    drawn = ElementTree.parse(folder / "seats.svg").getroot()
    told = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {f"{who}: {what}" for who in WHOSE_SEATS for what in ("nobody", "the gold SQL")} <= set(told)


def test_points_are_taken_question_by_question():
    right, wrong, none = Score(True), Score(False), Score(None)
    scores = {
        "model": [right, right, wrong, none],
        "refiner none": [wrong, right, wrong, right],
        "refiner oracle": [right, right, right, right],
    }
    [row] = worths(scores)
    assert row.agent == "refiner"
    assert [(c.questions, c.better, c.worse, c.told_apart) for c in (row.gains, row.loses)] == [(3, 1, 0, False)] * 2
    assert row.gains.points.value == row.loses.points.value == pytest.approx(1 / 3)
    assert row.gains.points.low <= 1 / 3 <= row.gains.points.high


def test_the_tests_of_one_matrix_are_adjusted_for_their_number():
    """8 of 8 questions: McNemar's exact p is 2 / 2**8; two tests double it (Holm)."""
    right, wrong = [Score(True)] * 8, [Score(False)] * 8
    assert worths({"model": right, "decomposer none": wrong})[0].gains.p == pytest.approx(2 / 2**8)
    [row] = worths({"model": right, "decomposer none": wrong, "decomposer oracle": right})
    assert (row.gains.p, row.loses.p) == (pytest.approx(4 / 2**8), 1.0)
    assert (row.gains.told_apart, row.loses.told_apart) == (True, False)


def test_a_seat_that_is_as_configured_is_no_row_of_the_matrix(spider, tmp_path):
    cells = cells_of(configured(spider, tmp_path, matrix=True, refiner="none").seats)
    assert [cell.name for cell in cells if "refiner" in cell.name] == ["refiner oracle"]


@pytest.mark.parametrize(
    ("name", "data", "split", "expected"),
    [
        ("geography", {"format": "text2sql"}, "test", ("geoquery", "question")),
        ("geography", {"format": "text2sql", "split_by": "query"}, "test", ("geoquery", "query")),
        ("geography", {"format": "text2sql"}, "eval", ("text2sql", "eval")),
        ("restaurants", {"format": "text2sql"}, "test", ("text2sql", "test")),
        ("spider", {"format": "spider"}, "test", ("spider", "dev")),
        ("pocket", {"format": "pocket"}, "test", ("pocket", "test")),
    ],
)
def test_a_part_is_called_as_published_figures_call_it(name, data, split, expected):
    asked = [Question(f"{name}/dev/{number:05d}", "d", "how many?", "SELECT 1") for number in range(2)]
    config = Config(data=DataConfig(**data))
    config.evaluate.split = split
    assert benchmark_of(Corpus(name, tuple(asked), {}, {}, ()), config, asked) == expected


def test_test_suite_scores_stand_beside(spider, tmp_path, monkeypatch):
    no_mlflow(monkeypatch)
    suite = tmp_path / "suite" / "database" / "ferries"
    shutil.copytree(spider / "database" / "ferries", suite)
    shutil.copy(suite / "ferries.sqlite", suite / "other.sqlite")
    seats = dict.fromkeys(("selector", "decomposer", "refiner"), "oracle")
    config = configured(spider, tmp_path, **seats)
    config.evaluate.test_suite = str(tmp_path / "suite")
    evaluated(config)
    assert evaluations(tmp_path)[0].scores["spider-ex (test suite)"] == 1.0
    (tmp_path / "empty").mkdir()
    config.evaluate.test_suite = str(tmp_path / "empty")
    with pytest.raises(UserError, match=r"has no ferries/\*\.sqlite"):
        evaluated(config)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("evaluate.split", "dev", "the parts are train, eval, test"),
        ("evaluate.protocols", ["spider-xe"], "names 'spider-xe': choose from spider-em"),
        ("evaluate.export", ["csv"], "the formats are spider, bird, mac-sql"),
        ("seats.selector", "gpt", "seats.selector=gpt: choose one of model"),
        ("seats.models", {"planner": "x"}, "the agents are selector"),
        ("seats.rounds", 99, "from 0 to 20"),
        ("seats.refine", "never", "choose one of all, errors"),
        ("seats.bf16", "half", "seats.bf16=half: write true, false or auto"),
        ("seats.style", "old", "choose one of mac_sql, brief"),
        ("data.format", "chat", "holds examples of single agents"),
    ],
)
def test_a_mistake_is_one_sentence(spider, tmp_path, key, value, words):
    tree = OmegaConf.structured(configured(spider, tmp_path))
    OmegaConf.update(tree, key, value)
    with pytest.raises(UserError, match=words):
        check(validate(tree))


def test_a_part_without_questions(spider, tmp_path):
    config = configured(spider, tmp_path, **dict.fromkeys(("selector", "decomposer", "refiner"), "oracle"))
    config.evaluate.split = "train"
    with pytest.raises(UserError, match=r"there are 0 train, 0 eval, 12 test"):
        evaluated(config)


@pytest.mark.parametrize("text", ['{"a": 1}', "[]", "nonsense", '{"key": ["q"], "ending": "answered"}'])
def test_a_journal_of_something_else_is_named(tmp_path, text):
    path = tmp_path / "answers.jsonl"
    path.write_text(text + "\n")
    with pytest.raises(UserError, match=r"answers\.jsonl, line 1: not a reply"):
        Journal(path)


def test_a_question_that_nobody_answered_is_asked_again(tmp_path):
    journal = Journal(tmp_path / "a.jsonl")
    journal.put(
        [(("q", "decomposer", 0, "x"), Reply("p", ending=Ending.NO_ANSWER)), (("r", "refiner", 1, "y"), Reply("é"))]
    )
    journal.close()
    again = Journal(tmp_path / "a.jsonl")
    assert again.get(("q", "decomposer", 0, "x")) is None
    assert again.get(("r", "refiner", 1, "y")) == Reply("é")
    assert len(again) == 1


@pytest.mark.slow
def test_a_killed_evaluation_goes_on(spider, tiny_model, tmp_path):
    """kill -9 in the middle, three times; the same command ends as an undisturbed one."""

    def command(state: Path) -> list[str]:
        keys = [f"data.root={spider}", f"seats.model={tiny_model}", f"tracking.state_dir={state}"]
        more = ["data=spider", "generation.batch_size=1", "seats.skip_small=false", "generation.max_new_tokens=200"]
        return [sys.executable, "-m", "macsql.evaluate", *keys, *more]

    def start(state: Path) -> subprocess.Popen:
        return subprocess.Popen(
            command(state), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ
        )

    whole = start(tmp_path / "whole")
    assert whole.wait(300) == 0, whole.stdout.read()
    [expected] = (tmp_path / "whole" / FOLDER).iterdir()
    killed = 0
    for number in range(1, 4):
        process = start(tmp_path / "killed")
        journal = tmp_path / "killed" / FOLDER / expected.name / "answers.jsonl"
        while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") >= 5 * number):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed == 3
    last = start(tmp_path / "killed")
    assert last.wait(300) == 0
    assert "Going on:" in last.stdout.read().decode()
    assert left(tmp_path / "killed" / FOLDER / expected.name) == left(expected)
