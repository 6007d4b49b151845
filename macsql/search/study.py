"""The study: which settings have been tried, kept in Optuna. The only module of the house that knows Optuna.

One Optuna trial stands for one planned trial; its `index` attribute says which. One coordinator alone talks to a study
(see macsql.coordination.coordinator), which keeps clear of what Optuna does not promise to several writers. Samplers
and pruners look at a copy of the study in memory: what they decide enters the database in one step, so that nothing
half-made survives a kill, and a proposal costs one transaction and not one for each key.
"""

import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from macsql.config import SearchConfig
from macsql.errors import UserError, first_line
from macsql.search.objectives import check_pruner
from macsql.search.outage import Outage, is_outage
from macsql.search.space import Choices, Range, Setting, Space, Value, grid, read_settings
from macsql.system.addresses import sqlite_file

if TYPE_CHECKING:
    import optuna

SAMPLERS = ("grid", "tpe", "random")
BUSY = 60.0  # seconds to wait for another sweep's write to the same SQLite file
DONE = ("COMPLETE", "PRUNED")


@dataclass(frozen=True)
class Entry:
    """What the study knows of one planned trial."""

    index: int
    setting: Setting
    repeat: int
    state: str  # WAITING | RUNNING | COMPLETE | PRUNED | FAIL
    values: tuple[float, ...] = ()


P = ParamSpec("P")
R = TypeVar("R")


def patient(method: "Callable[Concatenate[Study, P], R]") -> "Callable[Concatenate[Study, P], R]":
    """A method of Study that is asked again until the database answers, where the study has an `outage` to wait with.

    An answer may have been lost after the deed was done, so the study is read anew before each further attempt.
    """

    @wraps(method)
    def asked(self: "Study", *arguments: P.args, **named: P.kwargs) -> R:
        try:
            return method(self, *arguments, **named)
        except Exception as error:
            if self.outage is None or not is_outage(error):
                raise
            for _ in self.outage.attempts(error):
                try:
                    self.read()
                    answer = method(self, *arguments, **named)
                except Exception as another:
                    if not is_outage(another):
                        raise
                else:
                    self.outage.over()
                    return answer
            raise

    return asked


