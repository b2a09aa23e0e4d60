"""What a sweep tries: a YAML file, read and checked as a whole before the first trial, as Optuna's distributions."""

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import Field

from mnist.checked import CheckedFile, Count, Number, RecipeError, merge, shorten
from mnist.data.dataset import Dataset
from mnist.recipe import Recipe

Axis: TypeAlias = CategoricalDistribution | FloatDistribution | IntDistribution
"""What a hyperparameter may be: one of some values, in Optuna's form as JSON, or a number of a range."""

_LIMIT = 10_000  # no sweep has more trials
# Trials are compared by the same images, after the same number of epochs.
_SHARED = ("seed", "epochs", "data.dataset", "data.validation")


class Settings(CheckedFile):
    """The keys of a space's file; all are written there."""

    recipe: str = Field(min_length=1, description="file of the hyperparameters that all trials share")
    method: Literal["grid", "random", "tpe"] = Field(description="every combination; random; like the best so far")
    trials: Count = Field(ge=1, le=_LIMIT, description="how many at most")
    epochs: Count = Field(ge=1, le=1_000_000, description="of a complete training, which its schedule spans")
    objective: Literal["validation_accuracy", "validation_loss"] = Field(description="what trials are compared by")
    halving: Count = Field(ge=0, description="one trial of so many continues from each rung; 0: all of them do")
    first_rung: Count = Field(ge=1, description="epochs after which trials are compared for the first time")
    time_limit: Number = Field(gt=0, le=1_000_000, description="seconds after which a trial is stopped")
    space: dict[str, Any] = Field(min_length=1, description="hyperparameter -> a list of values, or low and high")


@dataclass(frozen=True)
class Space:
    """A space that has been checked: what trials share, in what they differ, and a grid's points in their order."""

    settings: Settings
    recipe: Recipe
    axes: dict[str, Axis]
    grid: list[dict[str, Any]] | None
    trials: int

    @classmethod
    def load(cls, path: Path, digits: Dataset) -> Self:
        """Read and check a space for these training images, and every point of a grid; raises RecipeError."""
        settings = Settings.load(path)
        if settings.halving == 1:
            raise RecipeError(f"{path}:\n  halving = 1: should be 0 (no pruning) or at least 2")
        recipe = Recipe.load_overlay(Path(settings.recipe)).changed(path, {"epochs": settings.epochs})
        if not recipe.data.validation:
            raise RecipeError(f"{settings.recipe}:\n  data.validation = 0: trials are compared by validation images")
        where, prepared = f"{path}, space", recipe.prepare(digits)

        def read(name: str, value: object) -> Any:
            """Return a value of the space as a recipe reads it, such as 0.01 for "1e-2"; a training starts from it."""
            (changed := recipe.changed(where, nest({name: value}))).start(prepared)
            return attrgetter(name)(changed)

        axes = {name: _axis(where, name, value, partial(read, name)) for name, value in settings.space.items()}
        grid = _grid(path, settings, axes, recipe.seed) if settings.method == "grid" else None
        space = cls(settings, recipe, axes, grid, settings.trials if grid is None else len(grid))
        for point in grid or []:
            space.recipe_of(point)
        return space

    @property
    def rungs(self) -> list[int]:
        """The epochs after which trials are compared, ascending; the last one is a trial's end."""
        powers = range(self.settings.epochs.bit_length() if self.settings.halving else 0)
        rungs = [self.settings.first_rung * self.settings.halving**power for power in powers]
        return [*(rung for rung in rungs if rung < self.settings.epochs), self.settings.epochs]

    def values(self, point: dict[str, Any]) -> dict[str, Any]:
        """Return what the hyperparameters are at a point in Optuna's form."""
        pairs = ((name, point[name]) for name in self.axes)
        return {name: json.loads(value) if isinstance(value, str) else value for name, value in pairs}

    def recipe_of(self, point: dict[str, Any]) -> Recipe:
        """Return the recipe at a point; raises RecipeError where its values do not fit together."""
        return self.recipe.changed("trial", nest(self.values(point)))


def nest(values: dict[str, Any]) -> dict[str, Any]:
    """Return values by `group.key` group by group, as a recipe has them."""
    one_by_one = (reduce(lambda value, key: {key: value}, reversed(name.split(".")), values[name]) for name in values)
    return reduce(merge, one_by_one, {})


def _axis(where: str, name: str, value: Any, read: Callable[[object], Any]) -> Axis:
    """Return what a hyperparameter may be."""
    wrong = f"{where}:\n  {name} = {shorten(value)}: "
    if name in _SHARED or any(key.startswith(f"{name}.") for key in Recipe.fields()):
        raise RecipeError(f"{wrong}cannot be tried: all trials share {', '.join(_SHARED)}; of a group name a key")
    if isinstance(value, list):
        choices = [json.dumps(read(single)) for single in value]
        if not choices or len(set(choices)) < len(choices):
            raise RecipeError(f"{wrong}should be a list of different values")
        return CategoricalDistribution(choices)
    if not isinstance(value, dict) or not {"low", "high"} <= set(value) <= {"low", "high", "log"}:
        raise RecipeError(f"{wrong}should be a list, or {{low: ..., high: ...}} with log: true or without")
    low, high, log = read(value["low"]), read(value["high"]), value.get("log", False)
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high))
    if not numbers or not isinstance(log, bool) or not low < high or (log and low <= 0):
        raise RecipeError(f"{wrong}a range has numbers, low below high, and low above 0 where log is true")
    return IntDistribution(low, high, log) if isinstance(low, int) else FloatDistribution(low, high, log)


def _grid(path: Path, settings: Settings, axes: dict[str, Axis], seed: int) -> list[dict[str, Any]]:
    """Return the points of a grid, shuffled: with more trials the first ones stay the same."""
    lists = {name: axis.choices for name, axis in axes.items() if isinstance(axis, CategoricalDistribution)}
    if len(lists) < len(axes):
        raise RecipeError(
            f"{path}, space:\n  {', '.join(axes.keys() - lists)}: a grid has lists; or set method: random"
        )
    if (size := math.prod(map(len, lists.values()))) > _LIMIT:
        raise RecipeError(f"{path}:\n  the grid has {size:,} points, more than {_LIMIT:,}; set method: random")
    points = [dict(zip(lists, point, strict=True)) for point in itertools.product(*lists.values())]
    return [points[place] for place in np.random.default_rng(seed).permutation(size)[: settings.trials]]
