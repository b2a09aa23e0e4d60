"""Time to accuracy: seconds of training until the test accuracy first passes a mark, median of several seeds.

The network is that of params.yaml; the recipe, `benchmarks/fast.yaml`, was chosen on validation images. Each contestant
sets its weights aside after every chunk of images; the test images measure them afterwards, and decide nothing.
"""

import argparse
import math
import statistics
import time
from pathlib import Path

from benchmarks.contestants import LEARNERS
from benchmarks.machine import describe_machine
from benchmarks.race import RESULTS
from benchmarks.turns import take_turns
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
SEEDS = range(1, 11)


def time_to_marks(who: str, seed: int) -> list[float]:
    """Return the seconds to build and compile, and then to each mark; infinity where one seed never passes it."""
    work = Work.load(Recipe.load_overlay(FAST).changed(FAST, {"seed": seed}))
    begin = time.perf_counter()
    steps = LEARNERS[who](work)
    next(steps)
    ready = time.perf_counter()
    aside = [(time.perf_counter() - ready, [layer.copy() for layer in weights]) for weights in steps]

    training, batches = work.recipe.start(work.prepared)
    test = list(batches_of(read_raw(RAW / TEST_IMAGES, RAW / TEST_LABELS), batches.normalisation, batches.dtype))
    curve = []
    for seconds, weights in aside:
        for mine, theirs in zip(training.network.weights, weights, strict=True):
            mine[:] = theirs
        curve.append((seconds, score(training.network, test, training.loss).accuracy))
    passed = [next((seconds for seconds, accuracy in curve if accuracy > mark), math.inf) for mark in MARKS]
    return [ready - begin, *passed]


def main() -> None:
    """Train with each seed in turns, print and write the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with plain_errors("the same command starts over"):
        runs = take_turns(LEARNERS, time_to_marks, [(seed,) for seed in SEEDS])
        heads = " | ".join(f"{mark:.2%}" for mark in MARKS)
        print(f"{describe_machine()}\n\n| who | to build and compile, s | {heads} |\n|---|---|{'---|' * len(MARKS)}")
        for who, times in runs.items():
            # A seed that never passes a mark counts as longer than all others.
            starts, *marks = zip(*times, strict=True)
            cells = [f"{statistics.median(mark):.2f} ({min(mark):.2f} to {max(mark):.2f})" for mark in marks]
            print(f"| {who} | {statistics.median(starts):.2f} | {' | '.join(cells)} |")
        rows = [(seed, who, *run) for who, times in runs.items() for seed, run in zip(SEEDS, times, strict=True)]
        save({RESULTS / "accuracy.csv": encode_csv(("seed", "who", "start", *map(str, MARKS)), rows)})


if __name__ == "__main__":
    main()
