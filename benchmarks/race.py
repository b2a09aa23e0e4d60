"""Race: everyone trains the same network on the same work in turns.

Prints a table of the seconds that an epoch takes and their ratio to this project's, and writes it to
`benchmarks/results/`. The mean loss of the first epoch proves that the work is the same.
"""

import argparse
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.contestants import PROJECT, RACERS, installed
from benchmarks.machine import cores, describe_machine, kernels
from benchmarks.turns import positive, take_turns
from benchmarks.work import Work, plain_recipe
from mnist.errors import plain_errors
from mnist.files import encode_csv, save
from mnist.fingerprint import THREAD_VARIABLES
from mnist.recipe import Recipe

RESULTS = Path("benchmarks/results")
IMAGES = 60_000

# In the process of a racer: its training.
_running: dict[str, Iterator[float]] = {}


class Row(NamedTuple):
    """A line of the table: medians over all rounds, ratios to this project's time in the same round."""

    name: str
    seconds: float
    microseconds_a_step: float
    ratio: float
    lowest_ratio: float
    highest_ratio: float
    first_loss: float


def train_epoch(name: str, recipe: Recipe) -> tuple[float, float]:
    """Train the next epoch, and return its seconds and its mean loss."""
    if name not in _running:
        train, _ = RACERS[name]
        _running[name] = train(Work.load(recipe))
    start = time.perf_counter()
    loss = next(_running[name])
    return time.perf_counter() - start, loss


def race(names: list[str], recipe: Recipe, rounds: int) -> list[Row]:
    """Return the table: so many rounds, after one in which some compile."""
    rows, steps = [], -(-IMAGES // recipe.batch_size)
    turns = take_turns(names, train_epoch, [(recipe,)] * (rounds + 1))
    for name, ((_, first_loss), *others) in turns.items():
        ratios = [seconds / own for (seconds, _), (own, _) in zip(others, turns[PROJECT][1:], strict=True)]
        median = statistics.median(seconds for seconds, _ in others)
        ratio = statistics.median(ratios), min(ratios), max(ratios)
        rows.append(Row(name, median, 1e6 * median / steps, *ratio, first_loss))
    return rows


def markdown(rows: list[Row]) -> str:
    """Return the table for people."""
    lines = [
        "| who | an epoch, s | a step, µs | ratio to this project (lowest to highest) | loss of the first epoch |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        ratio = f"{row.ratio:.2f} ({row.lowest_ratio:.2f} to {row.highest_ratio:.2f})"
        loss = "" if row.first_loss != row.first_loss else f"{row.first_loss:.3f}"
        lines.append(f"| {row.name} | {row.seconds:.3f} | {row.microseconds_a_step:.0f} | {ratio} | {loss} |")
    return "\n".join(lines)


def main() -> None:
    """Read the command line, race, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-size", type=positive, default=100)
    parser.add_argument("--rounds", type=positive, default=7, help="after one to warm up (%(default)s)")
    arguments = parser.parse_args()
    size = arguments.batch_size
    with plain_errors("the same command starts over"):
        rows = race(installed(RACERS), plain_recipe(batch_size=size), arguments.rounds)
        kind, file = f"batch {size}", f"race-batch{size}-cores{cores()}-{kernels()}"
        for variable in THREAD_VARIABLES:
            if threads := os.environ.get(variable):
                kind, file = f"{kind}, {variable}={threads}", f"{file}-{variable}-{threads}"
        print(f"{kind}: {describe_machine()}\n\n{markdown(rows)}")
        save({RESULTS / f"{file}.csv": encode_csv(Row._fields, rows)})


if __name__ == "__main__":
    main()
