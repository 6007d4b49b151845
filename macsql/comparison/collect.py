"""The trials of a sweep, read from their folders."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from yaml import YAMLError

from macsql.config import Config, from_yaml
from macsql.database.schema import Schema
from macsql.errors import UserError, first_line
from macsql.factory.prepared import Prepared
from macsql.records import Example, Prediction, Verdict, read_jsonl
from macsql.search.plan import identity
from macsql.search.space import read_space
from macsql.search.study import settings_of
from macsql.trials.events import Event, read_events
from macsql.trials.folder import ABOUT, CONFIG, EVAL_VERDICTS, EVENTS, PREDICTIONS, VERDICTS
from macsql.trials.result import Result, read_result

NOT_RECORDED = "not recorded"
REMOVE = "remove that trial's folder, the sweep runs it again"


@dataclass(frozen=True)
class StoredTrial:
    """One trial as a comparison sees it. What is in its files is read when first asked for."""

    key: str
    index: int
    label: str
    setting: dict[str, Any]
    repeat: int
    config: Config
    result: Result | None  # None: not ended yet
    folder: Path
    command: str = ""  # the sweep's command line, without where it kept its state
    tags: Mapping[str, str] = field(default_factory=dict)  # what the sweep said of data, model and machine
    prepared: Path | None = None  # folder of its examples; may be gone

    @property
    def finished(self) -> bool:
        """Whether it ended well."""
        return self.result is not None and self.result.status == "FINISHED"

    @property
    def state(self) -> str:
        """FINISHED, FAILED, PRUNED, KILLED or UNFINISHED."""
        if self.result is None:
            return "UNFINISHED"
        return "PRUNED" if self.result.pruned else self.result.status

    @property
    def told_at(self) -> float:
        """Seconds since 1970 of the last thing it told; 0 before it has told anything."""
        return self.events[-1].time if self.events else 0.0

    @property
    def begun_at(self) -> float:
        """Seconds since 1970 at which a sweep last made it ready to run."""
        return (self.folder / ABOUT).stat().st_mtime

    @property
    def model(self) -> str:
        """What was fine-tuned: the configuration's model, or the folder that took its place."""
        model = self.config.model
        return model.name if model.path is None else f"{Path(model.path).name} (model.path in place of {model.name})"

    @property
    def fingerprint(self) -> str:
        """Of the data it was trained on, by its examples or, where these are gone, by what the sweep noted."""
        if self.examples is not None:
            return self.examples.fingerprint
        return self.tags.get("macsql.data_fingerprint", NOT_RECORDED)

    @property
    def machine(self) -> str:
        """Where the sweep ran that started it."""
        return self.tags.get("macsql.machine", NOT_RECORDED)

    @property
    def code(self) -> str:
        """The state of the code that started it (macsql.revision)."""
        return self.tags.get("macsql.code", NOT_RECORDED)

    @cached_property
    def events(self) -> list[Event]:
        """Losses as they were told. Raises UserError for a file that is none of a trial's."""
        path = self.folder / EVENTS
        try:
            return read_events(path)[0]
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise UserError(f"{path} is not a list of a trial's events ({first_line(error)}): {REMOVE}.") from error

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """Its stored verdicts on the test questions; none where it was never scored."""
        path = self.folder / VERDICTS
        return list(read_jsonl(path, Verdict)) if path.exists() else []

    @cached_property
    def eval_verdicts(self) -> list[Verdict] | None:
        """Its stored verdicts on the eval questions, by which an agent's metric chooses; None: it kept none."""
        path = self.folder / EVAL_VERDICTS
        return list(read_jsonl(path, Verdict)) if path.exists() else None

    @cached_property
    def predictions(self) -> list[Prediction]:
        """Its stored answers."""
        path = self.folder / PREDICTIONS
        return list(read_jsonl(path, Prediction)) if path.exists() else []

    @cached_property
    def examples(self) -> Prepared | None:
        """Its examples, where they are still on disk. Raises UserError for a folder that cannot be read."""
        if self.prepared is None or not (self.prepared / "about.json").exists():
            return None
        found = Prepared(self.prepared)
        try:
            dict(found.about["counts"]), str(found.about["fingerprint"])
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise self._unreadable("about.json", error) from error
        return found

    @cached_property
    def schemas(self) -> dict[str, Schema]:
        """Database id -> schema; empty where the examples are gone."""
        try:
            return {key: item.schema for key, item in self.examples.databases.items()} if self.examples else {}
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise self._unreadable("databases.json", error) from error

    def test_examples(self) -> dict[str, Example]:
        """Example id -> what the model was asked; empty where the examples are gone."""
        there = self.prepared is not None and (self.prepared / "test.jsonl").exists()
        return {row.id: row for row in self.examples.examples("test")} if self.examples and there else {}

    def _unreadable(self, name: str, error: Exception) -> UserError:
        return UserError(
            f"{self.prepared}/{name} does not describe examples ({first_line(error)}): remove that folder, the next "
            "sweep makes it again."
        )


