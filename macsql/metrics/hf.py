"""The metrics as `evaluate.Metric` classes, for code that speaks Hugging Face's `evaluate`; no hub, no files.

    database = Database("club", path, read_sqlite_schema(path))
    rows = list(read_jsonl(Path("predictions.jsonl"), Prediction))
    with Sandbox() as sandbox:
        metrics = evaluate.combine([hf.TextMetrics(), hf.DecomposerMetrics({"club": database}, sandbox)])
        print(metrics.compute(predictions=[row.output for row in rows], references=hf.references(rows)))

All take the same references, so that any of them combine: each scores the rows of its own agent and leaves the others
alone. Importing this module takes seconds, because `evaluate` imports most of transformers.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import evaluate
from datasets import Features, Value

from macsql.database.sandbox import Sandbox
from macsql.database.schema import Database
from macsql.metrics import score, text
from macsql.records import AGENTS, Agent, Prediction

REFERENCE = {
    "agent": "string",
    "db_id": "string",
    "gold_sql": "string",
    "target": "string",
    "broken_sql": "string",
    "truncated": "bool",
}


def references(rows: Iterable[Prediction]) -> list[dict[str, Any]]:
    """What the metrics need to know of each prediction beside its text."""
    return [{name: getattr(row, name) for name in REFERENCE} for row in rows]


class _InMemory(evaluate.Metric):
    """What all classes here share: the references' shape, nothing on disk, None and emptiness taken as they are.

    A prediction that is None is an empty answer; None in a reference is an empty text, or not truncated. Without any
    row the result is empty: there is nothing to take a mean of.
    """

    def __init__(self) -> None:
        super().__init__(keep_in_memory=True)

    def _build_data_dir(self) -> str:
        return ""  # the base class makes a folder in the user's cache, which nothing in memory needs

    def _info(self) -> evaluate.MetricInfo:
        features = Features(
            {"predictions": Value("string"), "references": {name: Value(kind) for name, kind in REFERENCE.items()}}
        )
        return evaluate.MetricInfo(
            description=self.__doc__ or "", citation="", inputs_description=_InMemory.__doc__ or "", features=features
        )

    def add(self, *, prediction: str | None = None, reference: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        """One prediction and its reference; a combination gives them in the plural."""
        answer, row = kwargs.pop("predictions", prediction), kwargs.pop("references", reference)
        super().add(prediction=answer or "", reference=_complete(row or {}), **kwargs)

    def add_batch(
        self,
        *,
        predictions: Iterable[str | None] | None = None,
        references: Iterable[Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        """Predictions and their references."""
        texts = [prediction or "" for prediction in (() if predictions is None else predictions)]
        rows = [_complete(one) for one in (() if references is None else references)]
        if texts or rows:
            super().add_batch(predictions=texts, references=rows, **kwargs)

    def compute(
        self,
        *,
        predictions: Iterable[str | None] | None = None,
        references: Iterable[Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> dict[str, float]:
        """The metrics of what was added and of what is given here."""
        self.add_batch(predictions=predictions, references=references)
        return super().compute(**kwargs) if self.writer is not None else {}


class TextMetrics(_InMemory):
    """String exact match and ROUGE-L of all rows, whatever their agent."""

    def _compute(self, *, predictions: list[str], references: list[dict[str, Any]], **_: Any) -> dict[str, float]:
        pairs = [(row["target"], answer) for answer, row in zip(predictions, references, strict=True)]
        return {
            "exact_match": sum(text.exact_match(*pair) for pair in pairs) / len(pairs),
            "rouge_l": sum(text.rouge_l(*pair) for pair in pairs) / len(pairs),
        }


class _AgentMetrics(_InMemory):
    agent: Agent

    def __init__(self, databases: Mapping[str, Database], sandbox: Sandbox) -> None:
        self.databases, self.sandbox = databases, sandbox
        super().__init__()

    def _compute(self, *, predictions: list[str], references: list[dict[str, Any]], **_: Any) -> dict[str, float]:
        rows = [
            _prediction(str(number), answer, reference)
            for number, (answer, reference) in enumerate(zip(predictions, references, strict=True))
            if reference["agent"] == self.agent
        ]
        return score(rows, self.databases, self.sandbox).metrics


class SelectorMetrics(_AgentMetrics):
    """Tables and columns chosen, against those the gold SQL needs; names as `macsql.metrics.score` has them."""

    agent: Agent = "selector"


class DecomposerMetrics(_AgentMetrics):
    """Steps, `spider-em` and `spider-ex` of the SQL; names as `macsql.metrics.score` has them."""

    agent: Agent = "decomposer"


class RefinerMetrics(_AgentMetrics):
    """What the new SQL mended and broke; names as `macsql.metrics.score` has them."""

    agent: Agent = "refiner"


def _complete(reference: Mapping[str, Any]) -> dict[str, Any]:
    """A reference without None. Raises ValueError where a field is left out or the agent is none of the three."""
    absent = [name for name in REFERENCE if name not in reference]
    if absent:
        raise ValueError(f"the reference has no {', '.join(absent)}: `references` makes them from predictions")
    if reference["agent"] not in AGENTS:
        raise ValueError(f"no such agent: {reference['agent']!r}; there are {', '.join(AGENTS)}")
    return {name: reference[name] or (False if kind == "bool" else "") for name, kind in REFERENCE.items()}


def _prediction(number: str, answer: str, reference: Mapping[str, Any]) -> Prediction:
    return Prediction(id=number, question_id=number, question="", raw_output=answer, output=answer, **reference)