class Study:
    """Proposes settings and remembers what they gave."""

    def __init__(
        self, name: str, storage: str, config: SearchConfig, space: Space, directions: Sequence[str], repeats: int
    ) -> None:
        """Open or create the study. Raises UserError for a sampler that is not one, or directions that are not."""
        import optuna

        check(config, space, directions)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        self.name, self.config, self.space, self.repeats = name, config, space, repeats
        self._optuna = optuna
        self._study = self._opened(storage, directions)
        self._place = storage, tuple(directions)
        self._numbers: dict[int, int] = {}  # index -> number of the Optuna trial that stands for it now
        self._fixed = fixed_settings(config, space)
        self._entries: dict[int, Entry] = {}
        self.outage: Outage | None = None  # what to do while the database is away; None: fail
        self.read()

    def _opened(self, storage: str, directions: Sequence[str]) -> "optuna.Study":
        """The study in its database, made where it is missing."""
        optuna = self._optuna
        engine = {"connect_args": {"timeout": BUSY}} if storage.startswith("sqlite") else {}
        for last in (False, True):
            try:
                return optuna.create_study(
                    study_name=self.name,
                    storage=optuna.storages.RDBStorage(storage, engine_kwargs=engine),
                    directions=self._directions(directions),
                    load_if_exists=True,
                )
            except Exception as error:  # of Optuna, SQLAlchemy or the database's own driver
                if last or storage.startswith("sqlite"):
                    raise _unusable(storage, error) from error
                time.sleep(1.0)  # sweeps of two machines may have begun to make the tables together: one of them lost
        raise AssertionError

    def _directions(self, words: Sequence[str]) -> "list[optuna.study.StudyDirection]":
        return [self._optuna.study.StudyDirection[word.upper()] for word in words]

    @property
    def identity(self) -> dict[str, Any] | None:
        """What `begin` stored when the study was new."""
        stored = self._study.user_attrs.get("identity")
        return None if stored is None else json.loads(stored)

    def begin(self, identity: Mapping[str, Any]) -> None:
        """Remember what the study's trials have in common, so that a changed sweep is not mixed into it.

        Only for whoever holds the study's lock. What was begun with a mistake, and has no trial, begins anew.
        """
        if self._entries and self.identity is not None:
            return
        storage, directions = self._place
        if not self._entries and self._study.directions != self._directions(directions):
            self._optuna.delete_study(study_name=self.name, storage=self._study._storage)
            self._study = self._opened(storage, directions)
            self.read()
        self._study.set_user_attr("identity", json.dumps(identity, sort_keys=True))

    @property
    def size(self) -> int:
        """How many trials the plan holds."""
        return settings_of(self.config, self.space) * self.repeats

    @property
    def complete(self) -> bool:
        """Whether every trial of the plan is done; a failed one is not."""
        return all((entry := self.entry(index)) and entry.state in DONE for index in range(self.size))

    def entries(self) -> list[Entry]:
        """What is known of every trial that has been proposed, by index."""
        return [self._entries[index] for index in sorted(self._entries)]

    def entry(self, index: int) -> Entry | None:
        """What is known of one planned trial."""
        return self._entries.get(index)

    def renew(self) -> None:
        """Make sure that nobody else has taken the study. Raises UserError where another coordinator has."""
        if self.outage is not None:
            self.outage.renew()

    @patient
    def propose(self, index: int) -> Entry:
        """Begin (or, after an interruption, take up again) the trial at `index`."""
        known = self._entries.get(index)
        if known is not None and known.state == "RUNNING":
            return known  # a killed sweep left it so; the same setting goes on
        if known is not None and known.state in DONE:
            raise ValueError(f"trial {index} is complete")
        setting = known.setting if known is not None else self._setting(index)
        number = len(self._copy.get_trials(deepcopy=False))
        setting = self._sampled(index) if setting is None else setting
        trial = self._optuna.trial.create_trial(
            state=self._optuna.trial.TrialState.RUNNING,
            params=setting,
            distributions={key: self._distribution(key) for key in setting},
            user_attrs={"index": index},
        )
        self._study.add_trial(trial)
        if len(self._copy.get_trials(deepcopy=False)) == number:  # the sampler's own is there already
            self._copy.add_trial(trial)
        self._numbers[index] = number
        entry = Entry(index, setting, self.place(index)[1], "RUNNING")
        self._entries[index] = entry
        return entry

    def place(self, index: int) -> tuple[int, int]:
        """(which setting, which repeat) an index stands for.

        A grid is walked once for each seed, so that more seeds can be added later; a sampler's setting is repeated at
        once, because the next proposal learns from all of it.
        """
        if samples(self.config, self.space):
            return divmod(index, self.repeats)
        repeat, number = divmod(index, len(self._fixed))
        return number, repeat

    @patient
    def report(self, index: int, evaluation: int, value: float) -> bool:
        """Tell the objective at the n-th evaluation (from 1); whether the pruner would stop the trial there.

        Evaluations are counted, and not optimizer steps, because trials of different batch sizes take different
        numbers of those in the same epoch. One told again after a kill changes nothing, and is judged again.
        """
        if self.config.pruner == "none":
            return False
        trial = self._trial_of(self._copy, index)
        known = self._copy.get_trials(deepcopy=False)[self._numbers[index]].intermediate_values
        if evaluation not in known:
            self._trial_of(self._study, index).report(value, evaluation)
            trial.report(value, evaluation)
        return evaluation >= max(known, default=evaluation) and trial.should_prune()

    @patient
    def reported(self, index: int) -> int:
        """How many evaluations of a trial have been told."""
        return len(self._copy.get_trials(deepcopy=False)[self._numbers[index]].intermediate_values)

    @patient
    def finish(self, index: int, values: Sequence[float] | None, pruned: bool = False) -> None:
        """Tell what a trial gave; None where it failed."""
        states = self._optuna.trial.TrialState
        state = states.PRUNED if pruned else states.COMPLETE if values is not None else states.FAIL
        if self._entries[index].state == state.name:
            return  # told before, the answer lost
        told = list(values) if state is states.COMPLETE and values else None
        for study in (self._study, self._copy):
            study.tell(self._numbers[index], told, state=state)
        entry = self._entries[index]
        self._entries[index] = Entry(index, entry.setting, entry.repeat, state.name, tuple(values or ()))

    def _setting(self, index: int) -> Setting | None:
        """The setting at a place of the plan where that does not depend on the sampler."""
        number = self.place(index)[0]
        if number < len(self._fixed):
            return self._fixed[number]
        first = number * self.repeats
        return self._entries[first].setting if first < index else None

    def _sampled(self, index: int) -> Setting:
        """A setting proposed by the sampler from all that is known; the study's copy has it as a running trial."""
        self._copy.sampler = self._sampler(index)
        trial = self._copy.ask(fixed_distributions={key: self._distribution(key) for key in self.space})
        trial.set_user_attr("index", index)
        return dict(trial.params)

    def _sampler(self, index: int) -> "optuna.samplers.BaseSampler":
        # Seeded for each place of the plan: one generator rebuilt on resume would propose the same settings again.
        seed = (self.config.seed * 1_000_003 + index) % 2**32
        if self.config.sampler == "tpe":
            # The liar keeps several workers from trying the same place; a single one never meets it.
            return self._optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
        return self._optuna.samplers.RandomSampler(seed=seed)

    def _distribution(self, key: str) -> "optuna.distributions.BaseDistribution":
        kinds = self._optuna.distributions
        axis = self.space.get(key)
        if axis is None or (isinstance(axis, Choices) and not samples(self.config, self.space)):
            told = [setting[key] for setting in self._fixed if key in setting]
            axis = Choices(tuple({(type(value), value): value for value in told}.values()))
        if isinstance(axis, Choices):
            return kinds.CategoricalDistribution(axis.values)
        if axis.integer:
            return kinds.IntDistribution(int(axis.low), int(axis.high), log=axis.log)
        return kinds.FloatDistribution(axis.low, axis.high, log=axis.log)

    def read(self) -> None:
        """Learn from the database what every trial of the plan has come to."""
        trials = self._study.get_trials(deepcopy=False)
        for trial in trials:
            if "index" not in trial.user_attrs and not trial.state.is_finished():  # put there by somebody else
                self._study.tell(trial.number, state=self._optuna.trial.TrialState.FAIL)
        trials = self._study.get_trials(deepcopy=False)
        for trial in trials:
            if "index" in trial.user_attrs:
                index = trial.user_attrs["index"]
                self._numbers[index] = trial.number  # a later trial of the same index takes the place of a failed one
                values, repeat = tuple(trial.values or ()), self.place(index)[1]
                self._entries[index] = Entry(index, dict(trial.params), repeat, trial.state.name, values)
        pruners = self._optuna.pruners
        self._copy = self._optuna.create_study(
            storage=self._optuna.storages.InMemoryStorage(),
            directions=self._study.directions,
            pruner=pruners.MedianPruner() if self.config.pruner == "median" else pruners.NopPruner(),
        )
        self._copy.add_trials(trials)

    def _trial_of(self, study: "optuna.Study", index: int) -> "optuna.trial.Trial":
        number = self._numbers[index]
        return self._optuna.trial.Trial(study, study.get_trials(deepcopy=False)[number]._trial_id)


