"""Generation that writes only what a reader accepts.

The network's own choice is looked at first: as long as its best tokens are acceptable nothing is masked, which costs a
few characters of reading per token. Only where they are not, the tree of all tokens is searched.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from macsql.spelling.ending import GROWS, Endings
from macsql.spelling.pieces import Pieces
from macsql.spelling.reader import Reader
from macsql.spelling.spelling import Spelling, Written

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

_QUOTE = re.compile("['\"]")
KEPT = 200_000  # ways from one state to the next
TRIED = 16  # of the network's best tokens, before all tokens are searched
SORTED = (256, 4096)  # tokens that are sorted first: to sort 49,000 takes longer than to read what most answers need
MOST_LOST = 40.0  # a network that had to leave its way by so much does not find back: its answer is ended
LAST_TRIED = 4  # of them, where the limit is near: each is looked at for whether it can still be ended


@dataclass
class Track:
    """How far an answer has come, and what is known of its end."""

    written: Written
    look: int = 0  # tokens behind which it is to be seen whether the limit is near
    forced: tuple[int, ...] | None = None  # all that is left to write
    lost: float = 0.0  # logits between the tokens that the network wanted and the best that it could have had
    gap: float = 0.0  # the same of the token to come
    overruled: int = 0  # tokens in the place of one that the network wanted more and could not have
    refused: bool = False  # whether the token to come is one of them


Known = dict[tuple[int, ...], Track | None]


class Alphabet:
    """How a model's tokens spell answers; made once for a model."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", marks: Mapping[str, str], end: int) -> None:
        self.pieces = Pieces(tokenizer)
        runs = self.pieces.by_runs
        self.spelling = Spelling(marks, words=not self.pieces.by_bytes and not runs, runs=runs)
        self.endings = Endings(self.pieces, self.spelling)
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
    more, may only end. `most`: tokens of an answer, whose last ones are spent on its end. `every`: all tokens are
    looked at, as drawing at random needs it.
    """

    def __init__(
        self,
        alphabet: Alphabet,
        readers: Sequence[Reader | None],
        beams: int,
        start: int,
        most: int,
        every: bool = False,
    ) -> None:
        self.alphabet, self.readers, self.beams, self.start, self.every = alphabet, list(readers), beams, start, every
        self.most = most
        self._known: list[Known] = [{} for _ in readers]
        self._overruled: list[dict[tuple[int, ...], int]] = [{} for _ in readers]  # with the token to come
        self._paths: list[dict[Written, tuple[int, ...] | None]] = [{} for _ in readers]

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
            if key not in now[place]:  # beams may be alike
                now[place][key] = self._looked(place, reader, self._track(place, reader, key), len(key))
            track = now[place][key]
            self._mask(scores, row, reader, track, best[row], best_scores[row], wanted, self.most - len(key))
            if track is not None:
                track.refused = float(scores[row, best[row][0]]) == float("-inf")
                self._overruled[place][key] = track.overruled + track.refused
        self._known = now
        return scores

    def overruled(self, place: int, ids: Sequence[int]) -> int:
        """How many tokens of an answer to a prompt stand where the network wanted another one more."""
        before = ids.index(self.alphabet.end) if self.alphabet.end in ids else len(ids) - 1  # the last token
        return self._overruled[place].get(tuple(ids[:before]), 0)

    def _track(self, place: int, reader: Reader, key: tuple[int, ...]) -> Track | None:
        if not key:
            return Track(self.alphabet.spelling.begin(reader))
        before = self._known[place].get(key[:-1])
        written = None if before is None else self.alphabet.after(reader, before.written, key[-1])
        if before is None or written is None:
            return None
        forced = before.forced[1:] if before.forced and before.forced[0] == key[-1] else None
        overruled = before.overruled + before.refused
        return Track(written, before.look, forced, before.lost + before.gap, overruled=overruled)

    def _looked(self, place: int, reader: Reader, track: Track | None, length: int) -> Track | None:
        """The same, with when to look for the limit again: at once where it is near."""
        if track is None or length < track.look or track.forced is not None:
            return track
        spare, grows = self.most - length - self.alphabet.endings.far(reader, track.written), GROWS
        if spare < GROWS and (path := self._path(place, reader, track.written)) is not None:
            spare, grows = self.most - length - len(path) - 1, self.alphabet.endings.grows(path)
        return replace(track, look=length + max(0, spare) // grows)

    def _path(self, place: int, reader: Reader, written: Written) -> tuple[int, ...] | None:
        """The way to an end, sought once."""
        known = self._paths[place]
        if written not in known:
            known[written] = self.alphabet.endings.path(reader, written)
        return known[written]

    def _mask(
        self,
        scores: "torch.Tensor",
        row: int,
        reader: Reader,
        track: Track | None,
        best: Sequence[int],
        best_scores: Sequence[float],
        wanted: int,
        left: int,
    ) -> None:
        if track is None:  # nothing could be accepted any more
            _leave(scores, row, [self.alphabet.end])
            return
        if track.forced is not None:
            _leave(scores, row, [track.forced[0] if track.forced else self.alphabet.end])
            return
        written = track.written
        if track.look <= self.most - left and self._ended(scores, row, reader, track, best, wanted, left):
            return
        if track.lost > MOST_LOST and (path := self._path(row // self.beams, reader, written)) is not None:
            track.forced = path
            _leave(scores, row, [path[0] if path else self.alphabet.end])
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
                        break
            if len(good) < wanted:
                good = self._best(scores, row, reader, written, wanted)
            track.gap = best_scores[0] - float(scores[row, good[0]])
            _leave(scores, row, good)
            return
        found = list(self.alphabet.pieces.acceptable(self.alphabet.spelling, reader, written))
        if self.alphabet.spelling.complete(reader, written):
            found.append(self.alphabet.end)
        _leave(scores, row, found or [self.alphabet.end])

    def _best(self, scores: "torch.Tensor", row: int, reader: Reader, written: Written, wanted: int) -> list[int]:
        """The best tokens that may come next, the end where none may: what pieces have in common is read once."""
        spelling, texts, end = self.alphabet.spelling, self.alphabet.pieces.texts, self.alphabet.end
        known: dict[str, Written | None] = {"": written}
        good: list[int] = []
        for token in _ranked(scores[row]):
            if token == end:
                may = spelling.complete(reader, written)
            else:
                piece = (texts[token] if token < len(texts) else None) or ""
                now: Written | None = written if piece else None
                for count in range(1, len(piece) + 1):
                    if now is None:
                        break
                    begun = piece[:count]
                    if begun not in known:
                        known[begun] = spelling.advance(reader, now, begun[-1])
                    now = known[begun]
                may = now is not None
            if may:
                good.append(token)
                if len(good) == wanted:
                    break
        return good or [end]

    def _ended(
        self,
        scores: "torch.Tensor",
        row: int,
        reader: Reader,
        track: Track,
        best: Sequence[int],
        wanted: int,
        left: int,
    ) -> bool:
        """Near the limit: leave the best tokens behind which there is room for an end, else the way to the end.

        False where no end is known.
        """
        good: list[int] = []
        able = [token for token in best if self._may(reader, track.written, token)]
        if len(able) < wanted:
            found = self.alphabet.pieces.acceptable(self.alphabet.spelling, reader, track.written)
            whole = self.alphabet.spelling.complete(reader, track.written)
            able = sorted([*found, *[self.alphabet.end] * whole], key=lambda token: -float(scores[row, token]))
        for token in able[: LAST_TRIED * wanted]:
            after = None if token == self.alphabet.end else self.alphabet.after(reader, track.written, token)
            path = () if after is None else self._path(row // self.beams, reader, after)
            if path is not None and len(path) + 2 - (after is None) <= left:  # it, the way, the end token
                good.append(token)
                if len(good) == wanted:
                    break
        if not good:
            path = self._path(row // self.beams, reader, track.written)
            if path is None:
                return False
            track.forced, good = path, [path[0] if path else self.alphabet.end]
        _leave(scores, row, good)
        return True

    def _may(self, reader: Reader, written: Written, token: int) -> bool:
        if token == self.alphabet.end:
            return self.alphabet.spelling.complete(reader, written)
        return self.alphabet.after(reader, written, token) is not None


def _ranked(scores: "torch.Tensor") -> Iterator[int]:
    """Tokens, the best first. Equal scores have no order of their own, so that no place in it can be counted on."""
    seen: set[int] = set()
    for most in (*(most for most in SORTED if most < len(scores)), len(scores)):
        for token in scores.topk(most).indices.tolist():
            if token not in seen:
                seen.add(token)
                yield token


def _leave(scores: "torch.Tensor", row: int, tokens: Sequence[int]) -> None:
    """Minus infinity for all but these tokens of a row."""
    kept: Any = scores[row, tokens].clone()
    scores[row] = float("-inf")
    scores[row, tokens] = kept
