"""The metrics behind `evaluate`'s interface: the same figures, combined offline, with nothing left on disk."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import evaluate
import pytest

from macsql.database.sandbox import Sandbox
from macsql.database.schema import Database, read_sqlite_schema
from macsql.metrics import hf, score
from macsql.places import REPO
from macsql.records import Prediction, read_jsonl, write_jsonl


def row(agent, answer, gold="SELECT name FROM keeper", broken="", db_id="zoo", truncated=False):
    return Prediction(
        id="", agent=agent, question_id="", db_id=db_id, question="", gold_sql=gold, target=answer, raw_output="",
        output=answer, truncated=truncated, broken_sql=broken,
    )  # fmt: skip


ROWS = [
    row("selector", '{"keeper": "keep_all", "animal": "drop_all", "species": "drop_all"}'),
    row("selector", "no"),
    row("decomposer", "```sql\nSELECT name FROM keeper\n```"),
    row("decomposer", "```sql\nSELECT since FROM keeper\n```", truncated=True),
    row("refiner", "```sql\nSELECT name FROM keeper\n```", broken="SELECT nam FROM keeper"),
    row("refiner", "```sql\nSELECT nam FROM keeper\n```", broken="SELECT nam FROM keeper"),
]
ANSWERS = [one.output for one in ROWS]


@pytest.fixture
def agents(zoo, sandbox):
    databases = {"zoo": zoo}
    return [kind(databases, sandbox) for kind in (hf.SelectorMetrics, hf.DecomposerMetrics, hf.RefinerMetrics)]


def test_each_class_gives_what_score_gives_for_its_agent(agents, zoo, sandbox):
    whole = score(ROWS, {"zoo": zoo}, sandbox).metrics
    for metric in agents:
        found = metric.compute(predictions=ANSWERS, references=hf.references(ROWS))
        assert found == {name: value for name, value in whole.items() if name.startswith(f"{metric.agent}/")}
        assert found[f"{metric.agent}/count"] == 2


def test_combined_they_give_all_at_once(agents, zoo, sandbox):
    together = evaluate.combine([hf.TextMetrics(), *agents])
    found = together.compute(predictions=ANSWERS, references=hf.references(ROWS))
    expected = score(ROWS, {"zoo": zoo}, sandbox).metrics
    assert found == {**expected, "exact_match": 1.0, "rouge_l": pytest.approx(1.0)}


def test_rows_one_by_one_and_in_batches(agents):
    together = evaluate.combine([hf.TextMetrics(), *agents])
    expected = together.compute(predictions=ANSWERS, references=hf.references(ROWS))
    for answer, reference in zip(ANSWERS[:2], hf.references(ROWS[:2]), strict=True):
        together.add(answer, reference)
    together.add_batch(ANSWERS[2:4], hf.references(ROWS[2:4]))
    assert together.compute(predictions=ANSWERS[4:], references=hf.references(ROWS[4:])) == expected


def test_nothing_gives_nothing_and_the_next_time_is_not_spoilt(agents):
    together = evaluate.combine([hf.TextMetrics(), *agents])
    assert together.compute() == {}
    assert together.compute(predictions=[], references=[]) == {}
    assert together.compute(predictions=ANSWERS, references=hf.references(ROWS))["refiner/fix_rate"] == 0.5


def test_none_is_an_empty_answer_and_an_empty_text():
    reference = dict.fromkeys(hf.REFERENCE) | {"agent": "refiner", "target": "x"}
    assert hf.TextMetrics().compute(predictions=[None], references=[reference]) == {"exact_match": 0, "rouge_l": 0}
    reference["target"] = None
    assert hf.TextMetrics().compute(predictions=[None], references=[reference]) == {"exact_match": 1, "rouge_l": 0}


def test_none_counts_as_no_sql(agents):
    reference = hf.references([row("decomposer", "")])[0] | {"broken_sql": None, "truncated": None}
    found = agents[1].compute(predictions=[None], references=[reference])
    assert found["decomposer/outcome/no_sql_found"] == 1


def test_what_does_not_fit_is_refused_by_name():
    reference = hf.references(ROWS)[0]
    with pytest.raises(ValueError, match="no gold_sql"):
        hf.TextMetrics().compute(
            predictions=["a"], references=[{k: v for k, v in reference.items() if k != "gold_sql"}]
        )
    with pytest.raises(ValueError, match="no such agent: 'oracle'"):
        hf.TextMetrics().compute(predictions=["a"], references=[reference | {"agent": "oracle"}])
    with pytest.raises(ValueError, match="Mismatch"):
        hf.TextMetrics().compute(predictions=["a", "b"], references=[reference])


def test_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(evaluate.config, "HF_METRICS_CACHE", str(tmp_path / "cache"))
    hf.TextMetrics().compute(predictions=ANSWERS, references=hf.references(ROWS))
    assert list(tmp_path.iterdir()) == []


def test_scoring_itself_loads_neither_torch_nor_evaluate():
    modules = ", ".join(f"macsql.metrics.{name}" for name in ("selector", "decomposer", "refiner", "text"))
    heavy = "{'torch', 'evaluate', 'transformers', 'nltk'}"
    code = f"import sys, {modules}; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_example_of_the_module_runs(zoo, tmp_path, monkeypatch, capsys):
    example = dedent(re.search(r"\n\n((?:    .*\n)+)", hf.__doc__)[1]).replace("club", "zoo")
    write_jsonl(tmp_path / "predictions.jsonl", ROWS)
    monkeypatch.chdir(tmp_path)
    names = [Path, evaluate, hf, Sandbox, Database, read_sqlite_schema, Prediction, read_jsonl]
    exec(example, {name.__name__.rpartition(".")[2]: name for name in names} | {"path": zoo.path})
    assert "'decomposer/execution_accuracy': 0.5" in capsys.readouterr().out


def test_the_example_in_contributing_runs_as_it_is_written(zoo, tmp_path, monkeypatch, capsys):
    [example] = re.findall(r"```python\n(.*?)```", (REPO / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)
    shutil.copy(zoo.path, tmp_path / "club.sqlite")
    write_jsonl(tmp_path / "predictions.jsonl", [replace(one, db_id="club") for one in ROWS])
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    said = capsys.readouterr().out
    assert "'exact_match': 1.0" in said
    assert "'decomposer/execution_accuracy': 0.5" in said
