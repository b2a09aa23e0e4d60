"""What a sweep tries: its YAML file, read and checked as a whole before the first trial."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeAlias

import numpy as np
from pydantic import Field

from mnist.hyperparameters import CheckedFile, Count, HyperparameterError, Hyperparameters, Number, read_yaml

GRID_LIMIT = 10_000
"""More points than these are tried only where the file says how many of them."""

# Beyond this, points of a grid could not even be numbered.
_COUNTABLE = 2**62

_OWN_KEYS = {
    "seed": "the sweep's own key `seeds` says which",
    "dataset": "all trials learn the same one, that of the recipe",
    "epochs": "the sweep's own key `epochs` is the budget of every trial",
    "validation": "trials are compared by the same number of images; set it in the recipe",
    "evaluation_images": "it does not change what a trial is compared by",
}

Values: TypeAlias = dict[str, Any]
"""A hyperparameter -> the value that a trial has for it."""


class Choices(NamedTuple):
    """One of these."""

    values: tuple[Any, ...]


class Range(NamedTuple):
    """A number from `low` to `high`, both included, evenly in its logarithm where `log` says so."""

    low: float
    high: float
    log: bool
    whole: bool


Axis: TypeAlias = Choices | Range


class Settings(CheckedFile):
    """The keys of a sweep's file; none has a default that is not written there."""

    recipe: Annotated[str, Field(min_length=1, description="file of all hyperparameters that the sweep leaves alone")]
    method: Literal["grid", "random", "tpe"] = Field(
        description="every combination; values at random; values like those that did well so far"
    )
    trials: Count | Literal["all"] = Field(description="how many combinations at most; all: the whole grid")
    seeds: list[Count] = Field(min_length=1, max_length=1000, description="each trial is trained once with each")
    epochs: Count = Field(ge=1, le=1_000_000, description="of a training, which its schedule spans")
    objective: Literal["validation_accuracy", "validation_loss"] = Field(
        description="what trials are compared by, the mean over their seeds"
    )
    halving: Count = Field(ge=0, description="of so many trials one goes on from each rung; 0: all of them do")
    first_rung: Count = Field(ge=1, description="epochs after which trials are compared first")
    time_limit: Number = Field(gt=0, description="seconds after which a trial is stopped, all its seeds together")
    space: dict[str, Any] = Field(min_length=1, description="what is tried: hyperparameter -> a list, or low and high")


