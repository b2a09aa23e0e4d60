"""Race: all contestants take turns at training the network of params.yaml on the same work.

Writes the seconds of an epoch, and their ratio to the seconds of this project, to `benchmarks/results/`. The mean loss
of the first epoch proves that the work is the same.
"""

import argparse
import math
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.contestants import PROJECT, RACERS
from benchmarks.machine import kernels, save_results
from benchmarks.turns import take_turns
from benchmarks.work import Work
from mnist.cores import count_cores
from mnist.errors import plain_errors
from mnist.recipe import Recipe

PLAIN = Path("benchmarks/plain.yaml")
ROUNDS, EPOCHS = 5, 3
IMAGES = 60_000

# The training of the racer in this process.
_running: dict[str, Iterator[float]] = {}


class Row(NamedTuple):
    """A line of the table: medians over all rounds, and ratios to this project's time in the same round."""

    name: str
    seconds: float
    microseconds_a_step: float
    ratio: float
    lowest_ratio: float
    highest_ratio: float
    first_loss: float


def train_epochs(name: str, recipe: Recipe) -> tuple[float, float]:
    """Train the next EPOCHS, and return the mean seconds of one and the mean loss of the first."""
    if name not in _running:
        _running[name] = RACERS[name](Work.load(recipe))
    start = time.perf_counter()
    loss, *_ = (next(_running[name]) for _ in range(EPOCHS))
    return (time.perf_counter() - start) / EPOCHS, loss


def race(recipe: Recipe) -> list[Row]:
    """Return the table of ROUNDS rounds of EPOCHS each, after a round in which some racers compile."""
    rows, steps = [], math.ceil(IMAGES / recipe.batch_size)
    turns = take_turns(RACERS, train_epochs, [(recipe,)] * (ROUNDS + 1))
    for name, ((_, first_loss), *others) in turns.items():
        ratios = [seconds / own for (seconds, _), (own, _) in zip(others, turns[PROJECT][1:], strict=True)]
        median = statistics.median(seconds for seconds, _ in others)
        ratio = statistics.median(ratios), min(ratios), max(ratios)
        rows.append(Row(name, median, 1e6 * median / steps, *ratio, first_loss))
    return rows


def main() -> None:
    """Read the command line, race, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-size", default=100)
    with plain_errors("the same command starts over"):
        # One shard for each core, as a user with these cores would choose.
        changes = vars(parser.parse_args()) | {"shards": count_cores()}
        recipe = Recipe.load_overlay(PLAIN).changed("the command line", changes)
        name = f"race-batch{recipe.batch_size}-cores{count_cores()}-{kernels()}"
        save_results(name, race(recipe))


if __name__ == "__main__":
    main()
