"""Can this tokenizer, within these windows, represent this data at all? Counted on every example, before training."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from macsql.errors import UserError
from macsql.metrics.text import exact_match
from macsql.models.text import Text
from macsql.models.window import token_ids
from macsql.records import AGENTS, Agent, Example

BATCH = 512  # examples whose token ids are held at once


@dataclass(frozen=True)
class FieldAudit:
    """What happens to the sources, or to the targets, of one agent. Shares are from 0 to 1."""

    unknown_tokens: float  # share of all tokens
    rows_with_unknown: float  # share of rows
    missing: tuple[str, ...]  # characters that become unknown tokens
    round_trip_loss: float  # share of rows that encode, tokenise and decode do not give back letter for letter
    truncated: float  # share of rows longer than the window
    mean_tokens: float  # before cutting, with the end token and the chat template
    longest: int  # tokens of the longest row
    window: int  # tokens
    window_key: str  # the configuration key that sets it


@dataclass(frozen=True)
class AgentAudit:
    """One agent's examples. Shares are from 0 to 1."""

    agent: Agent
    rows: int
    exact_match_ceiling: float  # share of targets that still match themselves (metrics.text) after all of this
    question_in_window: float | None  # share of rows whose question the model reads whole; None: no question is known
    unknown_tokens: float  # share of the tokens of sources and targets together
    truncated: float  # share of rows of which either is longer than its window
    source: FieldAudit
    target: FieldAudit


