"""What a sweep tries: a YAML file, read and checked as a whole before the first trial, as Optuna's distributions."""

import itertools
import json
import math
from dataclasses import dataclass
from functools import reduce
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import Field

from mnist.checked import CheckedFile, Count, Number, RecipeError, shorten
from mnist.data.dataset import Dataset
from mnist.recipe import Recipe

LIMIT = 10_000
"""No sweep has more trials."""

_FIXED = {
    "seed": "trials are compared by the same validation images, which it chooses; set it in the recipe",
    "epochs": "the key `epochs` of this file holds for all trials",
    "data.dataset": "trials are compared by the same images; set it in the recipe",
    "data.validation": "trials are compared by the same images; set it in the recipe",
}

Point: TypeAlias = dict[str, Any]
"""Hyperparameter -> its value in Optuna's form: a number of a range, or a listed value as JSON."""


class Settings(CheckedFile):
    """The keys of a space's file; all are written there."""

    recipe: Annotated[str, Field(min_length=1, description="file of the hyperparameters that all trials share")]
    method: Literal["grid", "random", "tpe"] = Field(
        description="grid: every combination; random: values at random; tpe: values like those of the best trials"
    )
    trials: Count | Literal["all"] = Field(description="how many at most; all: the whole grid")
    epochs: Count = Field(ge=1, le=1_000_000, description="of a complete training, which its schedule spans")
    objective: Literal["validation_accuracy", "validation_loss"] = Field(description="what trials are compared by")
    halving: Count = Field(ge=0, description="one trial of so many continues from each rung; 0: all of them do")
    first_rung: Count = Field(ge=1, description="epochs after which trials are compared for the first time")
    time_limit: Number = Field(gt=0, description="seconds after which a trial is stopped")
    space: dict[str, Any] = Field(min_length=1, description="hyperparameter -> a list of values, or low and high")


@dataclass(frozen=True)
class Space:
    """A space that has been checked.

    Attributes
    ----------
    settings : Settings
        As the file says.
    recipe : Recipe
        What trials share; its epochs are those of the settings.
    distributions : dict
        Hyperparameter -> what it may be.
    points : list of Point, or None
        The trials in their order, drawn beforehand; None where each proposal depends on the trials before it.
    trials : int
        How many there are.
    """

    settings: Settings
    recipe: Recipe
    distributions: dict[str, BaseDistribution]
    points: list[Point] | None
    trials: int

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read and check a space, its recipe, and every point that is known beforehand.

        Raises
        ------
        RecipeError
            A key, a hyperparameter or a value is not allowed, or there are too many points; the text says which.
        """
        settings = Settings.load(path)
        if settings.halving == 1:
            raise RecipeError(f"{path}:\n  halving = 1: should be 0 (no pruning) or at least 2")
        recipe = Recipe.load_overlay(Path(settings.recipe)).changed(path, {"epochs": settings.epochs})
        if not recipe.data.validation:
            raise RecipeError(
                f"{settings.recipe}:\n  data.validation = 0: trials are compared by validation images; hold some back"
            )
        where = f"{path}, space"
        distributions = {name: _distribution(where, name, value, recipe) for name, value in settings.space.items()}
        points = _draw(path, settings, distributions, recipe.seed)
        space = cls(settings, recipe, distributions, points, _count(path, settings) if points is None else len(points))
        for point in points or []:
            space.recipe_of(point)
        return space

    @property
    def rungs(self) -> list[int]:
        """The epochs after which trials are compared, ascending; the last one is a trial's end."""
        rungs, rung = [], self.settings.first_rung
        while self.settings.halving and rung < self.settings.epochs:
            rungs.append(rung)
            rung *= self.settings.halving
        return [*rungs, self.settings.epochs]

    def values(self, point: Point) -> dict[str, Any]:
        """Return what a point's hyperparameters are."""
        listed = {name for name, choices in self.distributions.items() if isinstance(choices, CategoricalDistribution)}
        return {name: json.loads(point[name]) if name in listed else point[name] for name in self.distributions}

    def recipe_of(self, point: Point) -> Recipe:
        """Return the recipe of a point; raises RecipeError where its values do not fit together."""
        recipe = self.recipe
        for name, value in self.values(point).items():
            recipe = _change(f"trial with {name} = {value}", recipe, name, value)
        return recipe

    def check_batches(self, digits: Dataset) -> None:
        """Raise RecipeError where a batch could be larger than the training set that is left of `digits`."""
        sizes = self.distributions.get("batch_size", IntDistribution(1, self.recipe.batch_size))
        listed = isinstance(sizes, CategoricalDistribution)
        largest = max(map(json.loads, sizes.choices)) if listed else sizes.high  # type: ignore[attr-defined]
        self.recipe.changed("batch_size", {"batch_size": largest}).start(self.recipe.prepare(digits))


