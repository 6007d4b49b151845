"""Trial folders made by hand: a comparison needs nothing but what stands in them."""

import copy
import json
from dataclasses import replace
from pathlib import Path

from omegaconf import OmegaConf

from macsql.config import Config, to_yaml, validate
from macsql.metrics import summary
from macsql.records import AGENTS, Example, Prediction, Verdict, write_jsonl
from macsql.trials.events import EventLog

RIGHT, WRONG = "right", "wrong rows"
SCHEMA = {
    "db_id": "zoo",
    "tables": [{"name": "animals", "columns": [{"name": "id", "type": "number"}, {"name": "age", "type": "number"}]}],
    "foreign_keys": [],
}


def verdict(agent: str, question: int, right: bool, outcome: str = "", rouge: float | None = None) -> Verdict:
    scores = {"rouge_l": rouge if rouge is not None else 1.0 if right else 0.25, "exact_match": float(right)}
    if agent != "selector":
        scores["execution_accuracy"] = float(right)
        scores["execution_accuracy_fixed"] = float(right)
    if agent == "decomposer":
        scores["spider_em"] = float(right)
    return Verdict(
        f"q{question}/{agent}",
        agent,
        f"q{question}",
        "zoo",
        outcome or (RIGHT if right else "missing column" if agent == "selector" else WRONG),
        scores,
    )


def verdicts(right: set[int], questions: int = 20) -> list[Verdict]:
    return [verdict(agent, number, number in right) for number in range(questions) for agent in AGENTS]


def base_config(**overrides: object) -> Config:
    tree = {
        "data": {"format": "pocket", "questions": 8},
        "agents": {"style": "brief"},
        "codec": {"name": "marks"},
        "mixture": {"name": "real"},
        "model": {"name": "pocket"},
        "trainer": {"per_device_train_batch_size": 4, "learning_rate": 5e-5},
        "search": {"sampler": "grid"},
        "executor": {"name": "local"},
        "scale": {"name": "pocket", "learning_rate_factor": 20.0, "note": "Rates times 20."},
    }
    return validate(OmegaConf.merge(OmegaConf.create(tree), OmegaConf.create(overrides)))


class Sweeps:
    """Writes sweeps into a state directory."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.prepared = state / "data" / "pocket-hand"

    def prepare(self, train: dict[str, int], questions: int = 20) -> None:
        about = {"fingerprint": "feedbeeffeedbeef", "counts": {"train": train}, "skipped": {}, "notes": []}
        rows = [
            Example(f"q{n}/{agent}", agent, f"q{n}", "zoo", f"PROMPT {n} {agent}", "", f"Question {n}?", "SELECT 1")
            for n in range(questions)
            for agent in AGENTS
        ]
        write_jsonl(self.prepared / "test.jsonl", rows)
        (self.prepared / "databases.json").write_text(json.dumps([{"id": "zoo", "path": "gone", "schema": SCHEMA}]))
        (self.prepared / "about.json").write_text(json.dumps(about))

    def trial(
        self,
        name: str,
        index: int,
        point: dict,
        judged: list[Verdict],
        repeat: int = 0,
        config: Config | None = None,
        losses: tuple[float, ...] = (0.9, 0.5, 0.7),
        status: str = "FINISHED",
        reason: str = "it broke",
        notes: tuple[str, ...] = (),
        on_eval: list[Verdict] | None = None,
        experiment: str | None = None,
        steps: int = 6,
        machine: str = "2 cores",
        more: str = "",
    ) -> Path:
        """A trial with one evaluation for each of `losses` and two steps per epoch.

        `on_eval` are its verdicts on the eval questions, where an agent's metric is the objective; `experiment` is what
        its command names where that is not the sweep's own name, `more` what its command line has besides.
        """
        folder = self.state / "trials" / f"{name}-{index:04d}"
        folder.mkdir(parents=True)
        config = copy.deepcopy(config or base_config())
        config = replace(config, seed=config.seed + repeat, sweep=replace(config.sweep, name=name))
        (folder / "config.yaml").write_text(to_yaml(config))
        asked = f"+experiment={experiment or name}{more and ' '}{more}"
        about = {
            "sweep": name,
            "index": index,
            "setting": point,
            "repeat": repeat,
            "label": f"point {index}",
            "prepared": str(self.prepared),
            "command": f"python -m macsql.sweep {asked} tracking.state_dir={self.state} 'data.root=my data'",
            "tags": {"macsql.machine": machine, "macsql.data_fingerprint": "feedbeeffeedbeef", "macsql.code": "abc"},
        }
        (folder / "trial.json").write_text(json.dumps(about))
        log = EventLog(folder / "events.jsonl")
        for epoch, loss in enumerate(losses, start=1):
            log.write(2 * epoch - 1, epoch - 0.5, {"loss": loss + 0.2})
            log.write(2 * epoch, float(epoch), {"loss": loss})
            log.write(2 * epoch, float(epoch), {"eval_loss": loss + 0.01})
        if status != "FINISHED":
            (folder / "result.json").write_text(json.dumps({"status": status, "metrics": {}, "reason": reason}))
            return folder
        write_jsonl(folder / "verdicts.jsonl", judged)
        answers = [
            Prediction(
                v.id, v.agent, v.question_id, v.db_id, f"Question {v.question_id}?", "SELECT 1", "t", "raw", "out"
            )
            for v in judged
        ]
        write_jsonl(folder / "predictions.jsonl", answers)
        told = [value for loss in losses for value in (loss + 0.2, loss)]
        metrics = {**summary(judged), "train_loss": sum(told) / len(told), "eval_loss": min(losses) + 0.01}
        if on_eval is not None:
            write_jsonl(folder / "eval_verdicts.jsonl", on_eval)
            metrics |= {f"eval/{metric}": value for metric, value in summary(on_eval).items()}
        result = {"status": status, "metrics": metrics, "steps": steps, "seconds": 1.5, "notes": notes}
        (folder / "result.json").write_text(json.dumps(result))
        return folder
