"""Plain networks beside networks with liger-kernel's operations: the same weights, batch and loss.

    TRITON_INTERPRET=1 python tests/models/liger_cases.py

runs every case on a CPU, where Triton interprets the operations' own source, and prints a JSON object: case -> largest
absolute difference of the loss, of the answers' logits and of the gradients. Two of the operations call a function of
NVIDIA's library that the interpreter does not have (rsqrt, tanh): it gets one of the same meaning.
"""

import copy
import json
from typing import Any

import torch
import triton
import triton.language as tl
from liger_kernel.ops import geglu, rms_norm, swiglu
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from macsql.models.causal_lm import DecoderOnly
from macsql.models.seq2seq import EncoderDecoder

TINY_T5 = {"vocab_size": 48, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 1, "num_heads": 2, "dropout_rate": 0.0}
TINY_LLAMA = {
    **{"vocab_size": 48, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2},
    **{"num_key_value_heads": 2, "bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0},
}
CASES: dict[str, dict[str, Any]] = {
    "t5-small's kind": {"model_type": "t5", "feed_forward_proj": "relu", **TINY_T5},
    "t5 1.1": {"model_type": "t5", "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, **TINY_T5},
    "mt5": {"model_type": "mt5", "feed_forward_proj": "gated-gelu", **TINY_T5},
    "umt5": {"model_type": "umt5", "feed_forward_proj": "gated-gelu", **TINY_T5},
    "longt5": {"model_type": "longt5", "feed_forward_proj": "relu", **TINY_T5},
    "llama": {"model_type": "llama", "tie_word_embeddings": True, **TINY_LLAMA},
    "qwen2": {"model_type": "qwen2", **TINY_LLAMA},
}


def model(case: str) -> Any:
    """A network with random weights as its family; norms' weights differ from 1."""
    shape = dict(CASES[case])
    config = AutoConfig.for_model(shape.pop("model_type"), decoder_start_token_id=0, **shape)
    torch.manual_seed(0)
    t5 = "d_model" in shape
    network = (AutoModelForSeq2SeqLM if t5 else AutoModelForCausalLM).from_config(config)
    for name, weight in network.named_parameters():
        if "norm" in name:
            torch.nn.init.uniform_(weight, 0.5, 1.5)
    family: Any = EncoderDecoder if t5 else DecoderOnly
    return family(network.train(), None, None)


def batch(case: str, device: str) -> dict[str, torch.Tensor]:
    """Three rows of unlike length, padded as the family pads them."""
    torch.manual_seed(1)
    if "d_model" in CASES[case]:
        labels = torch.randint(2, 48, (3, 5))
        labels[1, 3:] = labels[2, 1:] = -100
        mask = torch.ones(3, 7, dtype=torch.long)
        mask[0, 4:] = 0
        shifted = torch.cat([torch.zeros(3, 1, dtype=torch.long), labels[:, :-1].clamp(min=0)], dim=1)
        made = {"input_ids": torch.randint(2, 48, (3, 7)), "attention_mask": mask}
        made |= {"decoder_input_ids": shifted, "labels": labels}
    else:
        mask = torch.ones(3, 9, dtype=torch.long)
        mask[1, :4] = 0
        labels = torch.randint(2, 48, (3, 9))
        labels[0, :6] = labels[1, :4] = labels[2, :8] = -100
        labels[1, :7] = -100
        made = {"input_ids": torch.randint(2, 48, (3, 9)), "attention_mask": mask, "labels": labels}
        made["position_ids"] = (mask.cumsum(dim=1) - 1).clamp(min=0)
    return {name: tensor.to(device) for name, tensor in made.items()}


def differences(case: str, device: str = "cpu", kind: torch.dtype | None = None) -> dict[str, float]:
    """How far the two are apart; `kind` is what autocast computes in (None: fp32)."""
    plain = model(case)
    plain.to(device)
    other = copy.deepcopy(plain)
    other.use_liger()
    rows = batch(case, device)
    told = []
    for each in (plain, other):
        with torch.autocast(device, kind or torch.bfloat16, enabled=kind is not None):
            loss, outputs = each.loss(each.network, rows, 20, 0.1)
        loss.backward()
        grads = {name: weight.grad for name, weight in each.network.named_parameters() if weight.grad is not None}
        with torch.inference_mode():
            each.network.eval()
            logits = each.network(**{name: value for name, value in rows.items() if name != "labels"}).logits
        told.append((loss.detach(), logits, grads, outputs))
    (a, b), (c, d) = (told[0][0], told[1][0]), (told[0][1], told[1][1])
    assert told[1][3].logits is None
    assert told[0][2].keys() == told[1][2].keys()
    assert all(torch.isfinite(grad).all() for grad in told[1][2].values())
    assert max(float(grad.abs().max()) for grad in told[0][2].values()) > 1e-3
    apart = max(float((told[0][2][name] - told[1][2][name]).abs().max()) for name in told[0][2])
    return {"loss": float((a - b).abs()), "logits": float((c - d).abs().max()), "gradients": apart}


class _Number(float):
    """A number that answers to `.to`, as Triton's own do."""

    def to(self, kind: Any) -> "_Number":  # noqa: ARG002
        return self


@triton.jit
def tanh(x):
    return 2 * tl.sigmoid(2 * x) - 1


@triton.jit
def rsqrt(x):
    return 1 / tl.sqrt(x)


def interpreted() -> None:
    """Give the interpreter what it lacks."""
    forward, backward = rms_norm.rms_norm_forward, rms_norm.rms_norm_backward
    geglu.tanh, rms_norm.rsqrt = tanh, rsqrt
    swiglu.float = _Number  # stands before the built-in one
    rms_norm.rms_norm_forward = lambda x, w, eps, offset, *rest: forward(x, w, _Number(eps), _Number(offset), *rest)
    rms_norm.rms_norm_backward = lambda dy, x, w, r, offset, *rest, **named: backward(
        dy, x, w, r, _Number(offset), *rest, **named
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    interpreted()
    print(json.dumps({case: differences(case) for case in CASES}))
