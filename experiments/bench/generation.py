"""(c) Answers: ours (batches of like length) beside `generate` on batches in file order, and one by one.

All of them get the same prompts and the same limit of tokens. At pocket size the model has been trained for a few
hundred steps, so that answers end as answers do; T5-small's weights are random, and its answers run up to 32 tokens.
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

from experiments.bench.material import Material, texts
from experiments.bench.measure import Job, python

CONTENDERS = ("ours", "batched", "one_by_one")
PROMPTS = {"pocket": 192, "t5_small": 64, "smollm2": 64}
LIMIT = 32  # tokens of an answer, where weights are random
ON_A_CPU = ("pocket", "t5_small")


def jobs(material: Material) -> list[Job]:
    """Every size with everyone who answers."""
    words = ["--material", str(material.folder), *(["--small"] if material.small else [])]
    return [
        Job("c", size, contender, python("generation", contender, size, *words))
        for size in ON_A_CPU
        for contender in CONTENDERS
    ]


def ask(material: Material, contender: str, size: str, count: int) -> dict[str, float]:
    """Answer `count` prompts; returns the figures. The first batch, which warms up, is not timed."""
    import torch

    from macsql.models.decoding import sample

    config = material.asked(size)
    cuda = torch.cuda.is_available()
    limit = config.generation.max_new_tokens if size == "pocket" else LIMIT
    rows = sample(material.examples("test"), count // 3)
    write = _ours(material, size, limit) if contender == "ours" else _stock(material, contender, size, limit, cuda)
    prompts = [row.source for row in rows] if contender == "ours" else [s for s, _ in texts(material, size, rows)]
    write(prompts[:2])
    if cuda:
        torch.cuda.synchronize()
    started = time.perf_counter()
    written = write(prompts)
    if cuda:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    return {"answers_per_second": len(prompts) / seconds, "characters": sum(map(len, written)) / len(written)}


def _ours(material: Material, size: str, limit: int) -> Any:
    from macsql.models.families import load, model_of, text_of
    from macsql.training import stages
    from macsql.training.arguments import training_arguments

    config = material.asked(size)
    if size == "pocket":
        model = load(material.learnt)
    else:
        config = dataclasses.replace(config, executor=dataclasses.replace(config.executor, threads=None))
        model = model_of(config, text_of(config, material.examples("train")), "")
    stages.begin(config)
    model.to(training_arguments(config, Path("unused")).device)
    generation = dataclasses.replace(config.generation, max_new_tokens=limit)
    return lambda prompts: [answer.raw for answer in model.answer(prompts, generation)]


def _stock(material: Material, contender: str, size: str, limit: int, cuda: bool) -> Any:
    import torch

    from experiments.bench import stock_generation, stock_training

    model, tokenizer = stock_training.load(material.learnt if size == "pocket" else material.folder / size)
    if cuda:
        model = model.to("cuda", torch.bfloat16 if torch.cuda.is_bf16_supported() else None)
    batch = stock_generation.BATCH if contender == "batched" else 1
    return lambda prompts: stock_generation.answers(model, tokenizer, prompts, limit, batch)


def main() -> None:
    """One contender at one size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("size", choices=tuple(PROMPTS))
    parser.add_argument("--material", type=Path, required=True)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--prompts", type=int)
    given = parser.parse_args()
    count = given.prompts or (9 if given.small else PROMPTS[given.size])
    print(json.dumps(ask(Material(given.material, given.small), given.contender, given.size, count)))


if __name__ == "__main__":
    main()
