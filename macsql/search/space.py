"""Search spaces in Hydra's own sweep grammar, which its users know. One point of a space is called a setting.

    search:
      space:
        trainer:
          learning_rate: tag(log, interval(1e-5, 1e-3))
          per_device_train_batch_size: choice(4, 8)
        mixture: choice(real, undersample)          # a whole configuration group

The same may stand on the command line, as in Hydra's own sweeps: `trainer.learning_rate=1e-5,1e-3 mixture=choice(...)`.
This module is the only one that touches Hydra's override parser; tests/search/test_space.py pins what is used of it.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, QuotedString, RangeSweep, Sweep
from hydra.errors import HydraException

from macsql.errors import UserError, first_line

Value = str | int | float | bool | None
Setting = dict[str, Value]
MOST_VALUES = 10_000  # of a range
FORMS = (
    "choice(a, b, …), a list, range(start, stop[, step]), interval(low, high), int(interval(low, high)) or "
    "tag(log, interval(low, high))"
)


@dataclass(frozen=True)
class Choices:
    """Finitely many values, in the order they were written."""

    values: tuple[Value, ...]


@dataclass(frozen=True)
class Range:
    """All numbers from low to high, both included; integers only where both bounds were written as integers."""

    low: float
    high: float
    log: bool
    integer: bool


Axis = Choices | Range
Space = dict[str, Axis]


def read_space(tree: Mapping[str, Any]) -> Space:
    """Dotted key -> axis, in the order written; null takes an inherited axis away.

    Raises UserError naming the key whose expression is not one.
    """
    return {key: _axis(key, expression) for key, expression in _flat(tree) if expression is not None}


def read_settings(listed: Iterable[Mapping[str, Any]]) -> list[Setting]:
    """The settings of search.points with dotted keys, however deep they were written. Raises UserError for a list."""
    settings = [dict(_flat(setting)) for setting in listed]
    for setting in settings:
        for key, value in setting.items():
            if isinstance(value, list | tuple):
                raise UserError(f"search.points: {key}={value} is a list: a setting gives each key one plain value.")
    return settings


def grid(space: Space) -> list[Setting]:
    """Every setting of a space of choices; the last key varies fastest. Raises UserError for an interval."""
    for key, axis in space.items():
        if isinstance(axis, Range):
            raise UserError(
                f"search.space.{key} is an interval, which a grid cannot enumerate: "
                "use choice(…) or range(…), or search=tpe."
            )
    columns = [[(key, value) for value in axis.values] for key, axis in space.items() if isinstance(axis, Choices)]
    return [dict(combination) for combination in itertools.product(*columns)]


def axes_as_overrides(arguments: Sequence[str]) -> list[str]:
    """A command line whose sweep expressions (`key=1,2`, `key=choice(1,2)`, …) have become axes of search.space.

    Everything else stays as it is, mistakes included: Hydra has its own sentences for those.
    """
    return [_as_axis(argument) for argument in arguments]


def _as_axis(argument: str) -> str:
    if argument.startswith("-") or "=" not in argument:
        return argument
    try:
        parsed = OverridesParser.create().parse_override(argument)
    except HydraException as error:
        if "NoneType" in str(error):
            raise UserError(
                f"{argument}: only a list takes null, as in {argument.partition('=')[0]}=null,3."
            ) from error
        return argument
    key, expression = parsed.key_or_group.removeprefix("search.space."), argument.partition("=")[2]
    if not parsed.is_sweep_override() or key.startswith("search."):
        return argument
    if parsed.is_add() and key in {"experiment", "scale"}:
        raise UserError(f"{argument}: a sweep has one {key}; run the command once for each.")
    escaped = expression.replace("\\", "\\\\").replace("'", "\\'")
    return f"++search.space.{key}='{escaped}'"


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _axis(key: str, expression: Any) -> Axis:
    if isinstance(expression, list | tuple):
        return _choices(key, list(expression))
    try:
        parsed = OverridesParser.create().parse_override(f"x={expression}")
    except HydraException as error:
        if "NoneType" in str(error):
            raise UserError(f"search.space.{key}={expression!r}: only a list takes null, as in [null, 3].") from error
        shown = first_line(ValueError(repr(expression)))
        raise UserError(f"search.space.{key}={shown} is not a search expression: write {FORMS}.") from error
    value = parsed.value()
    if isinstance(value, Sweep):
        _check_tags(key, value)
    if isinstance(value, ChoiceSweep):
        return _choices(key, value.list)
    if isinstance(value, RangeSweep):
        return _choices(key, _steps(key, value))
    if isinstance(value, list):  # a list in quotes
        return _choices(key, value)
    if isinstance(value, IntervalSweep):
        return _interval(key, value)
    if isinstance(value, Glob):
        raise UserError(f"search.space.{key}: glob(…) is not supported; write {FORMS}.")
    return _choices(key, [value])  # a single value: an axis of one value


def _choices(key: str, items: Sequence[Any]) -> Choices:
    values = [_plain(key, item) for item in items]
    if not values:
        raise UserError(f"search.space.{key} has no values: write {FORMS}.")
    unique = list(dict.fromkeys((type(value), value) for value in values))
    if len(unique) < len(values):
        raise UserError(f"search.space.{key} names a value twice: {values}.")
    return Choices(tuple(values))


def _interval(key: str, sweep: IntervalSweep) -> Range:
    low, high = sweep.start, sweep.end
    log = "log" in sweep.tags
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)) or not low < high:
        raise UserError(f"search.space.{key}: interval({low}, {high}) is empty: write two numbers, the lower first.")
    if log and low <= 0:
        raise UserError(f"search.space.{key}: a log interval starts above 0, not at {low}.")
    return Range(float(low), float(high), log, isinstance(low, int) and isinstance(high, int))


def _check_tags(key: str, sweep: Sweep) -> None:
    """Raise UserError for what a sweep expression says and nobody would heed."""
    known = {"log"} if isinstance(sweep, IntervalSweep) else set()
    if unknown := sorted(set(sweep.tags) - known):
        raise UserError(f"search.space.{key}: tag {unknown[0]!r} has no meaning here: write {FORMS}.")
    if getattr(sweep, "shuffle", False):
        raise UserError(f"search.space.{key}: shuffle(…) has no meaning, a sweep keeps its order; write {FORMS}.")


def _steps(key: str, sweep: RangeSweep) -> list[int | float]:
    """The numbers of a range. Raises UserError where it has no end, or more of them than a sweep can have."""
    start, stop, step = sweep.start, sweep.stop, sweep.step
    if start is None or stop is None or not all(map(math.isfinite, (start, stop, step))) or step == 0:
        raise UserError(f"search.space.{key}: range({start}, {stop}, {step}) has no end: no step may be 0.")
    if abs(stop - start) / abs(step) > MOST_VALUES:
        raise UserError(
            f"search.space.{key}: range({start}, {stop}, {step}) has more than {MOST_VALUES:,} values: take a larger "
            "step, or interval(low, high) with search=tpe."
        )
    return list(sweep.range())


def _plain(key: str, value: Any) -> Value:
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"search.space.{key}: {value} is not a number that a trial can have.")
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    shown = first_line(ValueError(str(value)))
    raise UserError(f"search.space.{key}: {shown} is not one value: numbers, words, true, false and null are.")
