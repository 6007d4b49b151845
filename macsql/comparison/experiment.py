"""Everything that a report on an experiment needs, computed once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from macsql.comparison import collect
from macsql.comparison.collect import StoredTrial, experiment_of, newest, planned
from macsql.comparison.contrasts import (
    Contrast,
    MinimumDetectableDifference,
    contrast_of,
    contrasts,
    minimum_detectable_difference,
)
from macsql.comparison.figures import Curve, curve, disagreements, figures
from macsql.comparison.generation import AgentAnswers, ShownExample, answers, examples
from macsql.comparison.notes import notes
from macsql.comparison.published import EXPERIMENTS, Published, published, systems
from macsql.comparison.settings import Setting, best_of, find, settings
from macsql.comparison.side_by_side import Row, SystemRow, side_by_side, systems_table
from macsql.records import AGENTS, Agent
from macsql.training.mixture import epoch_indices


@dataclass(frozen=True)
class Provenance:
    """What made the figures; where the trials differ in one of these, every value."""

    command: str  # the newest: it asks for all that older ones asked for
    machine: str
    code: str  # its commit
    data: str
    fingerprint: str
    model: str
    scale: str
    scale_note: str
    seeds: tuple[int, ...]  # of the trials that have finished
    time_limit: float  # seconds for one SQL statement
    test_rows: dict[Agent, int]


@dataclass(frozen=True)
class MeasuredTrial:
    """One trial: what was asked, what came out, how its losses ran."""

    trial: StoredTrial
    figures: dict[str, float]  # derived from what is stored; empty where it has not been scored
    curve: Curve
    train_rows: dict[Agent, int]  # an epoch, as the mixture gives them; empty where the examples are gone


@dataclass(frozen=True)
class Comparison:
    """An experiment, compared; only what hangs on a StoredTrial is still read from its folder."""

    name: str
    published: Published
    provenance: Provenance
    trials: tuple[MeasuredTrial, ...]  # that have begun, in the order of the plan
    planned: int  # trials of the whole sweep, those that have not begun included
    settings: tuple[Setting, ...]  # with a finished trial
    best_setting: Setting | None  # by the sweep's first objective, as a mean over an setting's seeds
    best: StoredTrial | None  # that setting's first seed: the trial whose answers are shown
    reference: Setting | None  # what the others are held against
    rows: tuple[Row, ...]  # the poster's figure, ours, the difference
    systems: tuple[SystemRow, ...]
    contrasts: tuple[Contrast, ...]
    claim: Contrast | None  # the better setting of published.claim minus the worse one
    minimum: MinimumDetectableDifference | None
    answers: tuple[AgentAnswers, ...]  # of `best`
    examples: tuple[ShownExample, ...]  # of `best`
    notes: tuple[str, ...]
    disagreements: tuple[str, ...]  # between result.json and what follows from the stored verdicts and events

    @property
    def progress(self) -> str:
        """How much of the plan has finished, and what became of the rest: "2 of 6 planned trials have finished, 1
        failed"; empty for a whole sweep."""
        states = Counter(report.trial.state for report in self.trials)
        if states["FINISHED"] == self.planned:
            return ""
        words = {"FAILED": "failed", "PRUNED": "pruned", "KILLED": "killed", "UNFINISHED": "not ended yet"}
        others = "".join(f", {states[state]} {word}" for state, word in words.items() if states[state])
        return f"{states['FINISHED']} of {self.planned} planned trials have finished{others}"

    @property
    def answered_by(self) -> str:
        """Which of several seeds `answers` and `examples` are of: "seed 0, the first of 3"; empty for one seed."""
        if self.best is None or self.best_setting is None or len(self.best_setting.trials) == 1:
            return ""
        return f"seed {self.best.config.seed}, the first of {len(self.best_setting.trials)}"


