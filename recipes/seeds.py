"""Run a recipe with several seeds, from splitting the data to the test set, and print how its figures vary.

The seed decides which images are held back, the first weights and the order of the images.
"""

import argparse
import csv
import json
import math
import statistics
import tempfile
import time
from pathlib import Path

from mnist.hyperparameters import Hyperparameters
from stages.command import Workspace, told_in_words
from stages.evaluate import evaluate
from stages.prepare import prepare
from stages.train import train_network

COLUMNS = ("test accuracy", "test loss", "val. accuracy", "mean train loss", "seconds")


def run_once(parameters: Hyperparameters) -> tuple[float, ...]:
    """Return the figures of COLUMNS.

    The training loss is the mean over all epochs, of an image; the notebook printed it of a batch of 100.
    """
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        prepare(parameters, workspace)
        start = time.perf_counter()
        train_network(parameters, workspace)
        seconds = time.perf_counter() - start
        evaluate(parameters, workspace)
        scores = json.loads(workspace.scores.read_bytes())
        with workspace.history.open() as file:
            losses = [float(epoch["train_loss"]) for epoch in csv.DictReader(file)]
    validation_accuracy = scores["validation"]["accuracy"] if "validation" in scores else math.nan
    test = scores["test"]
    return test["accuracy"], test["loss"], validation_accuracy, statistics.mean(losses), seconds


def summarise(runs: dict[int, tuple[float, ...]]) -> str:
    """Return a table: a line a seed, then mean, standard deviation (of a sample), minimum and maximum."""
    columns = list(zip(*runs.values(), strict=True))
    lines = {f"seed {seed}": figures for seed, figures in runs.items()}
    lines["mean"] = tuple(map(statistics.mean, columns))
    if len(runs) > 1:
        lines["deviation"] = tuple(map(statistics.stdev, columns))
    lines |= {"minimum": tuple(map(min, columns)), "maximum": tuple(map(max, columns))}
    header = f"{'':10}" + "".join(f"{name:>17}" for name in COLUMNS)
    return "\n".join([header, *(f"{name:10}" + "".join(f"{value:17.4f}" for value in lines[name]) for name in lines)])


def main() -> None:
    """Read the command line, run the seeds, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path, help="a complete file of hyperparameters")
    parser.add_argument("--seeds", type=int, default=10, help="how many, from 1 on (%(default)s)")
    arguments = parser.parse_args()
    with told_in_words():
        recipes = {seed: Hyperparameters.load(arguments.recipe, seed=seed) for seed in range(1, arguments.seeds + 1)}
        runs = {seed: run_once(parameters) for seed, parameters in recipes.items()}
        print(f"\n{arguments.recipe}, {len(runs)} seeds\n{summarise(runs)}")


if __name__ == "__main__":
    main()
