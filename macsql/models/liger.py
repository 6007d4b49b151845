"""liger-kernel's fused operations (Hsu et al. 2024) in a network: which there are for it, and how they are put in.

liger-kernel has patches for Llama-like models and none for T5. Here:

    T5, mT5, UMT5, LongT5   each T5LayerNorm becomes LigerRMSNorm: offset 0, variance in fp32, cast before the weight;
                            the gated GELU of T5 1.1 becomes LigerGELUMulFunction (tanh's approximation, as T5's own)
    Llama-like models       liger-kernel's own patch of the network: RMSNorm and the gated feed-forward
    both                    output layer and cross-entropy become one operation, which never holds the
                            [rows, length, vocabulary] logits: the largest gain for a vocabulary of 32,128 or 49,152

The network's own forward goes on computing the hidden states, so T5's factor of d_model ** -0.5 and the output layer
that shares its weights with the embedding stay as they are. Rotary positions are left to torch, because liger-kernel
replaces them for all models of a process.
"""

import importlib.util
import sys
from collections.abc import Mapping
from types import MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

CHOICES = ("true", "auto", "false")  # of trainer.use_liger_kernel; auto: where it can run
LOSS = "fused linear cross-entropy for the output layer and the loss"
GATED_BY_DEFAULT = {"mt5", "umt5"}  # where config.json does not name the feed-forward
# Llama-like model types in liger-kernel's table whose logits are their output layer's, neither scaled nor capped.
LLAMA_LIKE = {"gemma", "llama", "ministral", "mistral", "olmo2", "olmo3", "phi3", "qwen2", "qwen3", "smollm3"}


def missing() -> str:
    """Why liger-kernel's operations cannot run in this process; empty where they can.

    Under TRITON_INTERPRET=1 Triton runs them on a CPU, slowly: that is for tests.
    """
    for package in ("liger_kernel", "triton"):
        if importlib.util.find_spec(package) is None:
            return f"{package.replace('_', '-')} is not installed here"
    import torch
    from triton import knobs

    if torch.cuda.device_count() == 0 and not knobs.runtime.interpret:  # counting leaves the driver as it is
        return "this machine has no CUDA GPU"
    return ""


def parts_of_t5(shape: Mapping[str, Any]) -> tuple[str, ...]:
    """What becomes liger-kernel's in a T5 of this shape (config.json), in words."""
    default = "gated-gelu" if shape.get("model_type") in GATED_BY_DEFAULT else "relu"
    gated = shape.get("feed_forward_proj", default) == "gated-gelu"
    return ("LigerRMSNorm for T5LayerNorm", *(["LigerGELUMulFunction for the gated GELU"] if gated else []), LOSS)


def parts_of_llama(shape: Mapping[str, Any]) -> tuple[str, ...]:
    """What becomes liger-kernel's in a decoder-only model of this shape, in words; nothing: it has no patch."""
    kind = shape.get("model_type")
    return (f"its own patch of {kind} for RMSNorm and feed-forward", LOSS) if kind in LLAMA_LIKE else ()


def patch_t5(network: Any) -> "FusedLoss":
    """Put the operations into a T5 in place; returns its output layer, which gives the loss."""
    from liger_kernel.transformers.monkey_patch import _patch_rms_norm_module

    for module in network.modules():
        kind = type(module).__name__
        if kind.endswith("T5LayerNorm"):
            # in_place would write the gradient over one that the residual stream may still need
            _patch_rms_norm_module(module, casting_mode="llama", in_place=False)
        elif kind.endswith("T5DenseGatedActDense") and network.config.dense_act_fn == "gelu_new":
            module.forward = MethodType(_gated, module)
    return FusedLoss(network.lm_head)


def patch_llama(network: Any) -> "FusedLoss":
    """The same for a Llama-like model.

    liger-kernel also puts its classes into the model type's module, where the next network of the process would find
    them: that is undone, so that a trained model answers the same in this process and in the next.
    """
    from liger_kernel.transformers.monkey_patch import _apply_liger_kernel_to_instance

    home = vars(sys.modules[type(network).__module__])
    before = dict(home)
    try:
        _apply_liger_kernel_to_instance(
            network, rope=False, cross_entropy=False, fused_linear_cross_entropy=False, rms_norm=True
        )
    finally:
        home.update(before)
    return FusedLoss(network.lm_head)


class FusedLoss:
    """An output layer that gives, while a loss is asked for, the summed cross-entropy in the place of logits."""

    def __init__(self, head: Any) -> None:
        self.head = head
        self.asked: tuple[torch.Tensor, float] | None = None
        head.forward = self._forward

    def __call__(
        self,
        network: Any,
        inputs: Mapping[str, Any],
        labels: "torch.Tensor",
        count: "torch.Tensor | int | None",
        smoothing: float,
    ) -> tuple["torch.Tensor", Any]:
        """(loss, outputs without logits) of a batch, as macsql.models.loss.token_mean has it.

        `labels` has one for each position that the output layer sees, -100 where no loss is taken.
        """
        self.asked = labels, smoothing
        try:
            outputs = network(**inputs)  # under the Trainer's autocast, the loss within it
        finally:
            self.asked = None
        total, outputs.logits = outputs.logits, None
        return total / (count if count is not None else labels.ne(-100).sum()), outputs

    def _forward(self, hidden: "torch.Tensor") -> "torch.Tensor":
        if self.asked is None:
            from torch.nn.functional import linear

            return linear(hidden, self.head.weight, self.head.bias)
        from liger_kernel.transformers.functional import liger_fused_linear_cross_entropy

        labels, smoothing = self.asked
        total: torch.Tensor = liger_fused_linear_cross_entropy(
            hidden.reshape(-1, hidden.size(-1)),
            self.head.weight,
            labels.reshape(-1),
            bias=self.head.bias,
            ignore_index=-100,
            label_smoothing=smoothing,
            reduction="sum",
        )
        return total


def _gated(self: Any, hidden: "torch.Tensor") -> "torch.Tensor":
    """T5DenseGatedActDense.forward with activation and product in one operation."""
    from liger_kernel.ops import LigerGELUMulFunction

    wide = self.dropout(LigerGELUMulFunction.apply(self.wi_0(hidden), self.wi_1(hidden)))
    if wide.dtype != self.wo.weight.dtype:  # wo may be kept in fp32, as in T5's own forward
        wide = wide.to(self.wo.weight.dtype)
    output: torch.Tensor = self.wo(wide)
    return output
