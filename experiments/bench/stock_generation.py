"""Answers as a competent user gets them: `generate` on padded batches of 32 prompts in the order of the file.

Choices: greedy, the same limit of tokens, prompts cut at 512 tokens, torch.inference_mode. One by one is the same with
batches of one. fp32 on a CPU; on a GPU the model is loaded in bf16 where the card has it.
"""

from collections.abc import Sequence
from typing import Any

import torch

BATCH = 32


def answers(model: Any, tokenizer: Any, prompts: Sequence[str], limit: int, batch: int = BATCH) -> list[str]:
    """One answer per prompt, special tokens left out."""
    model.eval()
    written: list[str] = []
    causal = not model.config.is_encoder_decoder
    tokenizer.padding_side = "left" if causal else "right"
    for start in range(0, len(prompts), batch):
        shown = [f"{prompt}\n" if causal else prompt for prompt in prompts[start : start + batch]]
        rows = tokenizer(
            shown, padding=True, truncation=True, max_length=512, return_tensors="pt", add_special_tokens=not causal
        )
        given = {name: rows[name].to(model.device) for name in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            ids = model.generate(**given, max_new_tokens=limit, do_sample=False)
        written += tokenizer.batch_decode(
            ids[:, given["input_ids"].size(1) :] if causal else ids, skip_special_tokens=True
        )
    return written
