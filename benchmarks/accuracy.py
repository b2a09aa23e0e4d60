"""Time to accuracy: seconds of training until the test accuracy first passes a mark, median of several seeds.

The network is that of params.yaml; the recipe, `benchmarks/fast.yaml`, was chosen on validation images. The weights are
put aside after every 2000 training images; afterwards they are tried on the test images, which decide nothing.
"""

import argparse
import math
import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from benchmarks.contestants import installed
from benchmarks.learners import LEARNERS
from benchmarks.machine import describe_machine
from benchmarks.race import PROJECT, RESULTS
from benchmarks.work import Work
from mnist.dataset import read_raw
from mnist.evaluation import score
from mnist.files import save_csv
from mnist.hyperparameters import Hyperparameters
from mnist.sources import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from stages.command import RAW, told_in_words

RECIPE = Path("benchmarks/fast.yaml")
MARKS = (0.9428, 0.97, 0.98)


class Run(NamedTuple):
    """What one seed took: seconds to build and compile, and then to each mark; infinity: it never passes that."""

    seed: int
    who: str
    start: float
    marks: tuple[float, ...]


def time_to_marks(who: str, seed: int) -> Run:
    """Train with one seed, and look at the clock."""
    work = Work(Hyperparameters.load(RECIPE, seed=seed), read_raw(RAW / TRAIN_IMAGES, RAW / TRAIN_LABELS))
    train, _ = LEARNERS[who]
    begin = time.perf_counter()
    steps = train(work)
    next(steps)
    ready = time.perf_counter()
    aside = [(time.perf_counter() - ready, [layer.copy() for layer in weights]) for weights in steps]

    test, network = read_raw(RAW / TEST_IMAGES, RAW / TEST_LABELS), work.state().network
    passed = [math.inf] * len(MARKS)
    for seconds, weights in aside:
        for mine, theirs in zip(network.weights, weights, strict=True):
            mine[:] = theirs
        accuracy = score(network, test, work.parameters.loss).accuracy
        passed = [min(old, seconds) if accuracy > mark else old for old, mark in zip(passed, MARKS, strict=True)]
    return Run(seed, who, ready - begin, tuple(passed))


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
    parser.add_argument("--seeds", type=int, default=10, help="how many, from 1 on (%(default)s)")
    arguments = parser.parse_args()
    if arguments.seeds < 1:
        parser.error("--seeds should be 1 or more")
    runs = []
    with told_in_words("the same command begins anew"), ExitStack() as stack:
        print(describe_machine())
        # Each in a process of their own, which waits while the others have their turn.
        alone = {
            who: stack.enter_context(ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")))
            for who in installed(LEARNERS)
        }
        for seed in range(1, arguments.seeds + 1):
            for who, process in list(alone.items()):
                try:
                    runs.append(process.submit(time_to_marks, who, seed).result())
                # Whatever a peer trips over is its own, as in the race.
                except Exception as error:
                    if who == PROJECT:
                        raise
                    print(f"{who} does not run: {type(error).__name__}: {error}")
                    del alone[who]
                else:
                    marks = zip(MARKS, runs[-1].marks, strict=True)
                    print(f"seed {seed}, {who}: {', '.join(f'{mark:.2%} in {time:.2f} s' for mark, time in marks)}")
    heads = " | ".join(f"{mark:.2%}" for mark in MARKS)
    print(f"\n| who | to build and compile, s | {heads} |\n|---|---|{'---|' * len(MARKS)}")
    for who in alone:
        print(table_row(who, [run for run in runs if run.who == who]))
    save_csv(
        RESULTS / "accuracy.csv",
        ("seed", "who", "start", *map(str, MARKS)),
        [(*run[:-1], *run.marks) for run in runs],
    )


if __name__ == "__main__":
    main()