def exists(name: str, storage: str) -> bool:
    """Whether a study of that name has been begun; asking makes no file. Raises UserError where nothing answers."""
    file = sqlite_file(storage, "tracking.storage")
    if file is not None and not file.exists():
        return False
    import optuna

    try:
        return name in optuna.get_all_study_names(storage)
    except Exception as error:
        raise _unusable(storage, error) from error


def _unusable(storage: str, error: Exception) -> UserError:
    reason = first_line(error.__cause__ or error)
    return UserError(f"tracking.storage={storage}: Optuna cannot keep a study there ({reason}).")


def samples(config: SearchConfig, space: Space) -> bool:
    """Whether a sampler proposes settings, beside those that are known from the start."""
    return config.sampler != "grid" and bool(space)


def fixed_settings(config: SearchConfig, space: Space) -> list[Setting]:
    """The settings that are known before the first trial: the explicit ones, then a grid's own."""
    listed = listed_settings(config, space)
    if samples(config, space) or not space:
        return listed
    return listed + [setting for setting in grid(space) if setting not in listed]


def listed_settings(config: SearchConfig, space: Space) -> list[Setting]:
    """The settings of search.points, as the database gives them back."""
    return [_typed(setting, space) for setting in read_settings(config.points)]


def _typed(setting: Setting, space: Space) -> Setting:
    """A setting as the database gives it back: a whole number on an axis of fractions is one of them."""

    def value(key: str) -> Value:
        axis, given = space.get(key), setting[key]
        fraction = isinstance(axis, Range) and not axis.integer
        return float(given) if fraction and isinstance(given, int) and not isinstance(given, bool) else given

    return {key: value(key) for key in setting}


