"""A trial's figures, every one derived again from what it stored, and checked against what it reported.

Names are those of macsql.metrics ("<agent>/<metric>") and, besides them:

    all/<metric>           mean over the verdicts of all agents to which it applies
    <agent>/train_rows     rows of the agent that an epoch of training takes (macsql.comparison.measured)
    <agent>/accuracy       share of right answers among those that could be judged (macsql.metrics.taxonomy)
    eval/<agent>/<metric>  the same as <agent>/<metric> on the eval questions, where the sweep chose by one of them
    eval_loss, train_loss  as the trial reports them: best evaluation; mean of the last 50 logged training losses
    pair/train_loss        mean training loss over the epoch of the best evaluation; pair/eval_loss is that evaluation
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from macsql.comparison.collect import StoredTrial
from macsql.metrics import summary
from macsql.metrics.taxonomy import UNJUDGED, AnswerOutcome
from macsql.records import AGENTS, Agent, Verdict
from macsql.trials.events import Event
from macsql.trials.folder import EVAL_VERDICTS, RESULT, VERDICTS

OWN = (  # figures that a trial does not report
    *("all/rouge_l", "all/exact_match", "all/execution_accuracy"),
    *(f"{agent}/accuracy" for agent in AGENTS),
)
ON_EVAL = "eval/"  # before the name of a figure on the eval questions
LAST = 50  # logged training losses in `train_loss`, as in macsql.trials.trained
TITLES = {  # metric -> (name, protocol); the one place where a metric has its name for people
    "rouge_l": ("ROUGE-L", "F1 of rouge_score, without stemming, of the whole answer"),
    "exact_match": ("EM (string)", "exact match of the whole answer as a string, white space apart"),
    "execution_accuracy": ("EX", "spider-ex, strict reading"),
    "execution_accuracy_fixed": ("EX (fixed)", "spider-ex, fixed reading"),
    "spider_em": ("Spider EM", "spider-em, exact set match"),
    "ves": ("VES", "bird-ves"),  # published of other systems
    "train_rows": ("training rows", "rows per epoch"),
    "all/execution_accuracy": (
        "EX",
        "spider-ex, strict reading, of Decomposer and Refiner: a Selector's answer is no SQL",
    ),
    "accuracy": (
        "right",
        "failure taxonomy: spider-ex in its fixed reading; Selector: keeps what gold needs",
    ),
    "eval_loss": ("eval loss", "cross-entropy per target token on the fixed evaluation set"),
    "train_loss": (
        "train loss",
        f"cross-entropy per target token on the rows trained on, mean of the last {LAST} logged",
    ),
    "pair/train_loss": (
        "train loss, best epoch",
        "cross-entropy per target token on the rows trained on, mean over the epoch's steps",
    ),
}
WHOSE = {"all": "all agents", "selector": "Selector", "decomposer": "Decomposer", "refiner": "Refiner"}


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of a trial."""

    epoch: float
    step: int
    eval_loss: float
    train_loss: float | None  # mean over the steps since the evaluation before


@dataclass(frozen=True)
class Curve:
    """A trial's losses as it told them: (step, epoch, training loss) a logged step, and its evaluations."""

    training: tuple[tuple[int, float, float], ...]
    evaluations: tuple[Evaluation, ...]

    @property
    def best(self) -> Evaluation | None:
        """The evaluation with the lowest loss, the first of equal ones."""
        return min(self.evaluations, key=lambda item: item.eval_loss, default=None)


def title(metric: str) -> str:
    """What a person calls a figure: "ROUGE-L, Decomposer", "EX, Decomposer, on the eval questions"."""
    if metric.startswith(ON_EVAL):
        return f"{title(metric.removeprefix(ON_EVAL))}, on the eval questions"
    whose = metric.rpartition("/")[0]
    return f"{heading(metric)}, {WHOSE[whose]}" if whose in WHOSE else heading(metric)


def heading(metric: str) -> str:
    """What a person calls a figure where it is clear whose it is: "ROUGE-L"."""
    return _named(metric)[0] or metric.rpartition("/")[2].replace("_", " ")


