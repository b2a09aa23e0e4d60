"""The figures of a study: a CSV file with a line for each run, the recipes of the runs, and summaries."""

import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

from mnist.checked import flatten
from mnist.files import encode_csv, encode_json, load_csv, load_json, save
from mnist.fingerprint import describe_arithmetic
from mnist.recipe import Recipe

RESULTS = Path("studies/results")


class Run(NamedTuple):
    """The figures of one recipe with one seed: accuracies are fractions, and `seconds` is the time of training.

    The training loss is the mean over all epochs. A figure that was not measured is NaN.
    """

    recipe: str
    seed: int
    test_accuracy: float
    test_loss: float
    validation_accuracy: float
    validation_loss: float
    mean_train_loss: float
    seconds: float


class Summary(NamedTuple):
    """A recipe's accuracy over its seeds, in per cent, and the mean seconds of its training."""

    recipe: str
    seeds: int
    mean: float
    deviation: float
    minimum: float
    maximum: float
    seconds: float

    @classmethod
    def of(cls, runs: list[Run], accuracy: str) -> Self:
        """Return the summary of one recipe's runs; `accuracy` names the column."""
        values = [100 * getattr(run, accuracy) for run in runs]
        deviation = statistics.stdev(values) if len(values) > 1 else math.nan
        seconds = statistics.mean(run.seconds for run in runs)
        return cls(runs[0].recipe, len(runs), statistics.mean(values), deviation, min(values), max(values), seconds)


def summarize(runs: list[Run], accuracy: str = "test_accuracy") -> list[Summary]:
    """Return a summary of each recipe, in the order of the runs."""
    names = dict.fromkeys(run.recipe for run in runs)
    return [Summary.of([run for run in runs if run.recipe == name], accuracy) for name in names]


def markdown(summaries: list[Summary], accuracy: str = "test accuracy") -> str:
    """Return summaries as a table."""
    lines = [f"| recipe | seeds | {accuracy}, % | minimum to maximum | training, s |", "|---|---|---|---|---|"]
    lines += [
        f"| {summary.recipe.replace('_', ' ')} | {summary.seeds} | {summary.mean:.2f} ± {summary.deviation:.2f} "
        f"| {summary.minimum:.2f} to {summary.maximum:.2f} | {summary.seconds:.0f} |"
        for summary in summaries
    ]
    return "\n".join(lines)


def save_results(name: str, runs: list[Run], recipes: Mapping[str, Recipe]) -> None:
    """Write studies/results/NAME.csv with a line for each run, and NAME.json with the recipes and the arithmetic."""
    evidence = {
        "arithmetic": describe_arithmetic(),
        "recipes": {name: recipe.model_dump(exclude={"seed"}) for name, recipe in recipes.items()},
    }
    save(
        {
            RESULTS / f"{name}.csv": encode_csv(Run._fields, runs),
            RESULTS / f"{name}.json": encode_json(evidence),
        }
    )


def load_results(name: str) -> list[Run]:
    """Return the runs of studies/results/NAME.csv."""
    rows = [list(row.values()) for row in load_csv(RESULTS / f"{name}.csv", Run._fields)]
    return [Run(recipe, int(seed), *map(float, figures)) for recipe, seed, *figures in rows]


def outdated_recipes(name: str, recipes: Mapping[str, Recipe]) -> list[str]:
    """Return a line for each value of a recipe that has changed since studies/results/NAME.csv was measured.

    A hyperparameter that was added after the measurement does not count: its value in params.yaml changes nothing.
    """
    recorded = load_json(RESULTS / f"{name}.json")["recipes"]
    lines = [f"{recipe}: was not measured" for recipe in recipes if recipe not in recorded]
    for recipe, values in recorded.items():
        present = flatten(recipes[recipe].model_dump()) if recipe in recipes else {}
        lines += [
            f"{recipe}: {key} = {present.get(key)}, measured with {value}"
            for key, value in flatten(values).items()
            if present.get(key) != value
        ]
    return lines
