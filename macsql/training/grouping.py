"""Rows of like length in one batch: less padding for the same rows, whatever the mixture.

It is not for nothing. With the built-in model and a batch of 8 (6 epochs, three seeds, the spread in brackets) padding
falls from 0.35 of all positions to 0.08, but the eval loss rises from 0.22 (0.20 to 0.25) to 0.37 (0.37 to 0.38) and
the Decomposer's EX falls from 0.24 to 0.17, perhaps because batches of one length hold one kind of question. Spans of 4
batches instead of 50 are between the two: padding 0.19, loss 0.31. So `random` is the default.

`train/padding_share` tells what the order that was drawn costs. With the built-in base and data it is 0.19 in batches
of 4 (0.15 of the prompts' positions, 0.45 of the answers'), 0.27 in batches of 8, and 0.15 in 2 x 4 rows; on a GPU,
whose lengths are rounded up to multiples of 8, 0.02 more.

To sort the rows of one optimizer step is for nothing: it changes no gradient, and micro-batches waste less.
"""

import random
from collections.abc import Sequence

import numpy as np

from macsql.models.model import Row

SPAN = 50  # batches that are sorted together: an order within them is given up, beyond them it stays as it was drawn


def grouped(rows: Sequence[int], lengths: Sequence[int], batch: int, draw: random.Random) -> list[int]:
    """The same row numbers, each as often as before, in another order: each batch holds rows of like length.

    `lengths` has the length of every row that there is. Of each 50 batches the rows are sorted by length and cut into
    batches, whose order is drawn again; so lengths do not rise or fall over an epoch. A last batch that is not full
    stays the last one, and its lengths are drawn like any other's.
    """
    batches: list[list[int]] = []
    rest: list[int] = []
    for start in range(0, len(rows), SPAN * batch):
        part = sorted(rows[start : start + SPAN * batch], key=lambda row: lengths[row])
        if over := len(part) % batch:
            at = batch * draw.randrange(len(part) // batch + 1)
            rest = part[at : at + over]
            del part[at : at + over]
        batches += [part[place : place + batch] for place in range(0, len(part), batch)]
    draw.shuffle(batches)
    return [row for group in [*batches, rest] for row in group]


def steps_sorted(rows: Sequence[int], lengths: Sequence[int], batch: int) -> list[int]:
    """The same optimizer steps (`batch` rows each) with their rows from long to short, for micro-batches."""
    starts = range(0, len(rows), batch)
    return [row for start in starts for row in sorted(rows[start : start + batch], key=lambda row: -lengths[row])]


def length(row: Row) -> int:
    """What a row costs, as far as its length says: the tokens of its prompt and its labels together."""
    return sum(map(len, row.values()))


def padding_share(order: Sequence[int], rows: Sequence[Row], batch: int, multiple: int = 1) -> float:
    """The share of all positions of an epoch's batches that hold padding, prompts and labels together.

    Each of the two is as long as its longest in the batch, rounded up to a multiple by the collator.
    """
    lengths = np.array([[len(rows[number][name]) for name in sorted(rows[number])] for number in order])
    groups = [lengths[start : start + batch] for start in range(0, len(order), batch)]
    positions = sum(len(group) * int((-(-group.max(axis=0) // multiple) * multiple).sum()) for group in groups)
    return 1 - float(lengths.sum()) / positions
