"""The six trainings of experiment 3 as a competent user scripts them: a Hydra multirun over one function.

    python -m experiments.bench.stock_multirun --multirun learning_rate=6e-4,1e-3 per_device_train_batch_size=4,8 ...

Choices: Hydra's basic launcher, so that the six run one after the other in one process and torch is imported once; the
examples come from a file (making them is not timed here, but is part of our side); the stock Seq2SeqTrainer with
dynamic padding and all cores; loss on the evaluation set and a checkpoint each epoch, the best one loaded at the end;
the library's MLflow callback every 10 steps into SQLite; answers in batches of 32; exact match, ROUGE-L and execution
accuracy at the end. The codec and the reader of answers are this project's, because a user would need the same.
"""

import dataclasses
import json
import os
from pathlib import Path

import hydra
from omegaconf import DictConfig


@hydra.main(config_path=".", config_name="stock_multirun", version_base=None)
def main(settings: DictConfig) -> None:
    """One training of the multirun."""
    import mlflow

    from experiments.bench import stock_generation, stock_scoring, stock_training
    from macsql.agents import decomposer, refiner
    from macsql.models.codecs import codec
    from macsql.models.decoding import sample
    from macsql.records import Example, Prediction, read_jsonl, write_jsonl

    material, out = Path(settings.material), Path(settings.out)
    name = f"{settings.learning_rate}-{settings.per_device_train_batch_size}"
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{out}/mlflow.db"
    os.environ["MLFLOW_EXPERIMENT_NAME"] = "grid"
    spelling = codec(settings.codec)

    def read(split: str) -> list[Example]:
        return list(read_jsonl(material / "examples" / f"{split}.jsonl", Example))

    def pairs(rows: list[Example]) -> list[tuple[str, str]]:
        return [(spelling.encode(row.source), spelling.encode(row.target)) for row in rows]

    trainer = stock_training.trainer(
        material / "pocket",
        pairs(read("train")),
        pairs(read("eval")),
        out / name,
        learning_rate=settings.learning_rate,
        per_device_train_batch_size=settings.per_device_train_batch_size,
        num_train_epochs=settings.num_train_epochs,
        max_steps=settings.max_steps,
        seed=settings.seed,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        logging_steps=10,
        report_to="mlflow",
        run_name=name,
    )
    trainer.train()
    test = sample(read("test"), settings.limit)
    raw = stock_generation.answers(
        trainer.model, trainer.processing_class, [source for source, _ in pairs(test)], settings.max_new_tokens
    )
    told = []
    for row, answer in zip(test, raw, strict=True):
        kept = {item.name for item in dataclasses.fields(Prediction)}
        given = {key: value for key, value in dataclasses.asdict(row).items() if key in kept}
        told.append(Prediction(**given, raw_output=answer, output=spelling.decode(answer)))
    write_jsonl(out / f"{name}.jsonl", told)

    files = json.loads((material / "databases.json").read_text(encoding="utf-8"))
    verdicts = []
    for said in told:
        if said.agent != "selector":
            read_answer = decomposer.parse if said.agent == "decomposer" else refiner.parse
            verdicts.append(stock_scoring.right(files[said.db_id], said.gold_sql, read_answer(said.output).sql or ""))
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"])
    rouge = [scorer.score(row.target, row.output)["rougeL"].fmeasure for row in told]
    matches = [" ".join(row.target.split()) == " ".join(row.output.split()) for row in told]
    scores = {
        "execution_accuracy": sum(verdicts) / max(1, len(verdicts)),
        "rouge_l": sum(rouge) / len(rouge),
        "exact_match": sum(matches) / len(matches),
    }
    mlflow.log_metrics(scores)
    mlflow.end_run()
    print(name, scores, flush=True)


if __name__ == "__main__":
    main()
