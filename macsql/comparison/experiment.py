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
from macsql.comparison.effects import Effect, effects
from macsql.comparison.epochs import EpochTable, epoch_tables
from macsql.comparison.evaluated import evaluations
from macsql.comparison.figures import disagreements
from macsql.comparison.generation import AgentAnswers, ShownExample, answers, examples
from macsql.comparison.measured import MeasuredTrial, measured
from macsql.comparison.published import Published, published, systems
from macsql.comparison.settings import TriedSetting, best_of, find, settings
from macsql.comparison.side_by_side import Beside, side_by_side
from macsql.comparison.systems import SystemFigures, on_benchmarks, systems_with_ours
from macsql.places import EXPERIMENTS
from macsql.records import AGENTS, Agent


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
class Comparison:
    """An experiment, compared; only what hangs on a StoredTrial is still read from its folder."""

    name: str
    published: Published
    provenance: Provenance
    trials: tuple[MeasuredTrial, ...]  # that have begun, in the order of the plan
    planned: int  # trials of the whole sweep, those that have not begun included
    settings: tuple[TriedSetting, ...]  # with a finished trial
    best_setting: TriedSetting | None  # by the sweep's first objective, as a mean over a setting's seeds
    best: StoredTrial | None  # that setting's first seed: the trial whose answers are shown
    reference: TriedSetting | None  # what the others are held against
    beside: tuple[Beside, ...]  # the poster's figure, ours, the difference
    epochs: tuple[EpochTable, ...]  # the poster's tables of losses, with ours
    systems: tuple[SystemFigures, ...]
    contrasts: tuple[Contrast, ...]
    effects: tuple[Effect, ...]  # of a full factorial; none of any other sweep
    claim: Contrast | None  # the better setting of published.claim minus the worse one
    minimum: MinimumDetectableDifference | None
    answers: tuple[AgentAnswers, ...]  # of `best`
    examples: tuple[ShownExample, ...]  # of `best`
    left_out: tuple[str, ...]  # trials of the same name that are of a study that is gone
    disagreements: tuple[str, ...]  # between result.json and what follows from the stored verdicts and events

    @property
    def progress(self) -> str:
        """How much of the plan has finished, and what became of the rest: "2 of 6 planned trials have finished, 1
        failed"; empty for a whole sweep."""
        states = Counter(each.trial.state for each in self.trials)
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
    asked = collect.of_one_study(there)
    known = _published(name, asked, folder)
    trials = measured(asked)
    found = settings((each.trial, each.figures) for each in trials)
    best_setting = best_of(found)
    best = best_setting.shown if best_setting is not None else None
    reference = _found(known, found) or best_setting
    held = contrasts(found, reference) if reference is not None else []
    verdicts = best.verdicts if best is not None else []
    others = systems(folder)
    return Comparison(
        name=name,
        published=known,
        provenance=_provenance(asked),
        trials=tuple(trials),
        planned=planned(asked),
        settings=tuple(found),
        best_setting=best_setting,
        best=best,
        reference=reference,
        beside=tuple(side_by_side(known, found, best_setting)),
        epochs=tuple(epoch_tables(known, found, trials)),
        systems=tuple(systems_with_ours(others, best_setting, on_benchmarks(evaluations(state_dir), others))),
        contrasts=tuple(held),
        effects=tuple(effects(found, _found(known, found))),
        claim=_claim(known, found),
        minimum=minimum_detectable_difference(held, len({verdict.question_id for verdict in verdicts})),
        answers=tuple(answers(verdicts, known)),
        examples=tuple(examples(best)) if best is not None else (),
        left_out=tuple(trial.key for trial in there if all(trial is not kept for kept in asked)),
        disagreements=tuple(line for each in trials for line in disagreements(each.trial, each.figures)),
    )


def _published(name: str, trials: Sequence[StoredTrial], folder: Path) -> Published:
    names = [known for known in (name, experiment_of(trials)) if known and (folder / known).is_dir()]
    return published(names[0] if names else name, folder)


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


def _found(known: Published, found: Sequence[TriedSetting]) -> TriedSetting | None:
    """The setting that the others are held against, as the experiment's file states it."""
    return find(found, known.reference) if known.reference is not None else None


def _claim(known: Published, found: Sequence[TriedSetting]) -> Contrast | None:
    if known.claim is None:
        return None
    better, worse = find(found, known.claim.better), find(found, known.claim.worse)
    return contrast_of(better, worse, known.claim.metric) if better is not None and worse is not None else None