def protocol(metric: str) -> str:
    """The rule behind a figure."""
    return _named(metric)[1]


def _named(metric: str) -> tuple[str, str]:
    """Title and protocol of a figure, whosever it is."""
    return TITLES.get(metric) or TITLES.get(metric.rpartition("/")[2], ("", ""))


def curve(events: Sequence[Event]) -> Curve:
    """A trial's losses from its events."""
    training = [(event.step, event.epoch, event.metrics["loss"]) for event in events if "loss" in event.metrics]
    evaluations, after = [], 0
    for event in events:
        if "eval_loss" in event.metrics:
            since = [loss for step, _, loss in training if after < step <= event.step]
            mean = sum(since) / len(since) if since else None
            evaluations.append(Evaluation(event.epoch, event.step, event.metrics["eval_loss"], mean))
            after = event.step
    return Curve(tuple(training), tuple(evaluations))


def score_of(verdict: Verdict, metric: str) -> float | None:
    """A verdict's value for a metric without its agent's prefix; None: does not apply."""
    if metric == "accuracy":
        return None if verdict.outcome in UNJUDGED else float(verdict.outcome == AnswerOutcome.RIGHT)
    return verdict.scores.get(metric)


def chosen(verdicts: Sequence[Verdict], metric: str) -> list[tuple[Verdict, float]]:
    """The verdicts to which a figure ("<agent>/<metric>" or "all/<metric>") applies, with their values."""
    whose, _, name = metric.partition("/")
    rows = [verdict for verdict in verdicts if whose in ("all", verdict.agent)]
    return [(verdict, value) for verdict in rows if (value := score_of(verdict, name)) is not None]


def mean(verdicts: Sequence[Verdict], metric: str) -> float | None:
    """A figure over verdicts; None where it applies to none."""
    values = [value for _, value in chosen(verdicts, metric)]
    return sum(values) / len(values) if values else None


def figures(trial: StoredTrial, told: Curve) -> dict[str, float]:
    """Every figure of a trial, from its stored verdicts and the losses that it told, `told`."""
    found = summary(trial.verdicts)
    found |= {f"{ON_EVAL}{name}": value for name, value in summary(trial.eval_verdicts or []).items()}
    found |= {metric: value for metric in OWN if (value := mean(trial.verdicts, metric)) is not None}
    if told.training:
        recent = [loss for _, _, loss in told.training][-LAST:]
        found["train_loss"] = sum(recent) / len(recent)
    if told.best is not None:
        found["eval_loss"] = found["pair/eval_loss"] = told.best.eval_loss
        if told.best.train_loss is not None:
            found["pair/train_loss"] = told.best.train_loss
    return found


def disagreements(trial: StoredTrial, derived: dict[str, float]) -> list[str]:
    """A sentence for each figure that the trial reported and its stored verdicts or events do not give."""
    if not trial.finished or trial.result is None:
        return []
    lines = []
    for name, reported in trial.result.metrics.items():
        if name.startswith(ON_EVAL) and trial.eval_verdicts is None:
            continue  # a sweep from before these verdicts were kept: there is nothing to say
        again = derived.get(name)
        if again is None:
            lines.append(f"{trial.key}: {name} is {reported:.6g} in {RESULT} and cannot be derived again.")
        elif not math.isclose(again, reported, rel_tol=1e-9, abs_tol=1e-12):
            lines.append(f"{trial.key}: {name} is {reported:.6g} in {RESULT}, {again:.6g} from what is stored.")
    scored = {name for name in derived if name not in OWN and not name.endswith(("_loss", "/train_rows"))}
    unreported = sorted(scored - trial.result.metrics.keys())
    lines += [f"{trial.key}: {name} follows from {_source(name)} and is not in {RESULT}." for name in unreported]
    return lines


def _source(name: str) -> str:
    return EVAL_VERDICTS if name.startswith(ON_EVAL) else VERDICTS


def agents_of(verdicts: Sequence[Verdict]) -> list[Agent]:
    """The agents that have a verdict."""
    return [agent for agent in AGENTS if any(verdict.agent == agent for verdict in verdicts)]
