"""Time to accuracy: seconds of training until the test accuracy first passes a mark, median of several seeds.

All contestants train the network of params.yaml; the recipes were chosen on validation images. Each contestant keeps
its weights after every chunk of images. Afterwards their test accuracy is measured; no choice depends on it.
"""

import argparse
import itertools
import math
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.contestants import LEARNERS
from benchmarks.machine import save_results
from benchmarks.turns import take_turns
from benchmarks.work import Work
from mnist.data.batches import batches_of
from mnist.data.dataset import read_raw
from mnist.data.published import TEST_IMAGES, TEST_LABELS
from mnist.errors import plain_errors
from mnist.nn.metrics import score
from mnist.recipe import Recipe
from stages.pipeline import RAW

MARKS = {Path("benchmarks/fast.yaml"): (0.9428, 0.97, 0.98), Path("benchmarks/fine.yaml"): (0.99,)}
"""Recipes, and the accuracies that each should reach."""

SEEDS = range(1, 11)


class Passed(NamedTuple):
    """The seconds of training until a contestant passed a mark, after `start` seconds to build and compile."""

    recipe: str
    seed: int
    who: str
    start: float
    mark: float
    seconds: float


def time_to_marks(who: str, path: Path, seed: int) -> list[Passed]:
    """Return when a contestant passes each mark of a recipe; infinity if it never passes it."""
    work = Work.load(Recipe.load_overlay(path).changed(path, {"seed": seed}))
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
    return [
        Passed(
            path.stem, seed, who, ready - begin, mark,
            next((seconds for seconds, accuracy in curve if accuracy > mark), math.inf),
        )
        for mark in MARKS[path]
    ]  # fmt: skip


def main() -> None:
    """Train each recipe with each seed in turns, and write when each mark was passed."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with plain_errors("the same command starts over"):
        turns = take_turns(LEARNERS, time_to_marks, list(itertools.product(MARKS, SEEDS)))
        rows = [passed for results in turns.values() for passed in itertools.chain.from_iterable(results)]
        save_results("accuracy", rows)


if __name__ == "__main__":
    main()