def settings_of(config: SearchConfig, space: Space) -> int:
    """How many settings the plan has; a sampler's number counts the explicit ones too."""
    fixed = len(fixed_settings(config, space))
    return max(fixed, config.n_trials or 0) if samples(config, space) else fixed


def check(config: SearchConfig, space: Space, directions: Sequence[str]) -> None:
    """Raise UserError for a search that cannot start, before anything is opened."""
    if config.sampler not in SAMPLERS:
        raise UserError(f"search.sampler={config.sampler}: choose one of {', '.join(SAMPLERS)}.")
    for direction in directions:
        if direction not in {"minimize", "maximize"}:
            raise UserError(f"sweep.direction={direction}: write minimize or maximize.")
    check_pruner(config.pruner, len(directions))
    if config.sampler == "grid" and config.n_trials is not None:
        raise UserError(
            f"search.n_trials={config.n_trials} has no meaning with search=grid, which tries every setting: leave it "
            "out, or use search=random or search=tpe."
        )
    if not space and not config.points:
        raise UserError(
            "The search space is empty: set search.space (as in +experiment=lr_bs), list search.points, "
            "or run one fine-tune with `python -m macsql.train`."
        )
    listed = read_settings(config.points)
    for number, setting in enumerate(listed):
        if setting in listed[:number]:
            raise UserError(f"search.points names {setting} twice: use sweep.repeats for more seeds of a setting.")
    if samples(config, space):
        _check_sampler(config, space)


def _check_sampler(config: SearchConfig, space: Space) -> None:
    if not (config.n_trials and config.n_trials > 0):
        raise UserError(f"search={config.sampler} needs search.n_trials, a number above 0.")
    for setting in read_settings(config.points):
        if set(setting) != set(space):
            raise UserError(
                f"search.points: {setting} and the search space have different keys; search={config.sampler} learns "
                f"from settings that name {', '.join(space)}."
            )
        for key, value in setting.items():
            axis = space[key]
            inside = value in axis.values if isinstance(axis, Choices) else _within(axis, value)
            if not inside:
                raise UserError(f"search.points: {key}={value} lies outside of search.space.{key}.")


def _within(axis: Range, value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and axis.low <= value <= axis.high


def importances(tried: Sequence[tuple[Setting, float]], space: Space) -> dict[str, float]:
    """Key -> share of the objective's variance that it explains, adding up to 1; the largest first.

    fANOVA (Hutter, Hoos and Leyton-Brown, 2014) in Optuna's reading, seeded. A key that never varied is left out, and
    so is one that only some settings name; empty where there is nothing to explain. Numbers of a choice count by their
    rank, each the same share of the space: as so many unordered words they would cost minutes.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    shared = [key for key in (tried[0][0] if tried else {}) if all(key in setting for setting, _ in tried)]
    values = {key: list(dict.fromkeys(setting[key] for setting, _ in tried)) for key in shared}
    varied = {key: found for key, found in values.items() if len(found) > 1}
    if not varied or len({value for _, value in tried}) < 2:
        return {}
    kinds = optuna.distributions
    ranks: dict[str, dict[Value, int]] = {}
    distributions: dict[str, optuna.distributions.BaseDistribution] = {}
    for key, found in varied.items():
        axis = space.get(key)
        if isinstance(axis, Range):
            distributions[key] = kinds.FloatDistribution(axis.low, axis.high, log=axis.log)
        elif all(isinstance(value, int | float) and not isinstance(value, bool) for value in found):
            ranks[key] = {value: rank for rank, value in enumerate(sorted(found))}  # type: ignore[type-var]
            distributions[key] = kinds.IntDistribution(0, len(found) - 1)
        else:
            distributions[key] = kinds.CategoricalDistribution(found)
    study = optuna.create_study(storage=optuna.storages.InMemoryStorage())
    for setting, value in tried:
        params = {key: ranks[key][setting[key]] if key in ranks else setting[key] for key in varied}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=value))
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    found_shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {key: float(share) for key, share in found_shares.items()}
