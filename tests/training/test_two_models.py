"""Models of two families are settings of one sweep: each with its own tokenizer, windows and answers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from trials import checkpoint_of

from macsql.models.families import load


@pytest.mark.slow
def test_a_sweep_over_an_encoder_decoder_and_a_decoder_only_model(tiny_model: Path, tmp_path: Path):
    other = checkpoint_of("gpt2", tmp_path / "gpt2")
    points = (
        f"[{{model: t5_small, model.path: {tiny_model}, codec: marks}}, "
        f"{{model: smollm2, model.path: {other}, codec: verbatim}}]"
    )
    command = [
        *(sys.executable, "-m", "macsql.sweep", f"search.points={points}", f"tracking.state_dir={tmp_path / 'state'}"),
        *(
            "data=pocket_five",
            "data.questions=8",
            "model.max_source_length=600",
            "model.max_target_length=200",
            "trainer.max_steps=2",
        ),
        *("trainer.per_device_train_batch_size=2", "generation.limit=1", "generation.max_new_tokens=4"),
        *("metrics.workers=1", "executor.workers=1", "sweep.name=two"),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    told = " ".join((ended.stdout + ended.stderr).split())
    assert ended.returncode == 0, told[-3000:]
    assert "model t5_small (about 0.0 M parameters), model smollm2 (about 0.0 M parameters)" in told
    assert "Warning: eval_loss does not compare between trials that differ in codec.name, " in told
    assert "so the best trial by it means nothing; set sweep.metric=[decomposer/execution_accuracy]" in told
    folders = sorted((tmp_path / "state" / "trials").glob("two-*"))
    results = [json.loads((folder / "result.json").read_text()) for folder in folders]
    assert [result["status"] for result in results] == ["FINISHED", "FINISHED"]
    models = [load(folder / "model") for folder in folders]
    assert [(model.card.family, model.card.codec) for model in models] == [
        ("encoder-decoder", "marks"),
        ("decoder-only", "verbatim"),
    ]