def trials(name: str, state_dir: Path) -> list[StoredTrial]:
    """The trials of a sweep by their place in the plan. Raises UserError where there are none to be read."""
    found: list[StoredTrial] = []
    others: set[str] = set()
    for path in _described(state_dir):
        about = _about(path)
        if about["sweep"] == name:
            found.append(_trial(path.parent, about))
        else:
            others.add(about["sweep"])
    if not found:
        there = f"there are {', '.join(sorted(others))}" if others else "no sweep has run there yet"
        raise UserError(f"No trials of a sweep called {name!r} under {state_dir}: {there}.")
    return sorted(found, key=lambda trial: trial.index)


def _described(state_dir: Path) -> list[Path]:
    """The description of each trial. Raises UserError for a folder that cannot be read."""
    folder = state_dir / "trials"
    try:
        return sorted(path for path in folder.iterdir() for path in [path / ABOUT] if path.exists())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} cannot be read ({first_line(error)}): name another --state-dir.") from error


def _about(path: Path) -> dict[str, Any]:
    """What a sweep said of a trial. Raises UserError where the file says less, or is none of a sweep's."""
    try:
        about = dict(json.loads(path.read_text(encoding="utf-8-sig")))
        about.setdefault("setting", about.get("point"))  # as earlier versions called it
        kinds = {"sweep": str, "index": int, "label": str, "setting": dict, "repeat": int}
        missing = [key for key, kind in kinds.items() if not isinstance(about.get(key), kind)]
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is not a description of a trial ({first_line(error)}): {REMOVE}.") from error
    if missing:
        raise UserError(f"{path} is not a description of a trial, it lacks {', '.join(missing)}: {REMOVE}.")
    return about


def of_one_study(trials: Sequence[StoredTrial]) -> list[StoredTrial]:
    """The trials that were asked for as the newest one was, but for its setting; others are of a study that is gone."""
    by_age = sorted(trials, key=lambda trial: (trial.told_at, trial.begun_at))
    varied = {"seed", *(key for trial in trials for key in trial.setting)}
    asked = _common(by_age[-1], varied)
    kept = {trial.index: trial for trial in by_age if _common(trial, varied) == asked}
    return [kept[index] for index in sorted(kept)]


def _common(trial: StoredTrial, varied: set[str]) -> dict[str, Any]:
    """What a trial's configuration shares with those of its study's other trials: no key or group of a setting."""
    groups = tuple(f"{name}." for name in varied)
    told = identity(trial.config).items()
    return {key: value for key, value in told if key not in varied and not key.startswith(groups)}


def newest(trials: Sequence[StoredTrial]) -> StoredTrial:
    """The trial that told something last: its command is the one that the whole sweep was last asked for with."""
    return max(trials, key=lambda trial: (trial.told_at, trial.index))


def planned(trials: Sequence[StoredTrial]) -> int:
    """How many trials the sweep has when it is whole, those that have not begun included."""
    config = newest(trials).config
    settings = settings_of(config.search, read_space(config.search.space))
    return max(len(trials), settings * config.sweep.repeats)


def experiment_of(trials: Sequence[StoredTrial]) -> str | None:
    """The experiment that a sweep was made of, as its command says (`+experiment=X`); None where it says none."""
    words = [word for trial in trials for word in trial.command.split()]
    return next((word.partition("=")[2] for word in words if word.startswith("+experiment=")), None)


def _trial(folder: Path, about: Mapping[str, Any]) -> StoredTrial:
    try:
        config = from_yaml((folder / CONFIG).read_text(encoding="utf-8"))
    except UserError as error:
        raise UserError(f"{folder} is of another version: {error}") from error
    except (OSError, ValueError, RecursionError, YAMLError) as error:
        raise UserError(f"{folder / CONFIG} cannot be read ({first_line(error)}): {REMOVE}.") from error
    return StoredTrial(
        key=folder.name,
        index=about["index"],
        label=about["label"],
        setting=about["setting"],
        repeat=about["repeat"],
        config=config,
        result=read_result(folder),
        folder=folder,
        command=_asked(str(about.get("command", ""))),
        tags=about.get("tags", {}),
        prepared=_prepared(folder.parents[1], about["prepared"]) if "prepared" in about else None,
    )


def _asked(command: str) -> str:
    """A sweep's command line without where it kept its state; as it stands where its quotes do not close."""
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    return shlex.join(word for word in words if not word.startswith(("tracking.", "executor.")))


def _prepared(state_dir: Path, made_at: str) -> Path:
    """Where a trial's examples are: where they were made or, the state directory having moved since, there."""
    made, moved = Path(made_at), state_dir / "data" / Path(made_at).name
    return made if made.is_dir() or not moved.is_dir() else moved
