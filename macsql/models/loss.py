"""The loss of every family, in training and in evaluation."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from macsql.models.model import Trainable

PART = (
    8  # rows; of 360 built-in rows in batches of 32 an evaluation took 4.7 s of a core whole, 3.2 s in parts of 8 or 4
)


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


def loss_of(
    family: "Trainable", network: Any, batch: Mapping[str, "torch.Tensor"], count: Any, smoothing: float
) -> tuple["torch.Tensor", Any]:
    """(loss, outputs) as `Trainable.loss` has them; of an evaluation on a CPU the outputs are those of the last part.

    Such an evaluation takes its large batches in parts of like length: less padding, less memory, and the same loss but
    for rounding.
    """
    import torch

    if torch.is_grad_enabled() or batch["labels"].device.type != "cpu":
        return family.loss(network, batch, count, smoothing)
    whole = batch["labels"].ne(-100).sum()
    found = [family.loss(network, part, whole, smoothing) for part in parts(batch, PART)]
    return sum((loss for loss, _ in found), whole.new_zeros((), dtype=found[0][0].dtype)), found[-1][1]


def parts(batch: Mapping[str, "torch.Tensor"], rows: int) -> "Iterator[dict[str, torch.Tensor]]":
    """A batch's rows in parts of at most so many, short prompts first, without columns that hold padding alone."""
    for chosen in batch["attention_mask"].sum(dim=1).argsort(stable=True).split(rows):
        part = {name: value[chosen] for name, value in batch.items()}
        prompts, answers = _used(part["attention_mask"].ne(0)), _used(part["labels"].ne(-100))
        of_answers = ("labels", "decoder_input_ids") if "decoder_input_ids" in part else ()
        yield {name: value[:, answers if name in of_answers else prompts].contiguous() for name, value in part.items()}


def _used(mask: "torch.Tensor") -> slice:
    """The columns from the first to the last that any row uses; all where none does."""
    columns = mask.any(dim=0).nonzero()
    return slice(int(columns[0]), int(columns[-1]) + 1) if len(columns) else slice(None)
