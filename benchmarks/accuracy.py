"""Time to accuracy: seconds of training until the test accuracy first passes a mark, median of several seeds.

The network is that of params.yaml; the recipe, `benchmarks/fast.yaml`, was chosen on validation images. Each contestant
sets its weights aside after every chunk of images; the test images measure them afterwards, and decide nothing.
"""

import argparse
import math
import statistics
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.contestants import LEARNERS, installed
from benchmarks.machine import describe_machine
from benchmarks.race import RESULTS
from benchmarks.turns import positive, take_turns
from benchmarks.work import Work
from mnist.data.batches import batches_of
from mnist.data.dataset import read_raw
from mnist.data.published import TEST_IMAGES, TEST_LABELS
from mnist.errors import plain_errors
from mnist.files import encode_csv, save
from mnist.nn.metrics import score
from mnist.recipe import Recipe
from stages.pipeline import RAW

FAST = Path("benchmarks/fast.yaml")
MARKS = (0.9428, 0.97, 0.98)


class Run(NamedTuple):
    """One seed: seconds to build and compile, and then to each mark; infinity: it never passes that."""

    seed: int
    start: float
    marks: tuple[float, ...]


def time_to_marks(who: str, seed: int) -> Run:
    """Train with one seed, and look at the clock."""
    work = Work.load(Recipe.load_overlay(FAST).changed(FAST, {"seed": seed}))
    learn, _ = LEARNERS[who]
    begin = time.perf_counter()
    steps = learn(work)
    next(steps)
    ready = time.perf_counter()
    aside = [(time.perf_counter() - ready, [layer.copy() for layer in weights]) for weights in steps]

    training, batches = work.start()
    test = list(batches_of(read_raw(RAW / TEST_IMAGES, RAW / TEST_LABELS), batches.normalisation, batches.dtype))
    passed = [math.inf] * len(MARKS)
    for seconds, weights in aside:
        for mine, theirs in zip(training.network.weights, weights, strict=True):
            mine[:] = theirs
        accuracy = score(training.network, test, training.loss).accuracy
        passed = [min(old, seconds) if accuracy > mark else old for old, mark in zip(passed, MARKS, strict=True)]
    return Run(seed, ready - begin, tuple(passed))


def table_row(who: str, runs: list[Run]) -> str:
    """Return a line for people; a seed that never passes a mark counts as longer than all others."""
    cells = [f"{statistics.median(run.start for run in runs):.2f}"]
    cells += [
        f"{statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f})"
        for times in zip(*(run.marks for run in runs), strict=True)
    ]
    return f"| {who} | {' | '.join(cells)} |"


def main() -> None:
    """Read the command line, train with each seed in turns, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=positive, default=10, help="how many, from 1 on (%(default)s)")
    arguments = parser.parse_args()
    with plain_errors("the same command starts over"):
        runs = take_turns(installed(LEARNERS), time_to_marks, [(seed + 1,) for seed in range(arguments.seeds)])
        heads = " | ".join(f"{mark:.2%}" for mark in MARKS)
        print(f"{describe_machine()}\n\n| who | to build and compile, s | {heads} |\n|---|---|{'---|' * len(MARKS)}")
        for who, own in runs.items():
            print(table_row(who, own))
        rows = [(run.seed, who, run.start, *run.marks) for who, own in runs.items() for run in own]
        save({RESULTS / "accuracy.csv": encode_csv(("seed", "who", "start", *map(str, MARKS)), rows)})


if __name__ == "__main__":
    main()
