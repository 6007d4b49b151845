"""When two results are the same, and how alike they are: the comparisons behind the execution scores.

A result is a list of rows, a row a tuple of SQLite values. Cells are equal as Python has it: 1 = 1.0, NULL = NULL,
text differs from number and from bytes, no tolerance for floats.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

Row = tuple[Any, ...]


def spider_equal(gold: Sequence[Row], pred: Sequence[Row], ordered: bool) -> bool:
    """Whether some permutation of the prediction's columns gives gold's rows: as a list when `ordered`, else as a bag.

    Two empty results are equal whatever their widths. The official script first compares the rows with their cells
    sorted by text and type, and so rejects some results that are equal: (1, 100) against (1.0, 100) but not (1, 3)
    against (1.0, 3). That quirk is kept; `columns_match` is the comparison without it.
    """
    if not gold and not pred:
        return True
    if len(gold) != len(pred) or len(gold[0]) != len(pred[0]):
        return False
    sorted_gold, sorted_pred = _sorted_cells(gold), _sorted_cells(pred)
    same = sorted_gold == sorted_pred if ordered else set(sorted_gold) == set(sorted_pred)
    return same and columns_match(gold, pred, ordered)


def columns_match(gold: Sequence[Row], pred: Sequence[Row], ordered: bool) -> bool:
    """The same without the quirk of `spider_equal`."""
    if not gold and not pred:
        return True
    if len(gold) != len(pred) or len(gold[0]) != len(pred[0]):
        return False
    gold_columns, pred_columns = list(zip(*gold, strict=True)), list(zip(*pred, strict=True))
    if ordered or len(gold_columns) == 1:
        if ordered:  # rows stand still, so the columns only have to be the same bag
            return Counter(gold_columns) == Counter(pred_columns)
        return Counter(gold_columns[0]) == Counter(pred_columns[0])
    return Counter(gold) == Counter(pred) or _permutation_exists(gold_columns, pred_columns)


def bird_equal(gold: Sequence[Row], pred: Sequence[Row]) -> bool:
    """BIRD's execution accuracy: the same set of rows. Duplicates and row order are ignored, column order counts."""
    return set(gold) == set(pred)


def soft_f1(gold: Sequence[Row], pred: Sequence[Row]) -> float:
    """BIRD's Soft-F1, 0 to 1.

    Duplicate rows are dropped (first one stays), then rows are aligned by position. Of each aligned pair, the shares
    of gold's width that matched, that only the prediction has and that only gold has are summed; a row without a
    partner counts one whole. F1 of these sums. Two empty results score 1.
    """
    if not gold and not pred:
        return 1.0
    gold, pred = list(dict.fromkeys(gold)), list(dict.fromkeys(pred))
    aligned = list(zip(gold, pred, strict=False))
    hits = [sum(cell in wanted for cell in given) for wanted, given in aligned]
    misses = [sum(cell not in given for cell in wanted) for wanted, given in aligned]
    widths = [len(wanted) for wanted, _ in aligned]
    surplus, lack = [1.0] * (len(pred) - len(gold)), [1.0] * (len(gold) - len(pred))  # at least one is empty
    spare = [(len(given) - hit) / width for (_, given), hit, width in zip(aligned, hits, widths, strict=True)]
    matched = sum(hit / width for hit, width in zip(hits, widths, strict=True))
    only_pred = sum(spare + surplus)
    only_gold = sum([miss / width for miss, width in zip(misses, widths, strict=True)] + lack)
    precision = matched / (matched + only_pred) if matched + only_pred else 0.0
    recall = matched / (matched + only_gold) if matched + only_gold else 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _sorted_cells(rows: Sequence[Row]) -> list[Row]:
    if len(rows[0]) == 1:
        return list(rows)
    return [tuple(sorted(row, key=lambda cell: f"{cell}{type(cell)}")) for row in rows]


def _permutation_exists(gold: list[Row], pred: list[Row]) -> bool:
    """Whether `pred`'s columns can be put in an order in which the rows are gold's rows as bags.

    Backtracking over gold's columns, the one with the fewest candidates first. A partial choice is kept only while the
    rows cut down to the chosen columns are equal bags, which prunes at once all but columns that look alike.
    """
    bags = [Counter(column) for column in pred]
    candidates = []
    for column in gold:
        bag = Counter(column)
        candidates.append([place for place, other in enumerate(bags) if other == bag])
    order = sorted(range(len(gold)), key=lambda place: len(candidates[place]))

    def extend(chosen: list[int]) -> bool:
        depth = len(chosen)
        if depth == len(order):
            return True
        rows = Counter(zip(*(gold[place] for place in order[: depth + 1]), strict=True))
        tried: set[Row] = set()  # equal columns lead to equal ends
        for place in candidates[order[depth]]:
            if place in chosen or pred[place] in tried:
                continue
            tried.add(pred[place])
            partial = [*chosen, place]
            if Counter(zip(*(pred[other] for other in partial), strict=True)) == rows and extend(partial):
                return True
        return False

    return extend([])
