"""Everything that can be known of a sweep before its first step: what is wrong, what it will do, what it will cost."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from macsql.config import AUTO, Config, ExecutorConfig, ModelConfig, flatten
from macsql.coordination.database_lock import check_storage
from macsql.counts import counted
from macsql.errors import UserError, first_line, with_type
from macsql.executors import Executor, executor
from macsql.executors.local import visible_gpus
from macsql.executors.supervise import TRIAL
from macsql.factory.prepared import Prepared, prepare
from macsql.models import families, sources
from macsql.records import AGENTS, Agent
from macsql.search import estimate, study
from macsql.search.footprint import Footprint, Longest, check_disk, check_memory, footprint, longest, shown
from macsql.search.objectives import check_losses, check_objectives
from macsql.search.plan import PlannedTrial, Planner, identity, sweep_identity
from macsql.search.sizes import Sizes, sizes
from macsql.search.space import Axis, Choices, Setting, Space, Value, read_settings, read_space
from macsql.system.once import once
from macsql.system.room import all_memory, give_back
from macsql.tracking.addresses import check_uri
from macsql.tracking.registry import check_register
from macsql.training.check import check, examined, notes, uses
from macsql.trials.process import lock_of

REHEARSED = 300_000_000  # parameters of the largest model that is loaded here
SHOWN = 24  # trials of the plan that are listed
T = TypeVar("T")
OF_THE_SWEEP = ("sweep", "search", "tracking", "executor", "build", "audit", "out", "experiment", "scale")


@dataclass
class Preflight:
    """A sweep that has been looked at. Properties that cost something are computed once, when first asked for."""

    config: Config
    planner: Planner
    say: Callable[[str], None]
    _prepared: dict[str, Prepared] = field(default_factory=dict)

    @cached_property
    def space(self) -> Space:
        """The search space, read."""
        return read_space(self.config.search.space)

    @cached_property
    def settings(self) -> list[Setting] | None:
        """Every setting, where that is known before the first trial; None for a sampler."""
        config = self.config.search
        return None if study.samples(config, self.space) else study.fixed_settings(config, self.space)

    @property
    def size(self) -> int:
        """How many trials the sweep has."""
        return study.settings_of(self.config.search, self.space) * self.config.sweep.repeats

    @cached_property
    def trials(self) -> list[PlannedTrial]:
        """The trials as far as they are known: all of a grid; for a sampler its explicit ones and some that span it."""
        if self.settings is None:
            known = [*study.listed_settings(self.config.search, self.space), *_span(self.space)]
            return [self.planner.trial(place, setting, 0) for place, setting in enumerate(known)]
        return [
            self.planner.trial(repeat * len(self.settings) + place, setting, repeat)
            for repeat in range(self.config.sweep.repeats)
            for place, setting in enumerate(self.settings)
        ]

    def check(self) -> None:
        """Raise UserError for whatever is wrong and can be seen without reading data."""
        sweep = self.config.sweep
        if sweep.repeats < 1:
            raise UserError(f"sweep.repeats={sweep.repeats}: each setting needs at least 1 seed.")
        if sweep.max_retries < 0:
            raise UserError(f"sweep.max_retries={sweep.max_retries}: write 0 or more.")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", sweep.name):
            raise UserError(
                f"sweep.name={first_line(ValueError(sweep.name))!r} becomes a file's name: use letters, digits, dots, "
                "dashes and underscores, at most 100 together."
            )
        if self.config.tracking.storage:
            check_storage(self.config.tracking.storage)
        check_uri(self.config.tracking.uri)
        check_register(self.config)
        study.check(self.config.search, self.space, sweep.direction)
        for key in (*self.space, *(key for setting in read_settings(self.config.search.points) for key in setting)):
            if key.partition(".")[0] in OF_THE_SWEEP and key != "executor.threads":
                raise UserError(f"{key} is the whole sweep's and cannot vary between its trials: give it one value.")
        if self.config.executor.threads == AUTO and not self._here:
            raise UserError(
                f"executor.threads=auto measures this machine, and executor={self.config.executor.name} runs trials on "
                "others: write a number."
            )
        for trial in self.trials:
            if trial.setting.get("executor.threads") == AUTO:
                raise UserError("executor.threads=auto is the whole sweep's: let numbers alone vary between trials.")
            check(trial.config)
            check_objectives(trial.config)
        self._losses()
        self._check_effects()

    def _losses(self) -> list[str]:
        """A warning where the objective is a loss that does not compare between the trials. Raises UserError too."""
        said = check_losses([trial.config for trial in self.trials], self.settings is None)
        return [said] if said else []

    def _check_effects(self) -> None:
        """Raise UserError where two settings come to the same configuration: one of them would pass for the other."""
        made: dict[str, PlannedTrial] = {}
        for trial in self.trials if self.settings is not None else self._one_axis_at_a_time():
            same = made.setdefault(json.dumps(flatten(trial.config), sort_keys=True), trial)
            if same is not trial:
                keys = [key for key, value in trial.setting.items() if repr(same.setting.get(key)) != repr(value)]
                raise UserError(
                    f"The settings {same.label!r} and {trial.label!r} come to the same configuration: change or leave "
                    f"out {', '.join(keys)} (another override decides, or the values are equal once read)."
                )

    def _one_axis_at_a_time(self) -> list[PlannedTrial]:
        """Trials of a sampler's space that differ in one key from the first of them, each value of each key once."""
        first = _span(self.space)[0]
        others = [{**first, key: value} for key, axis in self.space.items() for value in _values(axis)[1:]]
        return [self.planner.trial(0, setting, 0) for setting in [first, *others]]

    def _once(self, what: str, hangs_on: object, models: Iterable[ModelConfig], find: Callable[[], T]) -> T:
        """What `find` gives, or gave an earlier call for the same things, models and machine (macsql.system.once).

        So the plan of a sweep that has been looked at before needs no torch.
        """
        folders = [sources.local(model) for model in models if not families.made_here(model)]
        here = [folder for folder in folders if folder is not None]
        if len(here) < len(folders):  # what the hub has may be another model tomorrow
            return find()
        return once(Path(self.config.tracking.state_dir) / "known", [what, hangs_on, self._gpus], here, find)

    @cached_property
    def _gpus(self) -> list[str]:
        return visible_gpus()

    @property
    def _models(self) -> list[ModelConfig]:
        """Each model of the known trials once."""
        return list({repr(trial.config.model): trial.config.model for trial in self.trials}.values())

    def bind_arguments(self) -> None:
        """Load each tokenizer, and make of every known trial's configuration what the Trainer makes of it: what is
        wrong dies now."""

        def bound() -> bool:
            from macsql.training.arguments import bind

            for model in self._models:
                families.check(model)
            for trial in self.trials:
                bind(trial.config)
            return True

        asked = [identity(trial.config) for trial in self.trials]
        self._once("arguments", asked, self._models, bound)

    def rehearse(self) -> None:
        """Take one step and give one answer for each kind of trial: what still dies of its configuration dies now.

        Raises UserError; where trials run on a GPU or another machine the same is a warning, because this is a CPU.
        Left out for a model that is too large to be loaded here beside the trials.
        """
        local = self.config.executor.name == "local" and not self.executor.gpu
        options = self.config.executor.options
        if options.get("module", TRIAL) != TRIAL or (self.parameters or 0) > REHEARSED:
            return
        a_row: dict[str, float] = {}  # kind of trial -> seconds of a row of training
        kinds = {}
        for trial in self.trials:
            kind = repr([getattr(trial.config, group) for group in ("agents", "codec", "model", "generation")])
            kind += repr(dataclasses.replace(trial.config.trainer, learning_rate=1.0, per_device_train_batch_size=1))
            kinds[trial.index] = kind
            if kind in a_row:
                continue
            config = trial.config
            if local:
                config = dataclasses.replace(
                    config, executor=dataclasses.replace(config.executor, threads=self.executor.threads)
                )
            hangs_on = [kind, config.executor.threads, self.prepared(config).folder.name]
            try:
                a_row[kind] = self._once("rehearsal", hangs_on, [config.model], partial(self._rehearsed, config))
            except UserError:
                raise
            except Exception as error:
                said = f"A trial of {trial.label} fails in its first step, evaluation or answer ({with_type(error)})"
                if local:
                    raise UserError(f"{said}: change its configuration.") from error
                a_row[kind] = 0.0
                self.say(f"Warning: {said} on this machine's CPU. It may still work where the trials run.")
        if local and self.footprints and not self.cost.measured:
            alone = []
            for index in self.footprints:
                like = self._like(index)
                rows = self.cost.steps[index] * like.config.trainer.rows_per_step
                alone.append(rows * a_row[kinds[like.index]])
            seconds = estimate.side_by_side(alone, self.executor.slots)
            self.say(f"Rehearsed: by a step on this machine, training will take about {_duration(seconds)}.")

    def _rehearsed(self, config: Config) -> float:
        """Seconds of a row of training of a trial's configuration, by a step. Raises whatever a trial would raise."""
        from macsql.training.rehearsal import ROWS, rehearse

        prepared = self.prepared(config)
        train = prepared.examples("train")
        seconds = rehearse(config, train, prepared.examples("eval"), prepared.fingerprint)
        give_back()  # the model, Adam's moments and a step's rows, which the trials need the memory of
        return seconds * estimate.tokens_a_row(train) / estimate.tokens_a_row(train[:ROWS])

    def prepared(self, config: Config) -> Prepared:
        """The examples for a trial's configuration, made when first asked for."""
        key = repr((config.data, config.agents))
        if key not in self._prepared:
            self._prepared[key] = prepare(config)
        return self._prepared[key]

    @property
    def fingerprints(self) -> dict[str, str]:
        """Name of each data configuration among the known trials -> its content's fingerprint."""
        return {_data_name(trial): self.prepared(trial.config).fingerprint for trial in self.trials}

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What the sweep's trials have in common (macsql.search.plan.sweep_identity)."""
        return sweep_identity(self.config, self.space, self.fingerprints)

    @cached_property
    def parameters(self) -> int | None:
        """About how many parameters the largest model has."""
        from macsql.models.families import parameters

        sizes = [parameters(trial.config.model) for trial in self.trials]
        known = [size for size in sizes if size is not None]
        return max(known) if known else None

    @cached_property
    def executor(self) -> Executor:
        """Where the trials will run."""
        return executor(dataclasses.replace(self.config, executor=self._shared_out[0]), self.parameters)

    @cached_property
    def _shared_out(self) -> tuple[ExecutorConfig, str]:
        """The executor's configuration with numbers in the place of `auto`, and a sentence on them where it was that.

        They hang on the whole sweep and not on what is left of it, so that a sweep goes on with the threads it had.
        """
        if self.config.executor.threads != AUTO:
            return self.config.executor, ""
        from macsql.executors.threads import settled

        def costs(trial: PlannedTrial) -> int:
            return self._size(trial.index) * trial.config.trainer.per_device_train_batch_size

        config = max(self.trials, key=costs).config
        prepared = self.prepared(config)
        needed = footprint(sizes(config.model), config, longest(prepared.examples("train"), config), 1).memory
        return settled(config, prepared, min(self.size, max(1, all_memory() // needed)), self.say)

    @cached_property
    def done(self) -> dict[int, estimate.Finished | None]:
        """Place in the plan -> its trial, for the trials that have ended well already."""
        planned = {trial.index: trial.key for trial in self.trials} if self.settings is not None else {}
        return estimate.finished(Path(self.config.tracking.state_dir), self.config.sweep.name, planned)

    @cached_property
    def cost(self) -> estimate.Cost:
        """Steps and time of the whole sweep."""
        roles: dict[str, list[Agent]] = {}
        steps = {}
        for trial in self.trials:
            prepared = self.prepared(trial.config)
            folder = str(prepared.folder)
            if folder not in roles:
                roles[folder] = _roles(prepared.about["counts"]["train"])
            agents = roles[folder]
            steps[trial.index] = estimate.optimizer_steps(trial.config, agents)
        known = list(steps.values())  # a sampler's trials are like the few that are known, as far as anybody can tell
        work = [(index, steps.get(index, known[index % len(known)])) for index in range(self.size)]
        return estimate.estimate(
            {
                index: estimate.Workload(count, self._like(index).config.trainer.rows_per_step, self._size(index))
                for index, count in work
            },
            self.done,
            self.parameters,
            self.executor.slots,
            self.executor.threads,
            self.executor.gpu,
            estimate.tokens_a_row(self.prepared(self.trials[0].config).examples("train")),
        )

    def _precision(self) -> str:
        """The precision of each kind of trial among the known ones."""

        def told() -> str:
            from macsql.training.precision import precision

            return "; ".join(dict.fromkeys(str(precision(trial.config)) for trial in self.trials))

        asked = [(trial.config.trainer, trial.config.model) for trial in self.trials]
        found = self._once("precision", asked, self._models, told)
        local = self.config.executor.name == "local"
        return found if local else f"{found}, seen from here; each trial decides on its own machine"

    def _like(self, index: int) -> PlannedTrial:
        """The known trial that one at this place of the plan is like."""
        return self.trials[index % len(self.trials)]

    def _size(self, index: int) -> int:
        return estimate.size_of(self._like(index).config.model)

    @cached_property
    def footprints(self) -> dict[int, Footprint]:
        """Place in the plan -> what a trial that is still to run takes of memory and disk."""
        rows: dict[str, Longest] = {}
        known: dict[str, Sizes] = {}
        found = {}
        for index in sorted(self.cost.steps.keys() - self.done.keys()):
            config, model = self._like(index).config, repr(self._like(index).config.model)
            prepared = self.prepared(config)
            if (key := f"{prepared.folder} {model}") not in rows:
                rows[key] = longest(prepared.examples("train"), config)
                known[model] = sizes(config.model)
            found[index] = footprint(known[model], config, rows[key], self.cost.steps[index])
        return found

    def check_room(self) -> list[str]:
        """Sentences on memory and disk. Raises UserError where the trials have not enough of it on this machine."""
        if not self.footprints:
            return []
        here = self.config.executor.name == "local" and not self.executor.gpu
        trials = [(self._like(index).config, found) for index, found in self.footprints.items()]
        disk = check_disk([found for _, found in trials], self.executor.slots, Path(self.config.tracking.state_dir))
        at_work = sum(trial.folder.is_dir() and not lock_of(trial.folder).free() for trial in self.trials)
        if here and self.config.executor.options.get("module", TRIAL) == TRIAL:
            memory = check_memory(trials, self.executor.slots - at_work, self.executor.forks)  # those have theirs
        else:
            memory = f"Memory: a trial needs about {shown(max(found.memory for _, found in trials))} of memory."
        return [*filter(None, [memory]), f"Disk: up to {shown(disk)}."]

    def warnings(self) -> list[str]:
        """What is asked for in vain, and what the audit of each data and codec among the known trials has to say."""
        said = dict.fromkeys(self._losses())
        seen = set()
        for trial in self.trials:
            config = trial.config
            said.update(dict.fromkeys(notes(config, here=self._here)))
            key = repr((config.data, config.agents, config.codec, config.model, config.generation.max_new_tokens))
            if key not in seen:
                seen.add(key)
                prepared = self.prepared(config)
                hangs_on = [key, config.audit.fail_below, prepared.folder.name]
                find = partial(examined, config, prepared)
                said.update(dict.fromkeys(self._once("audit", hangs_on, [config.model], find)))
        return list(said)

    @property
    def _here(self) -> bool:
        """Whether the trials run on this machine."""
        return self.config.executor.name == "local"

    def announce(self) -> None:
        """Say in words what will happen and what it will cost."""
        config, cost = self.config, self.cost
        prepared = self.prepared(self.trials[0].config)
        for sentence in prepared.warnings:
            self.say(f"Warning: {sentence}")
        repeats = f", {config.sweep.repeats} seeds per setting" if config.sweep.repeats > 1 else ""
        best = f"{config.sweep.objectives[0]} ({config.sweep.direction[0]})"
        trials = counted(self.size, "trial")
        self.say(f"Sweep {config.sweep.name}: {trials} ({config.search.sampler}{repeats}), best by {best}.")
        told = ", ".join(dict.fromkeys(f"model {model.name} ({sizes(model)})" for model in self._models))
        self.say(f"Data {config.data.format} (fingerprint {prepared.fingerprint}), {told},")
        self.say(f"  agents={config.agents.style}, codec={config.codec.name}, mixture={config.mixture.name}")
        self.say(f"  precision: {self._precision()}")
        if self._here:
            for sentence in dict.fromkeys(line for trial in self.trials for line in uses(trial.config)):
                self.say(f"  {sentence}")
        if self._shared_out[1]:
            self.say(f"  {self._shared_out[1]}")
        for split, counts in prepared.about["counts"].items():
            self.say(f"  {split}: " + ", ".join(f"{counts.get(agent, 0)} {agent}" for agent in AGENTS) + " examples")
        for line in prepared.left_out:
            self.say(f"  left out: {line}")
        for note in prepared.about["notes"]:
            self.say(f"  note: {note}")
        if config.scale.note:
            self.say(f"Scale {config.scale.name}: {config.scale.note}")
        for trial in self.trials[:SHOWN]:
            place = f"[{trial.index + 1}/{self.size}] " if self.settings is not None else "for example "
            steps, factor = counted(cost.steps[trial.index], "optimizer step"), config.scale.learning_rate_factor
            rate = trial.setting.get("trainer.learning_rate")
            label = trial.label
            if rate is not None and factor != 1:
                label = label.replace(f"={rate}", f"={rate} (x {factor:g} = {float(rate) * factor:g})", 1)
            self.say(f"  {place}{label}: {steps}{', done' if trial.index in self.done else ''}")
        if len(self.trials) > SHOWN:
            self.say(f"  … and {len(self.trials) - SHOWN} more")
        basis = (
            f"measured on {cost.measured} finished trials"
            if cost.measured
            else "a guess from the model's size, until a trial has finished"
        )
        every = sum(cost.steps.values())
        missing = sum(steps for index, steps in cost.steps.items() if index not in self.done)
        if not missing:
            self.say(f"Nothing is missing: all {counted(every, 'step')} are done.")
            return
        self.say(
            f"Missing: {missing} of {counted(every, 'step')}, about {_duration(cost.seconds)}, "
            f"{self.executor.slots} at a time ({basis})."
        )
        for sentence in self.check_room():
            self.say(sentence)


def _span(space: Space) -> list[Setting]:
    """A few settings at which every value of a choice, and both ends and the inside of every range occur."""
    columns = {key: _values(axis) for key, axis in space.items()}
    count = max(len(values) for values in columns.values())
    return [{key: values[place % len(values)] for key, values in columns.items()} for place in range(count)]


def _values(axis: Axis) -> list[Value]:
    """The values of a choice; of a range the inside and both ends."""
    if isinstance(axis, Choices):
        return list(axis.values)
    inside = axis.low + (axis.high - axis.low) * 0.38
    if axis.integer:
        return list(dict.fromkeys((round(inside), int(axis.low), int(axis.high))))
    return [inside, axis.low, axis.high]


def _data_name(trial: PlannedTrial) -> str:
    """What a trial's data is called among those of its sweep: "pocket/brief", with what the setting says of data."""
    of_data = [f" {key}={value}" for key, value in trial.setting.items() if key.partition(".")[0] in {"data", "agents"}]
    return f"{trial.config.data.format}/{trial.config.agents.style}" + "".join(of_data)


def _roles(counts: Mapping[str, int]) -> list[Agent]:
    return [agent for agent in AGENTS for _ in range(counts.get(agent, 0))]


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
