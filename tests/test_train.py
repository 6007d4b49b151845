"""One fine-tune from the command line: what it says, and what it keeps to itself."""

import os
import subprocess
import sys

from macsql.train import lines

TINY = [
    *("data.questions=8", "data.test_fraction=0.2", "data.eval_fraction=0.2", "agents.value_examples=1"),
    *("model.pocket.vocab_size=600", "model.pocket.d_model=16", "model.pocket.d_ff=32", "model.pocket.num_layers=1"),
    *("trainer.per_device_train_batch_size=8", "trainer.num_train_epochs=3", "trainer.bf16=false"),
    *("generation.max_new_tokens=8", "generation.limit=2", "executor.threads=1"),
]


def test_metrics_are_grouped_and_what_did_not_occur_is_counted():
    metrics = {
        "train_loss": 2.5,
        "eval_loss": 2.25,
        "selector/count": 4,
        "selector/rouge_l": 0.0,
        "selector/outcome/right": 0.25,
        "selector/outcome/denied": 0.0,
        "selector/outcome/timeout": 0.0,
        "refiner/count": 3,
        "refiner/outcome/right": 1.0,
        "eval/refiner/count": 2,
        "eval/refiner/outcome/timeout": 0.0,
    }
    assert [" ".join(line.split()) for line in lines(metrics)] == [
        "train_loss 2.5000",
        "eval_loss 2.2500",
        "selector: 4 answers",
        "rouge_l 0.0000",
        "outcome/right 0.2500",
        "outcomes that did not occur: 2",
        "refiner: 3 answers",
        "outcome/right 1.0000",
        "eval/refiner: 2 answers",
        "outcomes that did not occur: 1",
    ]


def test_the_command_says_what_it_does_and_nothing_else(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "macsql.train", *TINY, f"tracking.state_dir={tmp_path / 'state'}"],
        cwd=tmp_path,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    for word in ("it/s", "missing keys", "mtime", "[transformers]"):
        assert word not in ended.stderr
    told = ended.stdout.splitlines()
    assert [line.split(":")[0] for line in told[:3]] == [
        f"  step {step}, epoch {step / 10:.2f}" for step in (10, 20, 30)
    ]
    for line in ("  selector: 2 answers", "  decomposer: 2 answers", "  refiner: 2 answers", "finished"):
        assert line in told
    assert told[-1].startswith(f"Everything is in {tmp_path / 'state' / 'trials' / 'train-'}")