def _change(where: str, recipe: Recipe, name: str, value: object) -> Recipe:
    *groups, key = name.split(".")
    changes: dict[str, Any] = reduce(lambda inner, group: {group: inner}, reversed(groups), {key: value})
    return recipe.changed(where, changes)


def _distribution(where: str, name: str, value: Any, recipe: Recipe) -> BaseDistribution:
    """Return what a hyperparameter may be: each value as a recipe reads it, 1e-2 or "0.01"."""

    def check(single: object) -> Any:
        return attrgetter(name)(_change(where, recipe, name, single))

    def fail(fault: str) -> RecipeError:
        return RecipeError(f"{where}:\n  {name} = {shorten(value)}: {fault}")

    if name in _FIXED:
        raise fail(f"cannot be tried: {_FIXED[name]}")
    if any(key.startswith(f"{name}.") for key in Recipe.fields()):
        raise fail(f"is a group; name a key of it, such as {name}.{next(iter(dict(getattr(recipe, name))))}")
    if isinstance(value, list):
        choices = [json.dumps(check(single)) for single in value]
        if not choices or len(set(choices)) < len(choices):
            raise fail("should be a list of different values")
        return CategoricalDistribution(choices)
    if not isinstance(value, dict) or not {"low", "high"} <= set(value) <= {"low", "high", "log"}:
        raise fail("should be a list of values, or {low: ..., high: ...}, with log: true or without")
    low, high, log = check(value["low"]), check(value["high"]), value.get("log", False)
    if any(isinstance(end, bool) or not isinstance(end, int | float) for end in (low, high)):
        raise fail("only a number has a range; list the values")
    if not isinstance(log, bool) or not low < high or (log and low <= 0):
        raise fail("low should be below high, log true or false, and low above 0 where log is true")
    return (IntDistribution if isinstance(low, int) else FloatDistribution)(low, high, log=log)


def _count(path: Path, settings: Settings) -> int:
    if settings.trials == "all" or not 1 <= settings.trials <= LIMIT:
        raise RecipeError(f"{path}:\n  trials = {settings.trials}: should be a number from 1 to {LIMIT:,}")
    return settings.trials


def _draw(path: Path, settings: Settings, distributions: dict[str, BaseDistribution], seed: int) -> list[Point] | None:
    """Return the points of a grid or of a random search; with more trials the first ones stay the same."""
    if settings.method == "tpe":
        return None
    if settings.method == "random":
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        draws = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed % 2**32))
        return [draws.ask(distributions).params for _ in range(_count(path, settings))]
    lists = {name: choices.choices for name, choices in distributions.items() if hasattr(choices, "choices")}
    if ranges := distributions.keys() - lists.keys():
        raise RecipeError(f"{path}, space:\n  {', '.join(sorted(ranges))}: a grid has lists; or set method: random")
    size = math.prod(map(len, lists.values()))
    if size > LIMIT:
        raise RecipeError(
            f"{path}:\n  the grid has {size:,} points, more than {LIMIT:,}; set method: random and trials"
        )
    wanted = size if settings.trials == "all" else _count(path, settings)
    grid = [dict(zip(lists, point, strict=True)) for point in itertools.product(*lists.values())]
    return [grid[place] for place in np.random.default_rng(seed).permutation(size)[:wanted]]
