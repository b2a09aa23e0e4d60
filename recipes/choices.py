"""Compare what the default recipe could be instead, on validation images; the test images stay closed.

Writes recipes/choices.csv. Every finished run is kept in `recipes/runs/`, so that an interrupted study goes on.
"""

import argparse
import os
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from mnist.files import save_csv
from mnist.hyperparameters import Hyperparameters, read_yaml
from mnist.sources import TRAIN_IMAGES, TRAIN_LABELS
from recipes.rungs import load_changes
from recipes.runs import in_parallel, kept, trained
from stages.command import told_in_words

DEFAULT = Path("params.yaml")
CHOICES = Path("recipes/choices.yaml")
TABLE = Path("recipes/choices.csv")

EPOCHS = 30
SEEDS = (1, 2)
FIGURES = ("validation_accuracy", "validation_loss", "seconds")


class Choice(NamedTuple):
    """A recipe to compare, under its name."""

    name: str
    parameters: Hyperparameters


def load_choices(default: Path = DEFAULT, path: Path = CHOICES) -> list[Choice]:
    """Return every choice with every seed; raises HyperparameterError where one is not allowed."""
    values = read_yaml(default) | {"epochs": EPOCHS}
    return [
        Choice(name, Hyperparameters.check(f"{path}, {name}", values | changes | {"seed": seed}))
        for name, changes in load_changes(path).items()
        for seed in SEEDS
    ]


def compare(choice: Choice) -> tuple[str, tuple[float, ...]]:
    """Return the name of a choice and its FIGURES with one seed."""
    raw = TRAIN_IMAGES, TRAIN_LABELS
    return choice.name, kept("choice", choice.parameters, raw, FIGURES, partial(_train, choice.parameters))


def _train(parameters: Hyperparameters) -> tuple[float, ...]:
    with trained(parameters) as training:
        last = training.history[-1]
        return last.validation_accuracy, last.validation_loss, training.seconds


def main() -> None:
    """Read the command line, run all choices, write the table and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many at a time (%(default)s, the cores)")
    arguments = parser.parse_args()
    if arguments.jobs < 1:
        parser.error("--jobs should be 1 or more")
    with told_in_words():
        choices = load_choices()
        figures = defaultdict(list)
        for name, result in tqdm(in_parallel(compare, choices, arguments.jobs), total=len(choices), disable=None):
            figures[name].append(result)
        rows = []
        for name in dict.fromkeys(choice.name for choice in choices):
            accuracy, loss, seconds = np.mean(figures[name], axis=0)
            deviation = np.std([100 * figure[0] for figure in figures[name]], ddof=1)
            rows.append((name, f"{100 * accuracy:.2f}", f"{deviation:.2f}", f"{loss:.4f}", f"{seconds:.0f}"))
        save_csv(TABLE, ("choice", "validation_accuracy", "deviation", "validation_loss", "seconds"), rows)
        print(TABLE.read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    main()
