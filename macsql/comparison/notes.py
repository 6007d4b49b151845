"""What one must know to read an experiment's figures, in sentences."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from macsql.comparison.arms import Arm, loss_notes
from macsql.comparison.contrasts import MOST_ARMS, Contrast
from macsql.comparison.published import Published

if TYPE_CHECKING:
    from macsql.comparison.experiment import TrialReport

UNEQUAL = 1.5  # the largest agent's training rows over the smallest's from which on there is a balance to speak of


def notes(
    known: Published, reports: "Sequence[TrialReport]", found: Sequence[Arm], held: Sequence[Contrast]
) -> list[str]:
    """What is published of the experiment, told by its trials or seen in its figures; a sentence or two each."""
    lines = [*known.notes, *(note for note in loss_notes(found))]
    lines += dict.fromkeys(
        note for report in reports if report.trial.result is not None for note in report.trial.result.notes
    )
    lines += _balance(reports)
    tests = sum(contrast.p is not None for contrast in held)
    if tests > 1:
        lines.append(
            f"{tests} tests are made at once: the adjusted p (Holm) holds the chance of even one false alarm among "
            "them at 5 %; the intervals are for one figure each."
        )
    lines += _seeds(found)
    if len(found) > MOST_ARMS + 1:
        lines.append(f"Of {len(found)} arms the first {MOST_ARMS} are tested against the reference.")
    return lines


def _seeds(found: Sequence[Arm]) -> list[str]:
    """What the seeds that have finished let p and the intervals say."""
    counts = sorted({len(arm.trials) for arm in found})
    if not counts:
        return []
    if counts[-1] == 1:
        return [
            "One seed an arm: intervals and p cover the choice of questions, for these very weights, not that of the "
            "seed; sweep.repeats=5 adds seeds to this sweep."
        ]
    several = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    return [
        f"{several} seeds an arm: p is a sign test over the questions for these very weights and says nothing of other "
        "seeds. The bootstrap draws seeds too, but its interval is too narrow where they are few; a difference "
        "therefore counts only where Student's interval over the seeds leaves out 0 as well."
    ]


def _balance(reports: "Sequence[TrialReport]") -> list[str]:
    if len({report.trial.config.mixture.name for report in reports}) < 2:
        return []
    real = next((report.train_rows for report in reports if report.trial.config.mixture.name == "real"), {})
    if not real or max(real.values()) >= UNEQUAL * min(real.values()):
        return []
    shown = ", ".join(f"{count} {agent}" for agent, count in real.items())
    return [f"The agents' training rows are nearly equal as they are ({shown}): there is no imbalance to remove here."]
