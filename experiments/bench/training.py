"""(b) Training: tokens a second and peak memory, ours beside the library's Trainer. One process measures one of them.

Timed are the optimizer steps behind the first few; tokens are those of prompts and answers, padding left out. Ours is
make_trainer with the demo's configuration, so that it trains as a trial does: its loss, its order of rows, its
optimizer, its precision, a loss logged each step. Memory is the highest resident size of the whole process, on a GPU
the most that torch had allocated there.
"""

import argparse
import dataclasses
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.bench.material import Material, texts
from experiments.bench.measure import Job, python

CONTENDERS = ("ours", "dynamic", "max_length")
ROWS = {"pocket": 8, "t5_small": 8, "smollm2": 4}  # of a batch
STEPS = {"pocket": 120, "t5_small": 8, "smollm2": 4}  # timed
SMALL_STEPS = 3


def jobs(material: Material) -> list[Job]:
    """Every size with everyone who trains it."""
    words = ["--material", str(material.folder), *(["--small"] if material.small else [])]
    return [
        Job("b", size, contender, python("training", contender, size, *words))
        for size in ROWS
        for contender in CONTENDERS
    ]


@dataclasses.dataclass
class Stopwatch:
    """Counts the tokens of each batch, and times the steps from the `warm`-th on."""

    warm: int
    wait: Callable[[], None] = lambda: None  # until a GPU has done what it was given
    batches: list[tuple[int, int]] = dataclasses.field(default_factory=list)  # tokens without and with padding
    marks: list[float] = dataclasses.field(default_factory=list)

    def collating(self, collate: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A collator that counts what it makes."""

        def counted(rows: list[Any]) -> Any:
            batch = collate(rows)
            ids, labels = batch["input_ids"], batch["labels"]
            real, whole = int(batch["attention_mask"].sum()), ids.numel()
            if "decoder_input_ids" in batch or labels.shape != ids.shape:  # encoder-decoder: the answer comes on top
                real, whole = real + int(labels.ne(-100).sum()), whole + labels.numel()
            self.batches.append((real, whole))
            return batch

        return counted

    def callback(self) -> Any:
        """A callback for the Trainer that marks the end of each step."""
        from transformers import TrainerCallback

        watch = self

        class Marks(TrainerCallback):
            def on_step_end(self, *_: Any, **__: Any) -> None:
                watch.wait()
                watch.marks.append(time.perf_counter())

        return Marks()

    def figures(self) -> dict[str, float]:
        """What was measured."""
        seconds = self.marks[-1] - self.marks[self.warm - 1]
        timed = self.batches[self.warm : len(self.marks)]
        real, whole = sum(count for count, _ in timed), sum(count for _, count in timed)
        return {
            "tokens_per_second": real / seconds,
            "rows_per_second": 0.0,  # set by whoever knows the rows of a batch
            "seconds_per_step": seconds / len(timed),
            "padding_share": 1 - real / whole,
        }


def train(material: Material, contender: str, size: str, rows: int, steps: int, warm: int, liger: str) -> Any:
    """Train `warm` + `steps` steps; returns the figures."""
    import torch

    cuda = torch.cuda.is_available()
    watch = Stopwatch(warm, torch.cuda.synchronize if cuda else lambda: None)
    train_rows = material.examples("train")
    asked = {
        "max_steps": warm + steps,
        "per_device_train_batch_size": rows,
        "eval_strategy": "no",
        "save_strategy": "no",
    }
    with tempfile.TemporaryDirectory() as folder:
        if contender == "ours":
            trainer = _ours(material, size, train_rows, Path(folder), {**asked, "use_liger_kernel": liger})
        else:
            from experiments.bench import stock_training

            trainer = stock_training.trainer(
                material.folder / size,
                texts(material, size, train_rows),
                texts(material, size, train_rows[:2]),
                Path(folder),
                padding=contender,
                bf16=cuda and torch.cuda.is_bf16_supported(),
                logging_steps=10,
                report_to="none",
                **asked,
            )
        trainer.data_collator = watch.collating(trainer.data_collator)
        trainer.add_callback(watch.callback())
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        trainer.train()
        peak = torch.cuda.max_memory_allocated() / 2**20 if cuda else resident()
    figures = {**watch.figures(), "peak_megabytes": peak}
    figures["rows_per_second"] = rows / figures["seconds_per_step"]
    figures["parameters"] = sum(weight.numel() for weight in trainer.model.parameters())
    return figures


def _ours(material: Material, size: str, rows: list[Any], folder: Path, changes: dict[str, Any]) -> Any:
    from macsql.models.families import model_of, text_of
    from macsql.training import stages
    from macsql.training.trainer import make_trainer
    from macsql.trials.stopping import StopRequest

    config = material.asked(size)
    executor = dataclasses.replace(config.executor, threads=None)  # all of them, as the other side has
    trainer = dataclasses.replace(config.trainer, **changes, load_best_model_at_end=False)
    config = dataclasses.replace(config, trainer=trainer, executor=executor)
    stages.begin(config)
    model = model_of(config, text_of(config, rows), "")
    return make_trainer(config, model, rows, rows[:2], folder, lambda *_: None, StopRequest())


def resident() -> float:
    """The highest resident size of this process so far, in MiB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    """One contender at one size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("size", choices=tuple(ROWS))
    parser.add_argument("--material", type=Path, required=True)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--liger", default="false")
    given = parser.parse_args()
    steps = given.steps or (SMALL_STEPS if given.small else STEPS[given.size])
    material = Material(given.material, given.small)
    warm = max(1, steps // 8)
    print(
        json.dumps(
            train(material, given.contender, given.size, given.rows or ROWS[given.size], steps, warm, given.liger)
        )
    )


if __name__ == "__main__":
    main()
