"""Run a recipe with several seeds, from splitting the data to the test set, and print how its figures vary.

The seed decides which images are held back, the first weights, the order of the images and how they are deformed. Every
finished seed is kept in `recipes/runs/`, so that an interrupted study goes on where it stopped.
"""

import argparse
import json
import math
import os
import statistics
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mnist.files import load_numbers, save_csv
from mnist.hyperparameters import Hyperparameters
from mnist.sources import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from recipes.runs import in_parallel, kept, trained
from stages.command import told_in_words
from stages.evaluate import evaluate


class Run(NamedTuple):
    """What one seed gave; accuracies are fractions, seconds those of training.

    The training loss is the mean over all epochs, of an image; the notebook printed it of a batch of 100.
    """

    seed: int
    test_accuracy: float
    test_loss: float
    validation_accuracy: float
    mean_train_loss: float
    seconds: float


def load_runs(path: Path) -> list[Run]:
    """Return the runs of a table that this command wrote; raises DamagedFileError where it is not one."""
    return [Run(int(seed), *figures) for seed, *figures in map(dict.values, load_numbers(path, Run._fields))]


def run_once(recipe: Hyperparameters, seed: int) -> Run:
    """Return the figures of one seed."""
    parameters = recipe.model_copy(update={"seed": seed})
    raw = TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS
    return Run(seed, *kept("seed", parameters, raw, Run._fields[1:], partial(_measure, parameters)))


def _measure(parameters: Hyperparameters) -> tuple[float, ...]:
    with trained(parameters) as training:
        evaluate(parameters, training.workspace)
        scores = json.loads(training.workspace.scores.read_bytes())
    validation = scores["validation"]["accuracy"] if "validation" in scores else math.nan
    loss = statistics.mean(epoch.train_loss for epoch in training.history)
    return scores["test"]["accuracy"], scores["test"]["loss"], validation, loss, training.seconds


def summarise(runs: list[Run]) -> dict[str, tuple[float, ...]]:
    """Return mean, standard deviation (of a sample), minimum and maximum of each figure but the seed."""
    figures = np.array(runs)[:, 1:]
    lines = {"mean": figures.mean(axis=0)}
    if len(runs) > 1:
        lines["deviation"] = figures.std(axis=0, ddof=1)
    lines |= {"minimum": figures.min(axis=0), "maximum": figures.max(axis=0)}
    return {name: tuple(line.tolist()) for name, line in lines.items()}


def line(name: str, figures: tuple[object, ...]) -> str:
    """Return a line of the table."""
    cells = (f"{figure:>20}" if isinstance(figure, str) else f"{figure:20.4f}" for figure in figures)
    return f"{name:10}" + "".join(cells)


def main() -> None:
    """Read the command line, run the seeds, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path, help="a complete file of hyperparameters")
    parser.add_argument("--seeds", type=int, default=10, help="how many, from 1 on (%(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many at a time (%(default)s, the cores)")
    parser.add_argument("--table", type=Path, help="a file for the runs, as CSV")
    arguments = parser.parse_args()
    if min(arguments.seeds, arguments.jobs) < 1:
        parser.error("--seeds and --jobs should be 1 or more")
    with told_in_words():
        # Read once: the file may change while the study runs.
        recipe = Hyperparameters.load(arguments.recipe)
        print(f"{arguments.recipe}, {arguments.seeds} seeds, {arguments.jobs} at a time on one core each")
        print(line("", Run._fields[1:]), flush=True)
        runs = []
        seeds = range(1, arguments.seeds + 1)
        for run in in_parallel(partial(run_once, recipe), seeds, arguments.jobs):
            print(line(f"seed {run.seed}", run[1:]), flush=True)
            runs.append(run)
        for name, figures in summarise(runs).items():
            print(line(name, figures))
        if arguments.table:
            save_csv(arguments.table, Run._fields, sorted(runs))


if __name__ == "__main__":
    main()