@dataclass(frozen=True)
class AuditReport:
    """An audit of every agent that has examples."""

    codec: str
    agents: tuple[AgentAudit, ...]
    model: str = ""  # its name, where there may be several

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Agent -> its figures, ready for JSON."""
        return {audit.agent: {k: v for k, v in asdict(audit).items() if k != "agent"} for audit in self.agents}

    def warnings(self) -> list[str]:
        """A sentence for everything that no training on these examples can teach."""
        of = f"model={self.model}, codec={self.codec}" if self.model else f"codec={self.codec}"
        return [sentence for audit in self.agents for sentence in _warnings(audit, of)]

    def refuse_below(self, ceiling: float | None) -> None:
        """Raise UserError naming the first agent whose exact match cannot reach `ceiling`, a share (None: any)."""
        check_ceiling(ceiling)
        for audit in self.agents:
            if ceiling is not None and audit.exact_match_ceiling < ceiling:
                reasons = " and ".join(_reasons(audit))
                model = f"model={self.model}" if self.model else "this model"
                raise UserError(
                    f"The {audit.agent}'s exact match can be at most {audit.exact_match_ceiling:.4g} with "
                    f"codec={self.codec} and {model} ({reasons}), and audit.fail_below={ceiling} asks for more."
                )


def check_ceiling(ceiling: float | None) -> None:
    """Raise UserError where audit.fail_below is not a share."""
    if ceiling is not None and not 0 <= ceiling <= 1:
        raise UserError(f"audit.fail_below={ceiling} is not a share: write a number from 0 to 1.")


def audit_examples(examples: Sequence[Example], text: Text, max_new_tokens: int, model: str = "") -> AuditReport:
    """Count what is lost of `examples` on their way through the codec, tokenizer and windows of a model of this name.

    An answer may take `max_new_tokens` at most, the end-of-sequence token included, whatever it was trained on.
    """
    audits = []
    for agent in AGENTS:
        rows = [row for row in examples if row.agent == agent]
        if rows:
            audits.append(_audit(agent, rows, text, max_new_tokens))
    return AuditReport(text.codec.name, tuple(audits), model)


class _Tally:
    """Running counts over one field."""

    def __init__(self, reader: Text, frame: tuple[list[int], list[int]], window: int, window_key: str) -> None:
        self.reader, self.frame, self.window, self.window_key = reader, frame, window, window_key
        tokenizer = reader.tokenizer  # some have one token for both: it stands at every end, and nothing is unknown
        self.unknown_token: Any = tokenizer.unk_token_id if tokenizer.unk_token_id != tokenizer.eos_token_id else None
        self.rows = self.tokens = self.longest = self.truncated = self.unknown = self.rows_with_unknown = self.lost = 0
        self.characters: set[str] = set()

    def add(self, texts: Sequence[str], rows: Sequence[list[int]]) -> None:
        """Count texts and their token ids, uncut, of which `frame` stands before and behind the text."""
        before, behind = map(len, self.frame)
        for text, ids in zip(texts, rows, strict=True):
            unknown = ids.count(self.unknown_token)
            self.rows += 1
            self.tokens += len(ids)
            self.longest = max(self.longest, len(ids))
            self.truncated += len(ids) > self.window
            self.unknown += unknown
            self.rows_with_unknown += unknown > 0
            own = ids[before : len(ids) - behind]
            self.lost += unknown > 0 or self.reader.text(own) != text  # what was unknown is not decoded
            if unknown:
                self.characters.update(self.reader.codec.encode(text))

    def audit(self) -> FieldAudit:
        """The counts as shares."""
        characters = sorted(self.characters)
        unknown, alone = self.unknown_token, token_ids(self.reader.tokenizer, characters)
        return FieldAudit(
            unknown_tokens=self.unknown / self.tokens,
            rows_with_unknown=self.rows_with_unknown / self.rows,
            missing=tuple(character for character, ids in zip(characters, alone, strict=True) if unknown in ids),
            round_trip_loss=self.lost / self.rows,
            truncated=self.truncated / self.rows,
            mean_tokens=self.tokens / self.rows,
            longest=self.longest,
            window=self.window,
            window_key=self.window_key,
        )


def _audit(agent: Agent, rows: Sequence[Example], reader: Text, max_new_tokens: int) -> AgentAudit:
    source = _Tally(reader, reader.frame, reader.max_source_length, "model.max_source_length")
    longest = min(max_new_tokens, reader.max_target_length)
    key = "generation.max_new_tokens" if max_new_tokens < reader.max_target_length else "model.max_target_length"
    target = _Tally(reader, ([], []), longest, key)
    reached = truncated = 0
    seen: list[bool] = []
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        prompts, answers = [row.source for row in batch], [row.target for row in batch]
        source.add(prompts, sources := reader.asked(prompts))
        target.add(answers, targets := reader.answered(answers))
        for row, asked, answer in zip(batch, sources, targets, strict=True):
            truncated += len(asked) > source.window or len(answer) > target.window
            reached += exact_match(row.target, reader.text(reader.learnt(answer)[:max_new_tokens]))
        seen += _questions_seen(batch, sources, reader)
    return AgentAudit(
        agent=agent,
        rows=len(rows),
        exact_match_ceiling=reached / len(rows),
        question_in_window=sum(seen) / len(seen) if seen else None,
        unknown_tokens=(source.unknown + target.unknown) / (source.tokens + target.tokens),
        truncated=truncated / len(rows),
        source=source.audit(),
        target=target.audit(),
    )


def _questions_seen(rows: Sequence[Example], sources: Sequence[list[int]], reader: Text) -> Iterator[bool]:
    """For every row with a question: does it stand whole in the source, or in what is left of a source that is cut?

    White space does not count. Of a cut source both it and the question are read back from tokens, so that characters
    which the tokenizer loses are lost on both sides.
    """
    window = reader.max_source_length
    asked = [_plain(row.question) for row in rows]
    cut_ones = sorted({text for text, ids in zip(asked, sources, strict=True) if len(ids) > window})
    as_read = {text: _plain(reader.text(ids)) for text, ids in zip(cut_ones, reader.ids(cut_ones), strict=True)}
    for row, question, ids in zip(rows, asked, sources, strict=True):
        if question and len(ids) <= window:
            yield question in _plain(row.source)
        elif question:
            yield bool(read := as_read[question]) and read in _plain(reader.text(reader.read(ids)))


def _plain(text: str) -> str:
    return " ".join(text.split())


def _warnings(audit: AgentAudit, of: str) -> Iterator[str]:
    name, source = f"{audit.agent.capitalize()} ({of})", audit.source
    if audit.exact_match_ceiling < 1:
        reasons = " and ".join(_reasons(audit))
        yield f"{name}: exact match can be at most {percent(audit.exact_match_ceiling)}: {reasons}."
    if audit.question_in_window is not None and audit.question_in_window < 1:
        seen = percent(audit.question_in_window)
        yield f"{name}: only {seen} of the questions stand whole in the model's window of {source.window} tokens."
    if source.truncated > 0:
        yield f"{name}: {percent(source.truncated)} of the prompts are longer than {source.window} tokens and are cut."


def _reasons(audit: AgentAudit) -> Iterator[str]:
    """Why an agent's exact match cannot be 1."""
    target = audit.target
    if target.missing:
        yield f"the tokenizer cannot write {' '.join(target.missing)}"
    elif target.round_trip_loss > 0:
        yield f"{percent(target.round_trip_loss)} of the answers do not come back as they were written"
    if target.truncated > 0:
        longer = f"longer than {target.window} tokens ({target.window_key})"
        yield f"{percent(target.truncated)} of the answers are {longer}"


def percent(share: float) -> str:
    """A share in percent; what is not quite 0 or 1 does not read as 0 % or 100 %."""
    if 0 < share < 0.001:
        return "under 0.1 %"
    if 0.999 < share < 1:
        return "under 100 %"
    return f"{100 * share:.0f} %" if share in (0, 1) else f"{100 * share:.1f} %"
