"""A prototype: four trainings as one, by torch.func, beside the same four one after another. Not a part of make bench.

    python -m experiments.bench.fused pocket 4     # size and rows of a batch

Horizontally fused training (Wang et al. 2021) stacks the weights of trials that differ in rate and seed alone and takes
one step for all. Here `stack_module_state` and `vmap` do so. Timed are loss and gradients of one step of all four;
rows are of one length, because the library's attention masks look into their values, which vmap does not allow.
"""

import argparse
import copy
import json
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.nn.functional import cross_entropy
from transformers import T5Config, T5ForConditionalGeneration

TRIALS, PROMPT, ANSWER, VOCABULARY = 4, 100, 25, 2000
SIZES = {
    "pocket": {"d_model": 128, "d_kv": 32, "d_ff": 256, "num_layers": 2, "num_heads": 4},
    "t5_small": {"d_model": 512, "d_kv": 64, "d_ff": 2048, "num_layers": 6, "num_heads": 8},
}


def seconds(step: Callable[[], Any], steps: int) -> float:
    """The mean of so many steps, after two that are not counted."""
    for _ in range(2):
        step()
    begun = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - begun) / steps


def measure(size: str, rows: int, steps: int) -> dict[str, float]:
    """Seconds per step of four trainings, apart and as one, and the largest difference between their losses."""
    torch.manual_seed(0)
    shape = T5Config(
        vocab_size=VOCABULARY, dropout_rate=0.0, decoder_start_token_id=0, attn_implementation="eager", **SIZES[size]
    )
    networks = [T5ForConditionalGeneration(shape) for _ in range(TRIALS)]
    prompts = torch.randint(2, VOCABULARY, (TRIALS, rows, PROMPT))
    answers = torch.randint(2, VOCABULARY, (TRIALS, rows, ANSWER))
    begun = torch.cat([torch.zeros_like(answers[:, :, :1]), answers[:, :, :-1]], 2)

    def apart() -> list[float]:
        losses = []
        for number, network in enumerate(networks):
            network.zero_grad()
            logits = network(input_ids=prompts[number], decoder_input_ids=begun[number], use_cache=False).logits
            loss = cross_entropy(logits.reshape(-1, VOCABULARY), answers[number].reshape(-1))
            loss.backward()
            losses.append(loss.item())
        return losses

    network = copy.deepcopy(networks[0])
    weights, buffers = stack_module_state(networks)  # type: ignore[arg-type]

    def loss_of(weights: Any, buffers: Any, prompt: Any, start: Any, answer: Any) -> torch.Tensor:
        given = {"input_ids": prompt, "decoder_input_ids": start, "use_cache": False}
        logits = functional_call(network, (weights, buffers), kwargs=given).logits
        return cross_entropy(logits.reshape(-1, VOCABULARY), answer.reshape(-1))

    fused = vmap(grad_and_value(loss_of))
    alone = seconds(apart, steps)
    together = seconds(lambda: fused(weights, buffers, prompts, begun, answers), steps)
    _, losses = fused(weights, buffers, prompts, begun, answers)
    gap = max(abs(one - other) for one, other in zip(apart(), losses.tolist(), strict=True))
    return {"apart": alone, "fused": together, "times_as_fast": alone / together, "loss_gap": gap}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("rows", type=int)
    parser.add_argument("--steps", type=int, default=12)
    given = parser.parse_args()
    print(json.dumps({name: round(value, 6) for name, value in measure(given.size, given.rows, given.steps).items()}))
