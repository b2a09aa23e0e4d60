"""The space of a sweep: a YAML file, checked as a whole before the first trial, as distributions of Optuna."""

import itertools
import math
import warnings
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import Field

from mnist.checked import CheckedFile, Count, Number, RecipeError, shorten
from mnist.data.dataset import Dataset, Prepared
from mnist.recipe import Recipe
from studies.experiment import nest

optuna.logging.set_verbosity(optuna.logging.ERROR)
_LIMIT = 10_000  # the most trials of a sweep
_SHARED = ("seed", "epochs", "data")  # the keys that all trials share, so that they can be compared


class Settings(CheckedFile):
    """The keys of a space's file, all of them required."""

    recipe: str = Field(min_length=1, description="file of the hyperparameters that all trials share")
    method: Literal["grid", "random", "tpe"] = Field(description="every combination; random; like the best so far")
    trials: Count = Field(ge=1, le=_LIMIT, description="largest number of trials")
    epochs: Count = Field(ge=1, le=1_000_000, description="epochs of a complete training")
    objective: Literal["validation_accuracy", "validation_loss"] = Field(description="figure that ranks the trials")
    halving: Count = Field(ge=1, description="a rung keeps one in this many trials; 1: it keeps all")
    first_rung: Count = Field(ge=1, description="epochs after which trials are compared for the first time")
    time_limit: Number = Field(gt=0, le=1_000_000, description="seconds after which a trial is stopped")
    space: dict[str, Any] = Field(min_length=1, description="hyperparameter -> a list of values, or low and high")


@dataclass(frozen=True)
class Space:
    """A checked space: the values that all trials share, the axes along which they differ, and the points of a grid."""

    settings: Settings
    recipe: Recipe
    prepared: Prepared
    axes: dict[str, BaseDistribution]
    points: list[dict[str, Any]]

    @classmethod
    def load(cls, path: Path, digits: Dataset) -> Self:
        """Read and check a space for these training images, and every point that it has; raises RecipeError."""
        settings = Settings.load(path)
        recipe = Recipe.load_overlay(Path(settings.recipe)).changed(path, {"epochs": settings.epochs})
        if not recipe.data.validation:
            raise RecipeError(f"{settings.recipe}:\n  data.validation = 0: trials are compared by validation images")
        where, prepared = f"{path}, space", recipe.prepare(digits)
        axes = {name: _axis(where, recipe, prepared, name, value) for name, value in settings.space.items()}
        space = cls(settings, recipe, prepared, axes, _points(where, settings, axes, recipe.seed))
        for point in space.points:
            space.recipe_of(point)
        return space

    @property
    def rungs(self) -> list[int]:
        """The epochs after which trials are compared, ascending; the last one is a trial's end."""
        first, halving, end = self.settings.first_rung, self.settings.halving, self.settings.epochs
        powers = range(end.bit_length() if halving > 1 else 0)
        return [*(rung for power in powers if (rung := first * halving**power) < end), end]

    def recipe_of(self, point: dict[str, Any]) -> Recipe:
        """Return the recipe at a point; raises RecipeError if its values do not fit together."""
        return self.recipe.changed("trial", nest(point))


def _axis(where: str, recipe: Recipe, prepared: Prepared, name: str, value: Any) -> BaseDistribution:
    """Return the distribution of a hyperparameter."""

    def read(value: object) -> Any:
        """Return a value as a recipe reads it, such as 0.01 for "1e-2"; check that a training can start with it."""
        (changed := recipe.changed(where, nest({name: value}))).start(prepared)
        return attrgetter(name)(changed)

    wrong = f"{where}:\n  {name} = {shorten(value)}: "
    if name.partition(".")[0] in _SHARED or any(key.startswith(f"{name}.") for key in Recipe.fields()):
        raise RecipeError(f"{wrong}cannot be tried: all trials share {', '.join(_SHARED)}; for a group, name a key")
    match value:
        case [_, *_]:
            choices = [read(choice) for choice in value]
            if all(choices.count(choice) == 1 for choice in choices):
                with warnings.catch_warnings(action="ignore"):  # Optuna warns that it cannot save a list as a choice.
                    return CategoricalDistribution(choices)
        case {"low": low, "high": high, **more} if more in ({}, {"log": True}, {"log": False}):
            low, high, log = read(low), read(high), bool(more.get("log"))
            with suppress(TypeError, ValueError):  # from Optuna
                if not isinstance(low, bool) and low < high:
                    return (IntDistribution if isinstance(low, int) else FloatDistribution)(low, high, log)
    ranges = "{low: ..., high: ...}, numbers in this order, with log: true if low is above 0"
    raise RecipeError(f"{wrong}should be a list of different values, or {ranges}")


def _points(where: str, settings: Settings, axes: dict[str, BaseDistribution], seed: int) -> list[dict[str, Any]]:
    """Return shuffled points of a grid, or random points, or none for TPE; more trials do not change the first ones."""
    if settings.method == "tpe":
        return [{}] * settings.trials
    if settings.method == "random":
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed % 2**32))
        return [study.ask(dict(axes)).params for _ in range(settings.trials)]
    lists = {name: axis.choices for name, axis in axes.items() if isinstance(axis, CategoricalDistribution)}
    if len(lists) < len(axes):
        raise RecipeError(f"{where}:\n  {', '.join(axes.keys() - lists)}: a grid needs lists; or set method: random")
    if (size := math.prod(map(len, lists.values()))) > _LIMIT:
        raise RecipeError(f"{where}:\n  the grid has {size:,} points, more than {_LIMIT:,}; set method: random")
    points = [dict(zip(lists, point, strict=True)) for point in itertools.product(*lists.values())]
    return [points[place] for place in np.random.default_rng(seed).permutation(size)[: settings.trials]]