@dataclass(frozen=True)
class Sweep:
    """A sweep that has been checked.

    Attributes
    ----------
    settings : Settings
        As the file says.
    recipe : Hyperparameters
        What trials have in common, `epochs` being the sweep's.
    axes : dict
        Hyperparameter -> what it may be.
    grid : list of dict, or None
        The points of a grid that are tried, in this order; None where values are proposed one after another.
    trials : int
        How many are tried.
    """

    settings: Settings
    recipe: Hyperparameters
    axes: dict[str, Axis]
    grid: list[Values] | None
    trials: int

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read and check a sweep and the recipe it starts from.

        Raises
        ------
        HyperparameterError
            A key, a hyperparameter or a value is not allowed, or the grid is too large; the text says which.
        """
        settings = Settings.load(path)
        if len(set(settings.seeds)) < len(settings.seeds):
            raise HyperparameterError(f"{path}:\n  seeds = {settings.seeds}: each should be there once")
        if settings.halving == 1:
            raise HyperparameterError(
                f"{path}:\n  halving = 1: should be 0, for no pruning, or 2 and more: one of so many goes on"
            )
        recipe = Hyperparameters.check(settings.recipe, read_yaml(Path(settings.recipe)) | {"epochs": settings.epochs})
        recipe, *_ = (
            Hyperparameters.check(f"{path}, seeds", recipe.model_dump() | {"seed": seed}) for seed in settings.seeds
        )
        if not recipe.validation:
            raise HyperparameterError(
                f"{settings.recipe}:\n  validation = 0: a sweep compares trials by validation images; hold some back"
            )
        axes = {name: _axis(f"{path}, space", name, value, recipe) for name, value in settings.space.items()}
        grid = _grid(path, settings, axes)
        sweep = cls(settings, recipe, axes, grid, len(grid) if grid is not None else _count(path, settings))
        sweep._check(path)
        return sweep

    @property
    def rungs(self) -> list[int]:
        """The epochs after which a trial is compared with the others; the last is its end."""
        rungs, factor = [], self.settings.halving
        rung = self.settings.first_rung
        while factor and rung < self.settings.epochs:
            rungs.append(rung)
            rung *= factor
        return [*rungs, self.settings.epochs]

    def recipes(self, values: Values) -> list[Hyperparameters]:
        """Return the recipes of a trial, one a seed; raises HyperparameterError where values do not fit together."""
        where = "trial with " + ", ".join(f"{name} = {value}" for name, value in values.items())
        common = self.recipe.model_dump() | values
        return [Hyperparameters.check(where, common | {"seed": seed}) for seed in self.settings.seeds]

    def check_fits(self, images: int) -> None:
        """Refuse, with a HyperparameterError, what so many training images are too few for."""
        largest: Values = {}
        if "batch_size" in self.axes:
            axis = self.axes["batch_size"]
            largest["batch_size"] = axis.high if isinstance(axis, Range) else max(axis.values)
        self.recipe.model_copy(update=largest).check_fits(images)

    def _check(self, path: Path) -> None:
        """Check every combination of a grid, before any of them costs time."""
        for values in self.grid or []:
            Hyperparameters.check(f"{path}, space: {values}", self.recipe.model_dump() | values)


def _axis(where: str, name: str, value: object, recipe: Hyperparameters) -> Axis:
    if name in _OWN_KEYS:
        raise HyperparameterError(f"{where}:\n  {name}: is not a thing to try: {_OWN_KEYS[name]}")
    if isinstance(value, list):
        if not value:
            raise HyperparameterError(f"{where}:\n  {name}: is an empty list; give it values to try, or leave it out")
        choices = tuple(_checked(where, name, choice, recipe) for choice in value)
        if any(choice in choices[:index] for index, choice in enumerate(choices)):
            raise HyperparameterError(f"{where}:\n  {name} = {value}: each value should be there once")
        return Choices(choices)
    if not isinstance(value, dict) or not {"low", "high"} <= set(value) <= {"low", "high", "log"}:
        raise HyperparameterError(
            f"{where}:\n  {name} = {value}: should be a list of values, or {{low: ..., high: ...}} with or without "
            "log: true"
        )
    return _range(where, name, value, recipe)


def _range(where: str, name: str, value: Values, recipe: Hyperparameters) -> Range:
    low, high = (_checked(where, name, value[end], recipe) for end in ("low", "high"))
    log = value.get("log", False)
    if any(isinstance(end, bool) or not isinstance(end, int | float) for end in (low, high)):
        raise HyperparameterError(f"{where}:\n  {name}: is no number; list the values to try")
    if not isinstance(log, bool):
        raise HyperparameterError(f"{where}:\n  {name}: log = {log!r}: should be true or false")
    if not low < high:
        raise HyperparameterError(f"{where}:\n  {name}: low = {low} should be below high = {high}")
    if log and low <= 0:
        raise HyperparameterError(f"{where}:\n  {name}: low = {low} has no logarithm; begin above 0, or leave log out")
    return Range(low, high, log, whole=isinstance(low, int))


def _checked(where: str, name: str, value: object, recipe: Hyperparameters) -> Any:
    """Return one value as a recipe reads it; combinations are checked later, so only its own faults count here."""
    try:
        return getattr(Hyperparameters.check(where, recipe.model_dump() | {name: value}), name)
    except HyperparameterError as error:
        # A fault of its own is told with what the key means. Any other is of a combination with the recipe, and may be
        # none with other values of the space.
        if name not in Hyperparameters.model_fields or f"({name}: " in str(error):
            raise
        return value


def _grid(path: Path, settings: Settings, axes: dict[str, Axis]) -> list[Values] | None:
    """Return the points of a grid in random order, so that pruning meets good and bad ones mixed."""
    if settings.method != "grid":
        return None
    lists = {name: axis.values for name, axis in axes.items() if isinstance(axis, Choices)}
    if ranges := axes.keys() - lists.keys():
        raise HyperparameterError(
            f"{path}, space:\n  {', '.join(ranges)}: a grid is made of lists; list the values, or set method = random"
        )
    size = math.prod(map(len, lists.values()))
    if size > _COUNTABLE or (settings.trials == "all" and size > GRID_LIMIT):
        raise HyperparameterError(
            f"{path}:\n  trials = {settings.trials}: the grid has {size:,} points; say how many of them to try, at "
            f"most {GRID_LIMIT:,}, or set method = random"
        )
    trials = size if settings.trials == "all" else min(_count(path, settings), size)
    rng = np.random.default_rng(settings.seeds[0])
    return [_point(lists, int(number)) for number in rng.choice(size, trials, replace=False)]


def _count(path: Path, settings: Settings) -> int:
    if settings.trials == "all" or not 1 <= settings.trials <= GRID_LIMIT:
        raise HyperparameterError(
            f"{path}:\n  trials = {settings.trials}: should be a number from 1 to {GRID_LIMIT:,} (how many "
            "combinations to try)"
        )
    return settings.trials


def _point(lists: dict[str, tuple[Any, ...]], number: int) -> Values:
    """Return a point of a grid by its number, the last list turning fastest."""
    point = {}
    for name, values in reversed(lists.items()):
        number, place = divmod(number, len(values))
        point[name] = values[place]
    return {name: point[name] for name in lists}
