"""Generation that writes only what a reader accepts.

The network's own choice is looked at first: as long as its best tokens are acceptable nothing is masked, which costs a
few characters of reading per token. Only where they are not, the tree of all tokens is searched.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from macsql.spelling.pieces import Pieces
from macsql.spelling.reader import Reader
from macsql.spelling.spelling import Spelling, Written

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

_QUOTE = re.compile("['\"]")
KEPT = 200_000  # ways from one state to the next
TRIED = 16  # of the network's best tokens, before all tokens are searched
Known = dict[tuple[int, ...], Written | None]


class Alphabet:
    """How a model's tokens spell answers; made once for a model."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", marks: Mapping[str, str], end: int) -> None:
        self.pieces = Pieces(tokenizer)
        self.spelling = Spelling(marks, words=not self.pieces.by_bytes)
        self.end = end

    def after(self, reader: Reader, written: Written, token: int) -> Written | None:
        """Behind one more token; None where it may not come next."""
        piece = self.pieces.texts[token] if token < len(self.pieces.texts) else None
        if not piece:
            return None
        kept = None if written.held.strip() or _QUOTE.search(piece) else reader.kept(written.inner)
        if kept is None:
            return self.spelling.advance(reader, written, piece)
        key = (written, token)
        if key not in kept:
            if len(kept) >= KEPT:
                kept.clear()
            kept[key] = self.spelling.advance(reader, written, piece)
        found: Written | None = kept[key]
        return found


class Constrained:
    """A logits processor of transformers: tokens that a row's reader does not accept get minus infinity.

    `start`: how many tokens stand before the answer. A row whose answer has ended, or whose reader accepts nothing
    more, may only end. `every`: all tokens are looked at, as drawing at random needs it.
    """

    def __init__(
        self, alphabet: Alphabet, readers: Sequence[Reader | None], beams: int, start: int, every: bool = False
    ) -> None:
        self.alphabet, self.readers, self.beams, self.start, self.every = alphabet, list(readers), beams, start, every
        self._known: list[Known] = [{} for _ in readers]

    def __call__(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        """Scores [rows x beams, tokens] of what follows the ids [rows x beams, length]."""
        import torch

        wanted = 1 if self.beams == 1 else 2 * self.beams
        tried = min(TRIED * wanted, scores.size(1))
        best_scores, best = (tensor.tolist() for tensor in torch.topk(scores, tried, dim=1))
        answers = input_ids[:, self.start :].tolist()
        now: list[Known] = [{} for _ in self.readers]
        for row, ids in enumerate(answers):
            place = row // self.beams
            reader = self.readers[place]
            if reader is None or self.alphabet.end in ids:
                continue
            key = tuple(ids)
            if key in now[place]:  # beams that are alike
                written = now[place][key]
            else:
                written = now[place][key] = self._written(place, reader, key)
            self._mask(scores, row, reader, written, best[row], best_scores[row], wanted)
        self._known = now
        return scores

    def _written(self, place: int, reader: Reader, key: tuple[int, ...]) -> Written | None:
        if not key:
            return self.alphabet.spelling.begin(reader)
        before = self._known[place].get(key[:-1])
        return None if before is None else self.alphabet.after(reader, before, key[-1])

    def _mask(
        self,
        scores: "torch.Tensor",
        row: int,
        reader: Reader,
        written: Written | None,
        best: Sequence[int],
        best_scores: Sequence[float],
        wanted: int,
    ) -> None:
        if written is None:  # nothing could be accepted any more
            _leave(scores, row, [self.alphabet.end])
            return
        if not self.every:
            good: list[int] = []
            for number, token in enumerate(best):
                if best_scores[number] == float("-inf"):
                    break
                if self._may(reader, written, token):
                    if wanted == 1 and number == 0:
                        return  # the network's choice stands
                    good.append(token)
                    if len(good) == wanted:
                        _leave(scores, row, good)
                        return
        found = list(self.alphabet.pieces.acceptable(self.alphabet.spelling, reader, written))
        if self.alphabet.spelling.complete(reader, written):
            found.append(self.alphabet.end)
        _leave(scores, row, found or [self.alphabet.end])

    def _may(self, reader: Reader, written: Written, token: int) -> bool:
        if token == self.alphabet.end:
            return self.alphabet.spelling.complete(reader, written)
        return self.alphabet.after(reader, written, token) is not None


def _leave(scores: "torch.Tensor", row: int, tokens: Sequence[int]) -> None:
    """Minus infinity for all but these tokens of a row."""
    kept: Any = scores[row, tokens].clone()
    scores[row] = float("-inf")
    scores[row, tokens] = kept