def compare(name: str, state_dir: Path, folder: Path = EXPERIMENTS) -> Comparison:
    """The comparison of a sweep. `folder` holds what is published. Raises UserError where there are no trials.

    A sweep under a name of its own stands beside the figures of the experiment that its command names.
    """
    there = collect.trials(name, state_dir)
    trials = collect.of_one_study(there)
    known = _published(name, trials, folder)
    reports = _reports(trials)
    found = settings((report.trial, report.figures) for report in reports)
    best_setting = best_of(found)
    best = best_setting.shown if best_setting is not None else None
    reference = (find(found, known.reference) if known.reference is not None else None) or best_setting
    held = contrasts(found, reference) if reference is not None else []
    verdicts = best.verdicts if best is not None else []
    return Comparison(
        name=name,
        published=known,
        provenance=_provenance(trials),
        trials=tuple(reports),
        planned=planned(trials),
        settings=tuple(found),
        best_setting=best_setting,
        best=best,
        reference=reference,
        rows=tuple(side_by_side(known, found, best_setting)),
        systems=tuple(systems_table(systems(folder), best_setting)),
        contrasts=tuple(held),
        claim=_claim(known, found),
        minimum=minimum_detectable_difference(held, len({verdict.question_id for verdict in verdicts})),
        answers=tuple(answers(verdicts, known)),
        examples=tuple(examples(best)) if best is not None else (),
        notes=(*notes(known, reports, found, held, best_setting), *_left_out(there, trials)),
        disagreements=tuple(line for report in reports for line in disagreements(report.trial, report.figures)),
    )


def _left_out(there: Sequence[StoredTrial], trials: Sequence[StoredTrial]) -> list[str]:
    others = [trial.key for trial in there if all(trial is not kept for kept in trials)]
    if not others:
        return []
    shown = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
    return [f"Left out as of a study that is gone, asked for otherwise or tried anew since: {len(others)} ({shown})."]


def _published(name: str, trials: Sequence[StoredTrial], folder: Path) -> Published:
    names = [known for known in (name, experiment_of(trials)) if known and (folder / known).is_dir()]
    return published(names[0] if names else name, folder)


def _reports(trials: Sequence[StoredTrial]) -> list[MeasuredTrial]:
    reports, known = [], {}  # rows that a mixture takes, counted once for all trials that share it
    for trial in trials:
        trainer, mixture = trial.config.trainer, trial.config.mixture
        batch = trainer.rows_per_step
        shared = repr((trial.prepared, mixture, batch))
        if shared not in known:
            known[shared] = _train_rows(trial, batch)
        told = curve(trial.events)
        rows = {f"{agent}/train_rows": float(count) for agent, count in known[shared].items()}
        reports.append(MeasuredTrial(trial, figures(trial, told) | rows, told, known[shared]))
    return reports


def _train_rows(trial: StoredTrial, batch: int) -> dict[Agent, int]:
    counts = trial.examples.about["counts"]["train"] if trial.examples is not None else {}
    rows = [agent for agent in AGENTS for _ in range(counts.get(agent, 0))]
    taken = Counter(rows[index] for index in epoch_indices(rows, trial.config.mixture, 0, batch)) if rows else Counter()
    return {agent: taken[agent] for agent in AGENTS if taken[agent]}


def _provenance(trials: Sequence[StoredTrial]) -> Provenance:
    made = [trial for trial in trials if trial.finished] or list(trials)
    config = made[0].config
    scored = next((trial for trial in trials if trial.verdicts), made[0])
    counts = Counter(verdict.agent for verdict in scored.verdicts)
    return Provenance(
        command=newest(trials).command,
        machine=_all("; ", [trial.machine for trial in made]),
        code=_all(", ", [trial.code for trial in made]),
        data=_all(", ", [trial.config.data.format for trial in made]),
        fingerprint=_all(", ", [trial.fingerprint for trial in made]),
        model=_all(", ", [trial.model for trial in made]),
        scale=config.scale.name,
        scale_note=config.scale.note,
        seeds=tuple(sorted({trial.config.seed for trial in trials if trial.finished})),
        time_limit=max(trial.config.metrics.time_limit for trial in made),
        test_rows={agent: counts[agent] for agent in AGENTS if counts[agent]},
    )


def _all(between: str, values: Sequence[str]) -> str:
    """Every value once, in the order of the plan."""
    return between.join(dict.fromkeys(values))


def _claim(known: Published, found: Sequence[Setting]) -> Contrast | None:
    if known.claim is None:
        return None
    better, worse = find(found, known.claim.better), find(found, known.claim.worse)
    return contrast_of(better, worse, known.claim.metric) if better is not None and worse is not None else None
