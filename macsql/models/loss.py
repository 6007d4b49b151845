"""The training loss of every family."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def token_mean(
    logits: "torch.Tensor", labels: "torch.Tensor", count: "torch.Tensor | int | None" = None, smoothing: float = 0.0
) -> "torch.Tensor":
    """Cross-entropy summed over the target tokens ([batch, length, tokens] against [batch, length], -100: no target)
    and divided by `count`, the number of them in all micro-batches of the optimizer step (None: in these labels).

    So 8 x 1 equals 4 x 2; T5's own mean over each micro-batch makes loss and gradient as many times too large as there
    are micro-batches.
    """
    from torch.nn.functional import cross_entropy

    total = cross_entropy(
        logits.view(-1, logits.size(-1)).float(),
        labels.view(-1),
        ignore_index=-100,
        reduction="sum",
        label_smoothing=smoothing,
    )
    return total / (count if count is not None else labels.ne(-100).sum())
